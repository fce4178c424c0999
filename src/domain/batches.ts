/** Which applications that only read move together, and in which order. */
import { groupsOf, type Application, type Migration } from './migration.ts';

/** The declared batches in their order, then everybody else one by one; members of one group are never torn apart. */
export function batchesOf(m: Pick<Migration, 'applications' | 'batches'>): readonly (readonly Application[])[] {
  const readers = m.applications.filter((a) => a.writes.length === 0);
  const declared = (m.batches ?? []).map((names) => readers.filter((a) => names.includes(a.name)));
  const seeds = [...declared, ...readers.filter((a) => !declared.some((b) => b.includes(a))).map((a) => [a])];
  const out: Application[][] = [];
  const taken = new Set<Application>();
  for (const seed of seeds) {
    const batch = sharing(readers, seed).filter((a) => !taken.has(a));
    for (const a of batch) taken.add(a);
    if (batch.length > 0) out.push([...batch]);
  }
  return out;
}

/** These, and whoever is in a group with one of them, and so on. */
function sharing(all: readonly Application[], seed: readonly Application[]): readonly Application[] {
  const groups = new Set(seed.flatMap(groupsOf));
  const more = all.filter((a) => seed.includes(a) || groupsOf(a).some((g) => groups.has(g)));
  return more.length === seed.length ? more : sharing(all, more);
}
