/** Whether there is a way back after an opening: shown before anything is opened, and again as a claim wherever a person is asked. */
import type { CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import type { MirrorProof, Ports } from '../domain/ports.ts';
import { connectOf, prefixOf, specOf } from './connect.ts';
import { rulesOf } from './fence.ts';
import type { Glance } from './looking.ts';
import { list, unique } from './outside.ts';
import type { Ask, LookAsk } from './work.ts';

type OfWayBack = Ask & { readonly sets: readonly CutSet[] };

/** All sets at once: what fails, what was seen, and what could not be looked at. */
export async function viewWayBack(ports: Ports, x: OfWayBack): Promise<MirrorProof> {
  const connect = connectOf(x.m, 'source');
  // Throws `Unreachable` where nothing answers: that may pass by itself, unlike the faults below.
  await ports.mirrors.list(connect, 'cutover-');
  const proofs = await Promise.all(x.sets.map((set) => ports.mirrors.prove(specOf(x.m, { set, toward: 'source', name: `${prefixOf({ set, toward: 'source', run: x.c.run })}check` }))));
  const of = (part: 'faults' | 'shown' | 'unknown'): readonly string[] => unique(proofs.flatMap((p) => p[part]));
  return { faults: [...of('faults'), ...fencedOut(x, proofs)], shown: of('shown'), unknown: of('unknown') };
}
/** Sentences, each with what would do; empty: the way back is open. */
export const wayBackFaults = async (ports: Ports, x: OfWayBack): Promise<readonly string[]> => (await viewWayBack(ports, x)).faults;

/** The fence on the source stands for as long as the way back is open: it must not shut the mirror out too. */
function fencedOut(x: OfWayBack, proofs: readonly MirrorProof[]): readonly string[] {
  const fenced = new Set(x.sets.flatMap((set) => rulesOf(x.m, set).map((r) => r.principal)));
  return unique(proofs.flatMap((p) => p.principal ?? [])).filter((principal) => fenced.has(principal))
    .map((principal) => `the fence on ${x.m.source} denies ${principal} to write, and the mirror back writes as ${principal}; give Connect worker ${connectOf(x.m, 'source')} a login of its own`);
}

export const wayBack = (ports: Ports) => ({
  lookWayBack(x: LookAsk & { readonly sets: readonly CutSet[] }): () => Promise<Glance> {
    return async () => {
      const seen = await viewWayBack(ports, x);
      if (seen.faults.length > 0) throw new Failure('MirrorStuck', `There is no way back for ${list(x.sets.map((s) => s.name))}: ${list(seen.faults, 5)}.`, 'Mend it before the opening; until then nothing is opened.');
      return { done: true, state: 'proven', say: `the way back stands: ${[...seen.shown, ...seen.unknown.map((u) => `unknown: ${u}`)].join('; ')}.` };
    };
  },
});
