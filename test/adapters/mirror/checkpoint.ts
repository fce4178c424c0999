/**
 * What MirrorCheckpointConnector (Kafka 3.5 to 4.3) answers for a position, worked out from the same offset syncs: it keeps 64
 * of them per partition, spaced wider the older they are, and never goes further than one record past the nearest.
 */
import type { Anchor } from '../../../src/domain/ports.ts';

const kept = 64;
/** Slot `j` may lie at most this far behind slot `i`. */
const recent = (newer: Anchor, older: Anchor, i: number, j: number): boolean => newer.from <= older.from + (1n << BigInt(j)) - (1n << BigInt(i));
/** Two different syncs in neighbouring slots must be this far apart, or one of them is of no use. */
const apart = (newer: Anchor, older: Anchor, i: number): boolean => newer === older || newer.from >= older.from + (1n << BigInt(Math.max(i - 2, 0)));

/** The syncs it would remember after having read all of these. */
export function remembered(syncs: readonly Anchor[]): readonly Anchor[] {
  let slots: Anchor[] = [];
  for (const sync of syncs) {
    if (slots.length === 0 || sync.from < (slots[0]?.from ?? 0n)) slots = Array.from({ length: kept }, () => sync);
    else shift(slots, sync);
  }
  return slots;
}

/** The newest takes the first slot; what it pushes out moves down as long as it is still of use there. */
function shift(slots: Anchor[], sync: Anchor): void {
  let [moving, filler] = [slots[0] ?? sync, sync];
  slots[0] = sync;
  for (let i = 1; i < kept; i += 1) {
    const [above, here, below] = [slots[i - 1] ?? sync, slots[i] ?? sync, slots[i + 1]];
    if (recent(above, moving, i - 1, i) && apart(above, moving, i - 1) && (below === undefined || apart(moving, below, i))) filler = moving;
    if (recent(above, here, i - 1, i)) return;
    moving = here;
    slots[i] = filler;
  }
}

/** `null`: it knows no sync at or below the position, and translates nothing. */
export function checkpoint(slots: readonly Anchor[], position: bigint): bigint | null {
  const sync = slots.find((s) => s.from <= position);
  return sync ? sync.to + (sync.from === position ? 0n : 1n) : null;
}
