/**
 * A task of a mirror that has failed stays so until somebody restarts it; a cluster that was away for some seconds is enough
 * (its transaction is then in a state the task does not expect). Whoever waits for its copies restarts it, once.
 */
import type { Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import type { Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { findMirror } from './connect.ts';
import { list } from './outside.ts';
import type { Ask } from './work.ts';

/** A copy that is only some records behind comes by itself; asking Connect costs requests. */
const lookAfterMs = 1_000;

/**
 * Called over and over while copies toward `toward` are waited for; answers what was done so far, '' for nothing. Connect is
 * asked beside the wait: one that does not answer must not hold up an outage whose copies have come.
 */
export function reviving(ports: Ports, x: Ask, of: { readonly sets: readonly CutSet[]; readonly toward: Side }, at: At): () => string {
  const connect = of.toward === 'target' ? x.m.connect : x.m.connectBack;
  const told = new Map<string, string>();
  let nextMs = at.now() + lookAfterMs;
  let [asking, unknown] = [false, ''];
  async function look(): Promise<void> {
    for (const set of of.sets) {
      const spec = await findMirror(ports, { ...x, set, toward: of.toward });
      if (spec === null || told.has(spec.name)) continue;
      const failed = await ports.mirrors.revive(spec, at.until);
      if (failed.length > 0) told.set(spec.name, `mirror ${spec.name} had failed on ${connect} (${list(failed, 2)}) and was told to restart`);
    }
  }
  return () => {
    if (connect !== null && !asking && at.now() >= nextMs) {
      asking = true;
      look().then(() => { unknown = ''; }, (e: unknown) => { unknown = `whether a mirror has failed is unknown: ${at.words(e)}`; })
        .finally(() => { [asking, nextMs] = [false, at.now() + lookAfterMs]; });
    }
    return [...told.values(), ...(unknown === '' ? [] : [unknown])].join('; ');
  };
}
