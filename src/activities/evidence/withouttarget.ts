/** What a person approves who goes back without the target: what is given up, what is read again, and what nobody knows. */
import type { Ports } from '../../domain/ports.ts';
import { groupsWith } from '../../domain/companies.ts';
import { againOf, missingOf, openedSets, partitionsOf, placesOf, placing, type PartitionAccount, type PlaceAccount } from '../deadtarget/account.ts';
import { answered } from '../deadtarget/answered.ts';
import { askAll } from '../fleets.ts';
import { membersOf } from '../moved.ts';
import { clusterOf, count, grouped, list, unique } from '../outside.ts';
import { sweptOf } from '../sweep.ts';
import { tpKey } from '../../domain/ports.ts';
import { claim, shown, told, type About, type Reach, type Shown } from './shown.ts';

/** Longest wait for a target that may be dead. */
const probeMs = 8_000;
/** Lines per partition; the rest is counted. */
const mostLines = 60;

const asked = ({ m, about: { applications, twice } }: About<'without-target'>) => ({ m, applications, ...(twice === undefined ? {} : { twice }) });
const iso = (ms: number): string => new Date(ms).toISOString();

export function withoutTargetShown(reach: Reach, x: About<'without-target'>): readonly Promise<Shown>[] {
  const { ports } = reach;
  return [
    deadShown(ports, x),
    shown(`what is only on ${x.m.target} can be told`, () => missingShown(ports, x)),
    shown(`it is known where groups go on`, () => placesShown(reach, x)),
    shown('the groups are empty on the source', async () => {
      const { groups, full } = await placing(ports, asked(x), reach.at);
      return claim(`groups ${list(groups) || 'none'} are empty on ${x.m.source}.`, full.length === 0, ...full.map((g) => `${g.group} has ${count(g.members.length, 'member')}: ${membersOf(g)}`));
    }),
    shown(`Connect worker ${x.m.connectBack ?? 'none'} answers`, async () => {
      const found = await ports.mirrors.list(x.m.connectBack ?? '', 'cutover-');
      return claim(`Connect worker ${x.m.connectBack} answers: the mirrors back can be silenced for good.`, true, `connectors there: ${list(found) || 'none'}`);
    }),
    told('fleets', async () => Promise.all(x.about.applications.map(async (name) => {
      let said = 'its fleet did not answer';
      const deaf = await answered(async () => { said = (await askAll(ports, x.m, [name], reach.at))[0]?.state.say ?? said; }, probeMs);
      return `${name}: ${deaf === null ? said : `nobody can say whether it still runs on ${x.m.target} (${deaf})`}`;
    }))),
  ];
}

/** As long as the target answers in full, the ordinary rollback loses nothing and this one is not offered. */
async function deadShown(ports: Ports, x: About<'without-target'>): Promise<Shown> {
  const target = clusterOf(ports, x.m, 'target');
  const groups = groupsWith(x.m, x.about.applications);
  const why = await answered(() => Promise.all([target.ends(x.m.topics), groups.length === 0 ? null : target.committed(groups)]), probeMs);
  return why === null
    ? claim(`cluster ${x.m.target} does not answer.`, false, `${x.m.target} answers for every partition and group: reject this, and roll back with it; nothing is lost that way`)
    : claim(`cluster ${x.m.target} does not answer.`, true, `${x.m.target}: ${why}`);
}

async function missingShown(ports: Ports, x: About<'without-target'>): Promise<Shown> {
  const opened = await openedSets(ports, x, x.about.sets);
  const [{ head }, partitions] = await Promise.all([sweptOf(ports, x), partitionsOf(ports, x, opened)]);
  const asOf = head === null ? null : iso(head.atMs);
  const of = (topic: string): readonly PartitionAccount[] => partitions.filter((p) => p.key.slice(0, p.key.lastIndexOf('/')) === topic);
  const claims = unique(opened.flatMap((o) => o.set.topics)).map((topic) => {
    const missing = of(topic).map(missingOf);
    const known = missing.filter((n) => n !== 'unknown').reduce((a, b) => a + b, 0n);
    const unknown = missing.filter((n) => n === 'unknown').length;
    const first = asOf === null ? `nothing is known of where it ended on ${x.m.target}` : `as of ${asOf} at most ${count(known, 'record')} on ${x.m.target} had not come back${unknown > 0 ? `, unknown for ${count(unknown, 'partition')}` : ''}`;
    return { text: `${topic}: ${first}; what was written there ${asOf === null ? 'since the cut' : 'after that'} and did not come back is unknown. It is given up on ${x.m.source} until it is reconciled.`, holds: true };
  });
  const lines = [...partitions].sort((a, b) => order(b) - order(a)).map((p) => {
    const n = missingOf(p);
    return `${p.key}: came back up to offset ${p.brought} of ${x.m.target}, which ended at ${p.end}${asOf === null ? '' : ` as of ${asOf}`}: ${n === 'unknown' ? 'what is missing is unknown' : n === 0n ? 'nothing known is missing' : `at most ${count(n, 'record')} missing`}`;
  });
  return { claims, figures: [...lines.slice(0, mostLines), ...(lines.length > mostLines ? [`and ${lines.length - mostLines} partitions of which less is missing`] : [])] };
}
const order = (p: PartitionAccount): number => { const n = missingOf(p); return n === 'unknown' ? Infinity : Number(n); };

async function placesShown({ ports, at }: Reach, x: About<'without-target'>): Promise<Shown> {
  const { groups, atWork } = await placing(ports, asked(x), at);
  const places = await placesOf(ports, x, groups, groupsWith(x.m, x.about.twice ?? []));
  const claims = groups.map((group) => {
    const of = places.filter((p) => p.group === group);
    return { text: `${group} goes on on ${x.m.source} ${knownSince(of)}: at most ${count(of.reduce((n, p) => n + againOf(p), 0n), 'record')} are read again.`, holds: true };
  });
  const goOn = atWork.map(({ say }) => ({ text: `${say}. What only the second set read on ${x.m.target} was processed, and is not on ${x.m.source}.`, holds: true }));
  const lines = places.map((p) => `${p.group} ${tpKey(p.end)}: at ${p.offset}, ${howKnown(p)}; ${grouped(againOf(p))} behind it`);
  return { claims: [...claims, ...goOn], figures: [...lines.slice(0, mostLines), ...(lines.length > mostLines ? [`and ${lines.length - mostLines} more positions`] : [])] };
}
const howKnown = (p: PlaceAccount): string => (p.by === 'swept' ? `where it was known to be at ${p.sinceMs === null || p.sinceMs === 0 ? 'an unknown time' : iso(p.sinceMs)}` : p.by === 'left' ? 'where it was when it left the source' : 'the log start: nothing is known of it');
function knownSince(of: readonly PlaceAccount[]): string {
  const [swept, left, none] = (['swept', 'left', 'log-start'] as const).map((by) => of.filter((p) => p.by === by));
  const oldest = Math.min(...(swept ?? []).map((p) => p.sinceMs ?? 0));
  return [
    ...((swept?.length ?? 0) > 0 ? [`where it was known to be at ${iso(oldest)}`] : []),
    ...((left?.length ?? 0) > 0 ? [`on ${count(left?.length ?? 0, 'partition')} where it was when it left ${of[0] ? 'there' : ''}`.trimEnd()] : []),
    ...((none?.length ?? 0) > 0 ? [`on ${count(none?.length ?? 0, 'partition')} from the log start`] : []),
  ].join(', ');
}
