/** The last two phases, the same in every scheme: what came late is carried over or not, then the way back is given up. */
import type { CutSet } from '../../domain/cutsets.ts';
import type { Migration } from '../../domain/migration.ts';
import { phase, type Has, type Phase } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';

/** Asked of `has`: plans made before name the other way also where there is none. */
const onlyIfThereIsOne = '2026-11-23-the-other-way';

/** `fences`: the sets by which fences stand on the source, where they are not the cut sets. */
export function lateAndFinish(m: Migration, has: Has, use: Use, { sets, copies, fences = sets }: { readonly sets: readonly CutSet[]; readonly copies: boolean; readonly fences?: readonly CutSet[] }): readonly Phase[] {
  const back = m.connectBack !== null;
  return [
    phase('stragglers', ...sets.flatMap((s) => [use.holds.approve(`approve what came late for ${s.name}`, `Carry what reached ${s.topics.join(', ')} on ${m.source} after the cut over to ${m.target}, once and out of order?${back || !has(onlyIfThereIsOne) ? ' To roll back is the other way.' : ''}`, { kind: 'stragglers', set: s }), use.guards.carryStragglers(s)])),
    phase('finish',
      use.holds.approve('approve the finish', `Finish: ${back ? 'give up the way back, ' : ''}set retention on ${m.target} as on ${m.source} and lift what was held back?`, { kind: 'finish', sets, copies }),
      ...(back ? [use.mirrors.giveUpTheWayBack(sets)] : []),
      use.topics.releaseRetention(), ...(copies ? use.topics.releaseTombstones() : []), use.cuts.unfence(fences, 'source'), ...use.guards.liftReadFence(m.applications, 'source'), use.clusters.unlock()),
  ];
}
