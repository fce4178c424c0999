/** What stands where, for whoever takes over: read now from fleets, brokers, Connect and both ledgers. Nothing is assumed. */
import { cutSets } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import type { Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { findMirrors } from './connect.ts';
import { standingMarks } from './cut.ts';
import { rulesOf } from './fence.ts';
import { askAll, placeOf } from './fleets.ts';
import type { LedgerBook } from './ledger.ts';
import { both, clusterOf, count, list, nameOf } from './outside.ts';
import type { Ask } from './work.ts';

/** What cannot be read is told as unknown, with the reason. */
async function told(what: string, look: () => Promise<string>): Promise<string> {
  try {
    return `${what}: ${await look()}`;
  } catch (error) {
    if (error instanceof Failure) return `${what}: unknown, ${error.message}`;
    throw error;
  }
}

export const whereabouts = (ports: Ports, record: LedgerBook) => ({
  whereabouts: (x: Ask, at: At): Promise<readonly string[]> => Promise.all([
    ...x.m.applications.map((a) => told(a.name, async () => {
      const [asked] = await askAll(ports, x.m, [a.name], at);
      const place = asked ? placeOf(asked.state) : 'unknown';
      return place === 'stopped' ? 'stopped' : place === 'unknown' ? `unknown, ${asked?.state.say ?? 'its fleet gave no answer'}` : `runs on ${place === 'both' ? both.map((side) => nameOf(x.m, side)).join(' and ') : nameOf(x.m, place)}`;
    })),
    ...cutSets(x.m).map((set) => told(`topics ${list(set.topics)}`, async () => {
      const [mark] = await standingMarks(record, { ...x, set });
      return mark ? `authority on ${nameOf(x.m, mark.to)} since cut ${mark.epoch}, ${new Date(mark.atMs).toISOString()}` : `authority on ${x.m.source}, never cut`;
    })),
    ...cutSets(x.m).flatMap((set) => both.filter((toward) => (toward === 'target' ? x.m.connect : x.m.connectBack) !== null).map((toward) => told(`mirror of ${set.name} to ${nameOf(x.m, toward)}`, async () => {
      const found = await findMirrors(ports, { ...x, set, toward });
      const states = await Promise.all(found.map(async (spec) => `${spec.name} ${(await ports.mirrors.health(spec)).connector}`));
      return states.length === 0 ? 'none' : list(states);
    }))),
    ...both.map((side) => told(`fences on ${nameOf(x.m, side)}`, async () => {
      const rules = cutSets(x.m).flatMap((set) => rulesOf(x.m, set));
      if (rules.length === 0) return 'none, no principals are declared';
      const found = (await clusterOf(ports, x.m, side).denyRules(x.m.topics)).filter((r) => rules.some((o) => o.principal === r.principal && o.topic === r.topic));
      return found.length === 0 ? 'none' : `${count(found.length, 'rule')}: ${list(found.map((r) => `${r.principal} on ${r.topic}`), 5)}`;
    })),
  ]),
});
