/** One history of keys, compacted on two clusters by cleaners that know nothing of each other: only a real fault is a difference. */
import assert from 'node:assert/strict';
import { test } from '../../apart.ts';
import fc from 'fast-check';
import { compareKeys, type Keyed } from '../../../src/domain/diff/compacted.ts';
import { differing, type Places } from '../../../src/domain/diff/difference.ts';
import { reach } from '../../../src/domain/diff/compare.ts';
import { Failure } from '../../../src/domain/failures.ts';
import { outcome } from './logs.ts';

interface Written { readonly key: string; readonly gone: boolean; readonly value: string }
interface Cleaner { /** Records cleaned, from the beginning. */ readonly prefix: number; /** Tombstones in it are taken away too. */ readonly expired: boolean }

/** Keeps the last record of each key of the prefix, as Kafka's cleaner does. */
function cleaned(log: readonly Written[], { prefix, expired }: Cleaner, shift: bigint): readonly Keyed[] {
  const last = new Map(log.slice(0, prefix).map((w, i) => [w.key, i]));
  return log.flatMap((w, i) => {
    if (i < prefix && (last.get(w.key) !== i || (w.gone && expired))) return [];
    return [{ offset: BigInt(i) + shift, key: w.key, gone: w.gone, fingerprint: `${i}.${w.gone ? 'gone' : w.value}` }];
  });
}
interface Both { readonly origin: readonly Keyed[]; readonly copy: readonly Keyed[] }
const endOf = (log: readonly Keyed[]): bigint => (log.at(-1)?.offset ?? -1n) + 1n;
const ask = (logs: Both, ends: Places, starts: Places = { origin: 0n, copy: 0n }) => ({
  where: 'Partition prices/0', starts, ends, list: Infinity, limits: { perPass: 3, passes: 64 },
  top: async (half: 'origin' | 'copy') => endOf(logs[half]),
  keyed: async function* (half: 'origin' | 'copy', from: bigint, to: bigint) { for (const k of logs[half]) if (k.offset >= from && k.offset < to) yield k; },
  between: async function* (half: 'origin' | 'copy', from: bigint, to: bigint) { for (const k of logs[half]) if (k.offset >= from && k.offset < to) yield k; },
});
async function differences(logs: Both): Promise<{ readonly n: number; readonly compared: number }> {
  const ends = { origin: endOf(logs.origin), copy: endOf(logs.copy) };
  const keys = await compareKeys(ask(logs, ends));
  const tail = await outcome(logs, { reach, ends, from: { state: keys.state, differences: keys.differences } });
  assert.equal(tail.differences.length, differing(tail.state.counts));
  return { n: differing(tail.state.counts), compared: tail.state.counts.keys + tail.state.counts.matched };
}

const written: fc.Arbitrary<Written> = fc.record({ key: fc.constantFrom(...Array.from({ length: 9 }, (_, i) => `k${i}`)), gone: fc.boolean(), value: fc.constantFrom('a', 'b') });
const cleaner = (log: readonly Written[]): fc.Arbitrary<Cleaner> => fc.record({ prefix: fc.integer({ min: 0, max: log.length }), expired: fc.boolean() });
const world = fc.array(written, { minLength: 1, maxLength: 80 }).chain((log) => fc.record({ log: fc.constant(log), a: cleaner(log), b: cleaner(log) }));

test('however both sides are compacted, the same history does not differ', { timeout: 60_000 }, async () => {
  await fc.assert(fc.asyncProperty(world, async ({ log, a, b }) => {
    assert.equal((await differences({ origin: cleaned(log, a, 0n), copy: cleaned(log, b, 5n) })).n, 0);
  }), { numRuns: 2_000 });
});

test('the last value of a key is lost or changed: found, however both sides are compacted', { timeout: 60_000 }, async () => {
  await fc.assert(fc.asyncProperty(world, fc.nat(), fc.constantFrom('lost', 'changed'), async ({ log, a, b }, which, how) => {
    const lasts = [...new Map(log.map((w, i) => [w.key, i])).values()].filter((i) => log[i]?.gone === false);
    const at = lasts[which % Math.max(1, lasts.length)];
    if (at === undefined) return;
    const copy = cleaned(log, b, 5n).flatMap((k) => (k.offset !== BigInt(at) + 5n ? [k] : how === 'lost' ? [] : [{ ...k, fingerprint: 'other.x' }]));
    // A value that came before may now be the last one there is: another difference, not none.
    assert.ok((await differences({ origin: cleaned(log, a, 0n), copy })).n > 0);
  }), { numRuns: 2_000 });
});

test('retention beside compaction took the head of one side: what it may have held is unread, not missing', async () => {
  const record = (offset: number, key: string): Keyed => ({ offset: BigInt(offset), key, gone: false, fingerprint: `1.${key}` });
  const logs = { origin: [record(10, 'b')], copy: [record(0, 'a'), record(1, 'b')] };
  const { state } = await compareKeys(ask(logs, { origin: 11n, copy: 2n }, { origin: 10n, copy: 0n }));
  assert.deepEqual([state.counts.unread, state.counts.keys, differing(state.counts)], [1, 1, 0]);
});

test('more keys than may be held in all passes: refused by number', async () => {
  const many = Array.from({ length: 500 }, (_, i): Keyed => ({ offset: BigInt(i), key: `k${i}`, gone: false, fingerprint: `1.${i}` }));
  await assert.rejects(compareKeys(ask({ origin: many, copy: many }, { origin: 500n, copy: 500n })), (e) => e instanceof Failure && e.type === 'Unsupported' && /prices\/0 is compacted and has more than 192 keys/.test(e.message));
});
