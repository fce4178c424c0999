/** Which applications that only read move together, and in which order. */
import { sharing } from './companies.ts';
import { pureReaders } from './cutsets.ts';
import type { Application, Migration } from './migration.ts';

/** The declared batches in their order, then everybody else one by one; members of one group are never torn apart. */
export function batchesOf(m: Pick<Migration, 'applications' | 'batches'>): readonly (readonly Application[])[] {
  const readers = pureReaders(m);
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

/** Batches in the words of a question or a promise: `audit, billing`, or `left with right; audit` where some move together. */
export const spokenBatches = (batches: readonly (readonly Application[])[]): string =>
  batches.map((b) => b.map((a) => a.name).join(' with ')).join(batches.some((b) => b.length > 1) ? '; ' : ', ');
