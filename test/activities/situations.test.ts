/** Every situation a group can stand in, one partition each: the same next record on both sides, with what was committed beside it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tpKey, type Anchor } from '../../src/domain/ports.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeMirror, FakeWorld, run, type Log } from './fake-ports.ts';

/** `r` a record; `=` one like the one before, timestamp and all; `t` a tombstone; `.` an offset nobody sees (a marker, an aborted record); `x` a record that compaction has taken from the source since it was copied. */
type Script = string;
interface Situation {
  readonly name: string;
  readonly log: Script;
  /** Index into the script: the group's position is that offset. */
  readonly at: (length: number) => number;
  /** Offset syncs every so many records. Default 3. */
  readonly synced?: number;
  /** Offsets deleted at the head of the source. */
  readonly head?: number;
  readonly compacted?: true;
  readonly group?: 'classic' | 'consumer' | 'simple';
  readonly metadata?: string;
}
const many = (n: number, unit = 'r'): Script => unit.repeat(n);
const end = (length: number): number => length;
const situations: readonly Situation[] = [
  { name: 'caught up', log: many(40), at: end },
  { name: 'caught up, and only a marker behind', log: `${many(40)}..`, at: (n) => n - 2 },
  ...[1, 10, 1_000, 100_000].map((lag): Situation => ({ name: `lagging by ${lag}`, log: many(lag + 50), at: (n) => n - lag, synced: 200 })),
  { name: 'at the log start', log: many(40), at: () => 0 },
  { name: 'on an empty partition', log: '', at: end },
  { name: 'on a partition of aborted records only', log: '....', at: () => 2 },
  { name: 'head deleted up to the position', log: many(60), at: () => 20, head: 20 },
  { name: 'head deleted below the position', log: many(60), at: () => 30, head: 7 },
  { name: 'inside a committed transaction', log: `${many(10)}rrrr.${many(10)}`, at: () => 12 },
  { name: 'on the marker of a committed transaction', log: `${many(10)}rrrr.${many(10)}`, at: () => 14 },
  { name: 'inside an aborted transaction', log: `${many(10)}....r.${many(10)}`, at: () => 12 },
  { name: 'behind an aborted transaction at the end', log: `${many(10)}.....`, at: end },
  { name: 'transactions one per record', log: many(30, 'r.'), at: () => 31 },
  { name: 'identical records in a row', log: `${many(10)}${many(20, '=')}${many(10)}`, at: () => 21 },
  { name: 'identical records up to the end', log: `r${many(30, '=')}`, at: () => 17 },
  { name: 'compacted, with tombstones', log: `${many(5)}xrtxxrtrxx${many(20)}`, at: () => 9, compacted: true },
  { name: 'compacted below the position only', log: `xxrxrxxr${many(20)}`, at: () => 15, compacted: true },
  { name: 'compacted, standing on a record that is gone', log: `${many(8)}xx${many(8)}`, at: () => 8, compacted: true },
  { name: 'a group of the KIP-848 protocol', log: many(40), at: () => 33, group: 'consumer' },
  { name: 'a simple group that only commits', log: many(40), at: () => 33, group: 'simple' },
  { name: 'metadata beside the position', log: many(40), at: () => 33, metadata: 'AgAAAY-state' },
];

const topic = 'orders';
const m = migration('m', [application('shop', { writes: [topic] }), ...situations.map((_s, i) => application(`reader-${i}`, { reads: { [`g${i}`]: [topic] } }))]);

function fill(w: FakeWorld, partition: number, s: Situation, mirror: FakeMirror): void {
  const [source, target] = [w.source.log({ topic, partition }), w.target.log({ topic, partition })];
  const anchors: Anchor[] = [];
  const put = (log: Log, offset: bigint, fingerprint: string): void => { log.records.push({ topic, partition, offset, timestampMs: 0n, fingerprint }); };
  let last = '';
  let n = 0;
  for (const c of s.log) {
    if (c === '.') { source.next++; continue; }
    const fingerprint = c === '=' ? last || 'same' : `${c}${partition}-${source.next}`;
    last = fingerprint;
    if (n % (s.synced ?? 3) === 0) anchors.push({ from: source.next, to: target.next });
    if (c !== 'x') put(source, source.next, fingerprint);
    put(target, target.next++, fingerprint);
    source.next++;
    if (++n % 7 === 0) target.next++; // the mirror's own markers
  }
  mirror.anchors.set(tpKey({ topic, partition }), anchors);
  if (s.head !== undefined) w.source.trim(topic, partition, BigInt(s.head));
}

