/**
 * How a connector reaches its clusters and logs in there. Connect keeps what it was given when the connector was made; over a
 * migration of weeks passwords rotate and brokers move. What the catalog says now is what counts.
 */
import type { Until } from '../../domain/ports.ts';
import { accessSettings, type ConfigDeps } from './connector.ts';
import { absent, patience, type Place } from './place.ts';

export const isAccess = (setting: string): boolean => /^(source|target)\.cluster\.(bootstrap\.servers$|security\.|sasl\.|ssl\.)/.test(setting);

/** Names of the settings that differed, never their values. A connector that is to run begins anew with them, tasks and all. */
export async function renewAccess(p: Place, deps: ConfigDeps, until: Until): Promise<readonly string[]> {
  const [seen, wanted] = await Promise.all([p.rest.config(p.spec.name, patience(until)), accessSettings(p.spec, deps)]);
  if (seen === null) throw absent(p);
  const off = [...new Set([...Object.keys(seen).filter(isAccess), ...Object.keys(wanted)])].filter((k) => seen[k] !== wanted[k]).sort();
  if (off.length === 0) return [];
  const others = Object.entries(seen).flatMap(([k, v]) => (isAccess(k) || v === null ? [] : [[k, v] as const]));
  until.check();
  await p.rest.configure(p.spec.name, { ...Object.fromEntries(others), ...wanted }, patience(until));
  return off;
}
