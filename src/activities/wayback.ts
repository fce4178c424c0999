/** Whether there is a way back after an opening: read before anything is opened. */
import type { CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import type { Ports } from '../domain/ports.ts';
import { prefixOf, specOf } from './connect.ts';
import type { Glance } from './looking.ts';
import { count, list } from './outside.ts';
import type { LookAsk } from './work.ts';

export const wayBack = (ports: Ports) => ({
  lookWayBack(x: LookAsk & { readonly sets: readonly CutSet[] }): () => Promise<Glance> {
    return async () => {
      const faults = (await Promise.all(x.sets.map((set) => ports.mirrors.check(specOf(x.m, { set, toward: 'source', name: `${prefixOf(set, 'source', x.c.run)}check` }))))).flat();
      if (faults.length > 0) throw new Failure('MirrorStuck', `There is no way back for ${list(x.sets.map((s) => s.name))}: ${list([...new Set(faults)], 5)}`, 'Mend it before the opening; until then nothing is opened.');
      return { done: true, state: 'proven', say: `Connect worker ${x.m.connectBack ?? ''} takes the settings of ${count(x.sets.length, 'back mirror')}.` };
    };
  },
});
