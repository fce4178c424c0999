/** Positions over every sequence of epochs that were copied and that were not, against what was really written. */
import assert from 'node:assert/strict';
import { describe, test } from '../apart.ts';
import { otherSide, type Side } from '../../src/domain/authority.ts';
import { across, type Across, type OnSide, type Turn } from '../../src/domain/epochs.ts';
import type { Mark } from '../../src/domain/positions.ts';

type Epochs = readonly { readonly records: number; readonly copied: boolean }[];
/** Both logs after these epochs, and what was written in which order; an epoch that is copied is copied whole. */
function world(first: Side, epochs: Epochs) {
  const logs: Record<Side, Mark[]> = { source: [], target: [] };
  const next = { source: 0n, target: 0n };
  const turns: Turn[] = [];
  const history: string[][] = [];
  const put = (side: Side, fingerprint: string): void => { logs[side].push({ offset: next[side]++, fingerprint }); };
  const copied = epochs.map((e, i) => e.copied || (i < epochs.length - 1 && (i % 2 === 0 ? first : otherSide(first)) === 'target')); // no way back without a mirror
  epochs.forEach((e, i) => {
    const authority = i % 2 === 0 ? first : otherSide(first);
    if (i > 0) turns.push({ ...next, to: authority });
    const ids = Array.from({ length: e.records }, (_x, n) => `${i}.${n}`);
    history.push(ids);
    for (const id of ids) put(authority, id);
    next[authority]++; // a transaction marker
    if (copied[i]) for (const id of ids) put(otherSide(authority), id);
  });
  const end = (side: Side) => ({ logStart: 0n, lso: next[side], hw: next[side] });
  const read: OnSide = async function* (side, from, to) { for (const m of logs[side]) if (m.offset >= from && m.offset < to) yield m; };
  const of = (on: Side, position: bigint): Across => ({ on, position, ends: { source: end('source'), target: end('target') }, turns, copied, anchors: { source: [], target: [] }, more: { state: 'drained' } });
  return { logs, next, history, copied, read, of, last: (epochs.length - 1) % 2 === 0 ? first : otherSide(first) };
}
/** So many epochs, each with records or without, copied or not. */
const epochsOf = (n: number): readonly Epochs[] => (n === 0 ? [[]] : epochsOf(n - 1).flatMap((rest) => [0, 2].flatMap((records) => [false, true].map((copied) => [...rest, { records, copied }]))));

describe('positions where some epochs were not copied', () => {
  test('whatever was copied between the cuts: wherever an answer is exact, all that the group has not read follows, and nothing else', async () => {
    let [exact, behindCut] = [0, 0];
    for (const n of [1, 2, 3, 4]) for (const epochs of epochsOf(n)) for (const first of n === 1 ? ['source'] as const : ['source', 'target'] as const) {
      const w = world(first, epochs);
      for (const on of ['source', 'target'] as const) for (let position = 0n; position <= w.next[on]; position++) {
        const answer = await across(w.of(on, position), w.read);
        if (answer.kind !== 'exact') continue;
        const all = w.history.flat();
        const following = w.logs[on].find((m) => m.offset >= position);
        const open = !w.copied.at(-1) && w.last !== on ? w.history.at(-1) ?? [] : [];
        const unread = following ? all.slice(all.indexOf(following.fingerprint)) : open;
        const rest = w.logs[otherSide(on)].filter((m) => m.offset >= answer.offset).map((m) => m.fingerprint);
        assert.deepEqual(rest, unread, `${JSON.stringify(epochs)} from the ${first}, ${on} ${position} to ${answer.offset}`);
        exact++;
        if (!following && open.length > 0 && n > 1) behindCut++;
      }
    }
    assert.ok(exact > 2_000 && behindCut > 100, `${exact} exact, ${behindCut} of them at a cut that producers write behind`);
  });
});
