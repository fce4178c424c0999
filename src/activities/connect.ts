/** Which connector is ours: one per cut set, direction and attempt, found again by its name alone. */
import type { Side } from '../domain/authority.ts';
import type { CutSet } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import type { Migration } from '../domain/migration.ts';
import { hashOf } from '../domain/plan.ts';
import type { MirrorSpec, Ports, Position } from '../domain/ports.ts';
import { nameOf } from './outside.ts';
import type { Ask } from './work.ts';

export interface OfSet extends Ask { readonly set: CutSet; readonly toward: Side }

/** Together with run and number the connector's name, and the names MirrorMaker derives from it, stay below 249 characters. */
const longestSetName = 80;
const plainName = (set: CutSet): string => {
  const legal = set.name.replace(/[^A-Za-z0-9._-]/g, '-');
  return legal.length <= longestSetName && legal === set.name ? legal : `${legal.slice(0, longestSetName - 9)}-${hashOf(set.name).slice(0, 8)}`;
};
export const prefixOf = (set: CutSet, toward: Side, run: string): string => `cutover-${plainName(set)}-${toward === 'target' ? 'fwd' : 'back'}-${run.slice(0, 8)}-`;
export const numberOf = (name: string, prefix: string): number => {
  const rest = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return /^\d+$/.test(rest) ? Number(rest) : 0;
};

export function connectOf(m: Migration, toward: Side): string {
  if (toward === 'source') {
    if (m.connectBack === null) throw new Failure('BadMigration', 'The migration names no Connect worker for the way back ("connectBack").', 'Roll back before the opening, or start again with one.');
    return m.connectBack;
  }
  if (m.connect === null) throw new Failure('BadMigration', 'The migration names no Connect worker ("connect"), and its scheme copies records.');
  return m.connect;
}
export const specOf = (m: Migration, of: { readonly set: CutSet; readonly toward: Side; readonly name: string; readonly seed?: readonly Position[] }): MirrorSpec => ({
  connect: connectOf(m, of.toward), name: of.name, topics: of.set.topics, seed: of.seed ?? [],
  from: nameOf(m, of.toward === 'target' ? 'source' : 'target'), to: nameOf(m, of.toward),
});

/** Every attempt Connect has of this set and direction, the newest first. */
export async function findMirrors(ports: Ports, x: OfSet): Promise<readonly MirrorSpec[]> {
  const prefix = prefixOf(x.set, x.toward, x.c.run);
  const names = (await ports.mirrors.list(connectOf(x.m, x.toward), prefix)).filter((name) => numberOf(name, prefix) > 0);
  return [...names].sort((a, b) => numberOf(b, prefix) - numberOf(a, prefix)).map((name) => specOf(x.m, { ...x, name }));
}
/** The mirror of the newest attempt; `null`: Connect has none. */
export const findMirror = async (ports: Ports, x: OfSet): Promise<MirrorSpec | null> => (await findMirrors(ports, x))[0] ?? null;
export async function requireMirror(ports: Ports, x: OfSet): Promise<MirrorSpec> {
  const spec = await findMirror(ports, x);
  if (!spec) throw new Failure('MirrorStuck', `Connect worker ${connectOf(x.m, x.toward)} has no mirror of ${x.set.name} of this run.`, 'Somebody removed it. Roll back and start again.');
  return spec;
}
