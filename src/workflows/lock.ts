/**
 * One lock workflow per Kafka cluster id (not per catalog name): who is at work on which topics. It never waits: a refusal
 * names the owner. A terminated owner keeps its topics until its recovery gives them back.
 */
import { allHandlersFinished, condition, continueAsNew, defineQuery, defineUpdate, setHandler, workflowInfo } from '@temporalio/workflow';

/** `run`: the first run id under which the owner's ledger is kept. Claims of earlier releases say none. */
export interface Claimed { readonly owner: string; readonly run?: string; readonly topics: readonly string[] }
/** `granted`, or the sentence that names who holds what. */
export const acquire = defineUpdate<string, [Claimed]>('acquire');
export const release = defineUpdate<string, [Omit<Claimed, 'topics'>]>('release');
export const held = defineQuery<readonly Claimed[]>('held');
export const lockId = (clusterId: string): string => `cutover-lock/${clusterId}`;

/** A migration that is started again has another run than the one that was terminated, of which nothing was undone. One that is recovered has the same. */
const isSame = (x: Claimed, ask: Omit<Claimed, 'topics'>): boolean => x.owner === ask.owner && (x.run === undefined || ask.run === undefined || x.run === ask.run);

export async function lock(carried: readonly Claimed[] = []): Promise<void> {
  let claims: readonly Claimed[] = carried;
  let used = carried.length > 0;
  setHandler(held, () => claims, { description: 'Who holds which topics of this cluster' });
  setHandler(acquire, (ask) => {
    used = true;
    const others = claims.filter((x) => !isSame(x, ask) && x.topics.some((t) => ask.topics.includes(t)));
    if (others.length > 0) return others.map((x) => `${x.topics.filter((t) => ask.topics.includes(t)).join(', ')} held by ${x.owner}${x.owner === ask.owner ? `, by its run ${x.run ?? 'of before'}, which ended and gave nothing back` : ''}`).join('; ');
    claims = [...claims.filter((x) => !isSame(x, ask)), { owner: ask.owner, ...(ask.run === undefined ? {} : { run: ask.run }), topics: [...ask.topics].sort() }];
    return 'granted';
  }, { description: 'Take topics for a migration: {"owner","run","topics"}' });
  setHandler(release, (ask) => {
    used = true;
    claims = claims.filter((x) => !isSame(x, ask));
    return 'released';
  }, { description: 'Give everything of an owner back: {"owner","run"}' });
  await condition(() => (used && claims.length === 0) || workflowInfo().continueAsNewSuggested);
  await condition(allHandlersFinished);
  if (claims.length > 0) await continueAsNew<typeof lock>(claims);
}
