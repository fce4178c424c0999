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
export const familyOf = (x: OfSet): Family => ({ set: x.set, toward: x.toward, run: x.c.run });

/** Together with run and number the connector's name, and the names MirrorMaker derives from it, stay below 249 characters. */
const longestSetName = 80;
const plainName = (set: CutSet): string => {
  const legal = set.name.replace(/[^A-Za-z0-9._-]/g, '-');
  return legal.length <= longestSetName && legal === set.name ? legal : `${legal.slice(0, longestSetName - 9)}-${hashOf(set.name).slice(0, 8)}`;
};
/** All mirrors of one set and direction of one run. */
export interface Family { readonly set: CutSet; readonly toward: Side; readonly run: string }
/** Digits of a run's id that no other run has. The first ones are its time: whatever begins within the same minute shares them. */
export const tagOf = (run: string): string => run.slice(-8);
/** Runs of earlier versions named their mirrors by it; which of those are a run's own the ledger says. */
export const earlierTagOf = (run: string): string => run.slice(0, 8);
/** Where the names of a set and direction begin, of whichever run. */
export const stemOf = ({ set, toward }: Pick<Family, 'set' | 'toward'>): string => `cutover-${plainName(set)}-${toward === 'target' ? 'fwd' : 'back'}-`;
export const prefixOf = (f: Family): string => `${stemOf(f)}${tagOf(f.run)}-`;
/** Which attempt a name is of; 0: none of this family. */
export function numberOf(name: string, f: Family): number {
  const prefix = [prefixOf(f), `${stemOf(f)}${earlierTagOf(f.run)}-`].find((p) => name.startsWith(p));
  const rest = prefix === undefined ? '' : name.slice(prefix.length);
  return /^\d+$/.test(rest) ? Number(rest) : 0;
}
/** Kept in the ledger under the name of every mirror that was ever made. Stored data: change its shape only by adding. */
export interface KeptName { readonly run: string; readonly set: string }
export const nameKey = (name: string): string => `mirrors/${name}`;
/** What is not in the ledger was made before names were kept there. */
export function isOwn(kept: string | undefined, run: string): boolean {
  const of = kept === undefined ? undefined : (JSON.parse(kept) as Partial<KeptName>).run;
  return of === undefined || of === run;
}

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
export const findMirrors = async (ports: Ports, x: OfSet): Promise<readonly MirrorSpec[]> => ownMirrors(ports, x, await ports.mirrors.list(connectOf(x.m, x.toward), stemOf(familyOf(x))));
/** The same of these connectors. */
export async function ownMirrors(ports: Ports, x: OfSet, of: readonly string[]): Promise<readonly MirrorSpec[]> {
  const family = familyOf(x);
  const names = of.filter((name) => numberOf(name, family) > 0);
  const own = await Promise.all(names.map(async (name) => name.startsWith(prefixOf(family)) || isOwn((await ports.ledger.read(x.m.source, nameKey(name))).get(nameKey(name)), x.c.run)));
  return names.filter((_name, i) => own[i]).sort((a, b) => numberOf(b, family) - numberOf(a, family)).map((name) => specOf(x.m, { ...x, name }));
}
/** The mirror of the newest attempt; `null`: Connect has none. */
export const findMirror = async (ports: Ports, x: OfSet): Promise<MirrorSpec | null> => (await findMirrors(ports, x))[0] ?? null;
export async function requireMirror(ports: Ports, x: OfSet): Promise<MirrorSpec> {
  const spec = await findMirror(ports, x);
  if (!spec) throw new Failure('MirrorStuck', `Connect worker ${connectOf(x.m, x.toward)} has no mirror of ${x.set.name} of this run.`, 'Somebody removed it. Roll back and start again.');
  return spec;
}
