/**
 * One lock workflow per Kafka cluster id (not per catalog name): who is at work on which topics. It never waits: a refusal
 * names the owner. A terminated owner keeps its topics until its recovery gives them back.
 */
import { allHandlersFinished, condition, continueAsNew, defineQuery, defineUpdate, setHandler, workflowInfo } from '@temporalio/workflow';

export interface Claimed { readonly owner: string; readonly topics: readonly string[] }
/** `granted`, or the sentence that names who holds what. */
export const acquire = defineUpdate<string, [Claimed]>('acquire');
export const release = defineUpdate<string, [{ owner: string }]>('release');
export const held = defineQuery<readonly Claimed[]>('held');
export const lockId = (clusterId: string): string => `cutover-lock/${clusterId}`;

export async function lock(carried: readonly Claimed[] = []): Promise<void> {
  let claims: readonly Claimed[] = carried;
  let used = carried.length > 0;
  setHandler(held, () => claims, { description: 'Who holds which topics of this cluster' });
  setHandler(acquire, (ask) => {
    used = true;
    const others = claims.filter((x) => x.owner !== ask.owner && x.topics.some((t) => ask.topics.includes(t)));
    if (others.length > 0) return others.map((x) => `${x.topics.filter((t) => ask.topics.includes(t)).join(', ')} held by ${x.owner}`).join('; ');
    claims = [...claims.filter((x) => x.owner !== ask.owner), { owner: ask.owner, topics: [...ask.topics].sort() }];
    return 'granted';
  }, { description: 'Take topics for a migration: {"owner","topics"}' });
  setHandler(release, (ask) => {
    used = true;
    claims = claims.filter((x) => x.owner !== ask.owner);
    return 'released';
  }, { description: 'Give everything of an owner back: {"owner"}' });
  await condition(() => (used && claims.length === 0) || workflowInfo().continueAsNewSuggested);
  await condition(allHandlersFinished);
  if (claims.length > 0) await continueAsNew<typeof lock>(claims);
}
