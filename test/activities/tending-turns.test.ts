/** Mirrors looked after over turns, which any news ends: an alarm stands until its trouble is over, whoever causes the news. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { At } from '../../src/activities/boundary.ts';
import { createRecord } from '../../src/activities/ledger.ts';
import type { Glance } from '../../src/activities/looking.ts';
import { tending } from '../../src/activities/tending.ts';
import { noLimit } from '../adapters/kafka/until.ts';
import { application, migration } from '../fakes/migrations.ts';
import { FakeMirror, FakeWorld, looking, run } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('mailer', { writes: ['mails'] }), application('billing', { reads: { billing: ['orders'] } }), application('audit', { reads: { audit: ['mails'] } })], { connectBack: 'connect-back' });
const nameOf = (topic: string): string => `cutover-${topic}-fwd-${run.slice(-8)}-1`;

interface Tended { readonly w: FakeWorld; readonly orders: FakeMirror; readonly mails: FakeMirror; /** What was told at each change of state, for so long. `elsewhere`: another worker takes each turn. */ readonly turns: (ms: number, elsewhere?: true) => Promise<readonly string[]> }
function tended(): Tended {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) for (const topic of m.topics) c.topic(topic, 1);
  const mirrorOf = (topic: string): FakeMirror => { const made = new FakeMirror({ connect: 'connect-new', name: nameOf(topic), from: 'old', to: 'new', topics: [topic], seed: [] }); w.connectors.set(made.spec.name, made); return made; };
  const [orders, mails] = [mirrorOf('orders'), mirrorOf('mails')];
  let nowMs = 1_000_000;
  const at: At = { until: noLimit, now: () => nowMs, pause: async () => undefined, seen: () => undefined, words: (e) => (e instanceof Error ? e.message : String(e)) };
  let worker = tending(w.ports(), createRecord(w.ports()));
  let before: string | null = null;
  const begun = (): (() => Promise<Glance>) => worker.lookMirrors({ m, c: { ...looking('tend'), before: before === null ? null : JSON.stringify({ state: before, progress: '', idleMs: 0 }) } }, at);
  let glance = begun();
  const turns = async (ms: number, elsewhere?: true): Promise<readonly string[]> => {
    const told: string[] = [];
    for (let s = 0; s <= ms; s += 5_000) {
      for (let seen = await glance(); seen.state !== before; seen = await glance()) {
        told.push(`${s / 1_000} s ${(seen.figures as { state: string }).state}: ${seen.say}`);
        before = seen.state;
        if (elsewhere) worker = tending(w.ports(), createRecord(w.ports()));
        glance = begun();
      }
      nowMs += 5_000;
    }
    return told;
  };
  return { w, orders, mails, turns };
}
/** One record was copied, and two more are not. */
function halted(): Tended {
  const t = tended();
  t.w.source.write('orders', 0, 'a');
  t.w.copy();
  t.w.source.write('orders', 0, 'b', 'c');
  return t;
}

for (const elsewhere of [undefined, true] as const) test(`the alarm of one that copies nothing stands, ${elsewhere ? 'whichever worker looks' : 'also over turns'}, and ends with its trouble`, async () => {
  const t = halted();
  const told = await t.turns(600_000, elsewhere);
  assert.deepEqual(told.map((line) => line.split(':')[0]), ['0 s running', '120 s failing'], told.join('\n'));
  t.w.copy();
  assert.deepEqual((await t.turns(300_000, elsewhere)).map((line) => line.split(': ')[0]?.split(' ').at(-1)), ['running']);
});

test('news about another mirror does not begin its two minutes anew', async () => {
  const t = halted();
  const told: string[] = [];
  for (let i = 0; i < 4; i++) {
    t.mails.state = i % 2 === 0 ? 'PAUSED' : 'RUNNING';
    told.push(...(await t.turns(95_000)));
  }
  assert.ok(told.some((line) => line.includes('has copied nothing of orders/0')), told.join('\n'));
});

test('where nobody can look, that is said, and an alarm after half a minute', async () => {
  const t = tended();
  await t.turns(5_000);
  t.w.source.before = (call) => { if (call === 'ends') throw new Error('SASL authentication failed'); };
  const told = await t.turns(600_000);
  assert.match(told.at(-1) ?? '', /^\d+ s failing: whether mirror \S+-mails-\S+ copies is unknown: SASL authentication failed; whether mirror \S+-orders-\S+ copies is unknown: SASL authentication failed\.$/);
  t.w.source.before = () => undefined;
  assert.match((await t.turns(60_000)).join(), /^0 s running: 2 mirrors run\.$/);
});

test('a damaged one stays an alarm when nobody can look any more', async () => {
  const t = tended();
  t.orders.next.set('orders/0', 12n);
  const told = [...(await t.turns(10_000))];
  t.w.source.before = (call) => { if (call === 'ends') throw new Error('connection refused'); };
  told.push(...(await t.turns(120_000)));
  assert.deepEqual(told.filter((line) => line.includes(' running:')), []);
});
