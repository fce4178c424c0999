/**
 * A task of a mirror that has failed stays so until somebody restarts it; a cluster that was away for some seconds is enough
 * (its transaction is then in a state the task does not expect). Whoever waits for its copies restarts it. And one whose login
 * has changed runs on without a word, and copies nothing: it is given the present one.
 */
import type { Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import type { MirrorSpec, Ports, Renewal } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { findMirror } from './connect.ts';
import { list } from './outside.ts';
import type { Ask } from './work.ts';

/** A copy that is only some records behind comes by itself; asking Connect costs requests. */
const lookAfterMs = 1_000;
/** Copies that stand still for longer may be held up by a login that has changed. One that copies is not begun anew for it. */
const renewAfterMs = 3_000;
/** What was begun anew, or compared with the catalog, is left alone for so long: a start takes some seconds. */
const restMs = 30_000;

/**
 * Called over and over while copies toward `toward` are waited for, with what changes while they come; answers what was done so
 * far, '' for nothing. Connect is asked beside the wait: one that does not answer must not hold up an outage whose copies have come.
 */
export function reviving(ports: Ports, x: Ask, of: { readonly sets: readonly CutSet[]; readonly toward: Side }, at: At): (moved: string) => string {
  const connect = of.toward === 'target' ? x.m.connect : x.m.connectBack;
  const told = new Map<string, string>();
  const restsUntilMs = new Map<string, number>();
  const comparedMs = new Map<string, number>();
  let still = { at: '', sinceMs: at.now() };
  let nextMs = at.now() + lookAfterMs;
  let [asking, unknown] = [false, ''];
  function begun(name: string, what: string): void {
    told.set(name, what);
    restsUntilMs.set(name, at.now() + restMs);
  }
  async function tend(spec: MirrorSpec): Promise<void> {
    if (at.now() < (restsUntilMs.get(spec.name) ?? 0)) return;
    const revived = await ports.mirrors.revive(spec, at.until);
    if (revived.found.length > 0) return begun(spec.name, `mirror ${spec.name} had failed on ${connect} (${list(revived.found, 2)}) and was told to restart${withRenewal(revived, at)}`);
    if (at.now() - still.sinceMs < renewAfterMs || at.now() - (comparedMs.get(spec.name) ?? -Infinity) < restMs) return;
    const differed = await ports.mirrors.renew(spec, at.until);
    comparedMs.set(spec.name, at.now());
    if (differed.length > 0) begun(spec.name, `mirror ${spec.name} begins anew on ${connect}${withRenewal({ renewed: differed, failed: null }, at)}`);
  }
  async function look(): Promise<void> {
    for (const set of of.sets) {
      const spec = await findMirror(ports, { ...x, set, toward: of.toward });
      if (spec !== null) await tend(spec);
    }
  }
  return (moved) => {
    if (moved !== still.at) still = { at: moved, sinceMs: at.now() };
    if (connect !== null && !asking && at.now() >= nextMs) {
      asking = true;
      look().then(() => { unknown = ''; }, (e: unknown) => { unknown = `whether a mirror has failed is unknown: ${at.words(e)}`; })
        .finally(() => { [asking, nextMs] = [false, at.now() + lookAfterMs]; });
    }
    return [...told.values(), ...(unknown === '' ? [] : [unknown])].join('; ');
  };
}

/** How a sentence goes on that says that a mirror begins anew. */
export const withRenewal = ({ renewed, failed }: Renewal, at: At): string =>
  (renewed.length > 0 ? `, with ${list(renewed, 4)} as the catalog has it now` : failed === null ? '' : `, with the logins it has: whether the catalog has others could not be looked at (${at.words(failed)})`);
