/**
 * How a connector reaches its clusters and logs in there. Connect keeps what it was given when the connector was made; over a
 * migration of weeks passwords rotate and brokers move. What the catalog says now is what counts.
 */
import { Failure } from '../../domain/failures.ts';
import type { Renewal, Until } from '../../domain/ports.ts';
import { accessSettings, type ConfigDeps } from './connector.ts';
import { absent, patience, poll, type Place } from './place.ts';
import { awaitGone } from './state.ts';

export const isAccess = (setting: string): boolean => /^(source|target)\.cluster\.(bootstrap\.servers$|security\.|sasl\.|ssl\.)/.test(setting);

/** Names of the settings that differed, never their values. A connector that is to run begins anew with them, tasks and all. */
export async function renewAccess(p: Place, deps: ConfigDeps, until: Until): Promise<readonly string[]> {
  const wanted = await accessSettings(p.spec, deps);
  const { seen, off } = await differingIn(p, wanted, until);
  if (off.length === 0) return [];
  until.check();
  const changes = Object.fromEntries(off.map((k) => [k, wanted[k] ?? null]));
  const answer = await p.rest.change(p.spec.name, changes, patience(until));
  if (answer === 'absent') throw absent(p);
  if (answer === 'unknown') await replaceAll(p, { ...seen, ...changes }, until);
  await poll({ p, until, capMs: shownCapMs, wanted: 'configured as the catalog has it' }, async () => {
    const left = (await differingIn(p, wanted, until)).off;
    return left.length === 0 ? { done: undefined } : { seen: `Connect took ${left.join(', ')} and does not show it` };
  });
  return off;
}
/** A worker that is not the leader hears of it a moment later. */
const shownCapMs = 10_000;

type Settings = Readonly<Record<string, string | null>>;
async function differingIn(p: Place, wanted: Settings, until: Until): Promise<{ readonly seen: Settings; readonly off: readonly string[] }> {
  const seen = await p.rest.config(p.spec.name, patience(until));
  if (seen === null) throw absent(p);
  return { seen, off: [...new Set([...Object.keys(seen).filter(isAccess), ...Object.keys(wanted)])].filter((k) => (seen[k] ?? null) !== (wanted[k] ?? null)).sort() };
}

/** A worker before 3.8 takes all settings at once, and makes a connector that somebody has removed meanwhile: without its places it would copy everything again. */
async function replaceAll(p: Place, config: Settings, until: Until): Promise<void> {
  const whole = Object.fromEntries(Object.entries(config).flatMap(([k, v]) => (v === null ? [] : [[k, v] as const])));
  if ((await p.rest.configure(p.spec.name, whole, patience(until))) !== 'created') return;
  await p.rest.remove(p.spec.name, patience(until));
  await awaitGone(p, until);
  throw absent(p);
}

/** The same where a mirror goes on in any case: with what it has, if what the catalog says cannot be read or set. */
export async function tryRenewing(p: Place, deps: ConfigDeps, until: Until): Promise<Renewal> {
  try {
    return { renewed: await renewAccess(p, deps, until), failed: null };
  } catch (e) {
    until.check();
    until.signal.throwIfAborted();
    if (!(e instanceof Failure)) throw e;
    return { renewed: [], failed: e };
  }
}