test('every situation is exact: the same records follow on the target, and the metadata is kept', async () => {
  const w = new FakeWorld();
  const compacted = { 'cleanup.policy': 'compact' };
  for (const c of [w.source, w.target]) c.topic(topic, situations.length, compacted);
  const mirror = new FakeMirror({ connect: 'connect-new', name: `cutover-orders-fwd-${run.slice(-8)}-1`, from: 'old', to: 'new', topics: [topic], seed: [] });
  w.connectors.set(mirror.spec.name, mirror);
  w.source.entries.set(`mirrors/${mirror.spec.name}`, '{}');
  situations.forEach((s, i) => fill(w, i, s, mirror));
  situations.forEach((s, i) => {
    situations.forEach((_other, p) => { w.source.place(`g${i}`, topic, p, w.source.log({ topic, partition: p }).next); });
    w.source.place(`g${i}`, topic, i, BigInt(s.at(s.log.length)), s.metadata ?? '');
    w.source.groups.set(`g${i}`, { type: s.group === 'consumer' ? 'consumer' : 'classic', members: [] });
  });
  const groups = situations.map((_s, i) => `g${i}`);
  await w.work().setPositions({ m, c: context('positions'), groups, to: 'target', how: 'translated', before: {} });
  for (const [i, s] of situations.entries()) {
    const position = BigInt(s.at(s.log.length));
    const set = w.target.positions.get(`g${i}`)?.get(`${topic}/${i}`);
    assert.ok(set, s.name);
    const [here, there] = [w.source, w.target].map((c) => c.log({ topic, partition: i }).records);
    const unread = here?.filter((r) => r.offset >= position).map((r) => r.fingerprint) ?? [];
    const rest = there?.filter((r) => r.offset >= set.offset).map((r) => r.fingerprint) ?? [];
    assert.equal(rest[0], unread[0], s.name);
    // What compaction took from the source since is still on the target, in between.
    const wanted = new Set(unread);
    assert.equal(rest.filter((f) => wanted.has(f)).join(), unread.join(), s.name);
    if (!s.log.includes('x')) assert.equal(rest.join(), unread.join(), s.name);
    assert.equal(set.metadata, s.metadata ?? '', s.name);
  }
  console.log(`    ${situations.length} situations on ${situations.length} partitions, ${situations.length * situations.length} positions exact`);
});

test('a transaction still open: waited for up to the position, refused by name when it does not end', async () => {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic(topic, 1);
  const one = migration('m', [application('shop', { writes: [topic] }), application('billing', { reads: { billing: [topic] } })]);
  const mirror = new FakeMirror({ connect: 'connect-new', name: `cutover-orders-fwd-${run.slice(-8)}-1`, from: 'old', to: 'new', topics: [topic], seed: [] });
  w.connectors.set(mirror.spec.name, mirror);
  w.source.entries.set(`mirrors/${mirror.spec.name}`, '{}');
  fill(w, 0, { name: 'open', log: many(10), at: end }, mirror);
  const log = w.source.log({ topic, partition: 0 });
  log.open = 8n;
  const x = { m: one, groups: ['billing'], to: 'target' as const, how: 'translated' as const, before: {} };
  w.source.place('billing', topic, 0, 5n);
  await w.work().setPositions({ ...x, c: context('below') });
  assert.equal(w.target.placed('billing')[`${topic}/0`], 5);
  w.source.place('billing', topic, 0, 9n);
  await assert.rejects(w.work().setPositions({ ...x, c: context('above', { untilMs: Date.now() + 80, mode: 'outage' }) }), /last stable offset 8: a transaction is still open below it/);
  setTimeout(() => { log.open = null; }, 30);
  await w.work().setPositions({ ...x, c: context('closed', { untilMs: Date.now() + 2_000, mode: 'outage' }) });
  assert.equal(w.target.log({ topic, partition: 0 }).records.find((r) => r.offset >= BigInt(w.target.placed('billing')[`${topic}/0`] ?? -1))?.fingerprint, 'r0-9');
});
