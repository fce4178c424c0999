/** What each scheme offers, held against what applications declare. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Application, Tolerances } from '../../src/domain/migration.ts';
import { heldAgainst, offers, unkept, wouldDo } from '../../src/domain/offers.ts';
import { schemes } from '../../src/workflows/schemes/schemes.ts';

const application = (name: string, x: Partial<Application>): Application => ({ name, fleet: name, writes: [], reads: [], principals: [], transactionalIds: [], ...x });
const nothing: Tolerances = { loss: false, repeats: false, disorder: false };
const reads = [{ group: 'g', topics: ['t'], isolation: 'read_committed' as const }];
const m = (tolerates: Tolerances | undefined, x: Partial<Application>, connect: string | null = 'c') =>
  ({ connect, outage: { budgetMs: 10_000, undoReserveMs: 2_500 }, applications: [application('shop', { writes: ['t'] }), application('billing', { ...x, ...(tolerates ? { tolerates } : {}) })] });
const would = (x: ReturnType<typeof m>): readonly string[] => wouldDo(x).map((o) => `${o.scheme}${o.kind === '' ? '' : ` ${o.kind}`}`);

test('offers: every scheme has a row, and no other has', () => {
  const known = new Set(offers.map((o) => o.scheme));
  assert.deepEqual(Object.keys(schemes).filter((s) => !known.has(s)), []);
  assert.equal(known.size, 7);
});

const refusals: readonly { readonly situation: string; readonly scheme: string; readonly connect?: null; readonly tolerates: Tolerances; readonly more?: Partial<Application>; readonly why: RegExp }[] = [
  { situation: 'a consumer that may not lose is not restarted without its data', scheme: 'restartAllAtOnce', connect: null, tolerates: nothing, why: /billing tolerates no loss/ },
  { situation: 'a consumer that needs the order does not read both sides', scheme: 'dualConsume', connect: null, tolerates: nothing, why: /billing tolerates no disorder/ },
  { situation: 'a consumer that may never stop is not restarted', scheme: 'stopRestartRepeat', tolerates: { ...nothing, readOutageMs: 0 }, why: /billing tolerates no read outage/ },
  { situation: 'a writer that may be away for 2 s is not stopped for 10 s', scheme: 'producerFirst', connect: null, tolerates: { ...nothing, writeOutageMs: 2_000 }, more: { writes: ['u'] }, why: /billing tolerates 2000 ms without a running writer, and the outage of its set has a budget of 10000 ms/ },
  { situation: 'one that reads and writes stops reading with its cut', scheme: 'stopRestartRepeat', tolerates: { ...nothing, readOutageMs: 2_000 }, more: { writes: ['u'] }, why: /tolerates 2000 ms without a running reader/ },
  { situation: 'a consent to repeats contradicts an owner who tolerates none', scheme: 'stopRestartRepeat', tolerates: nothing, more: { reads: [{ group: 'g', topics: ['t'], isolation: 'read_committed', mayRepeat: 7 }] }, why: /"mayRepeat" lets group g read 7 again/ },
];
for (const r of refusals)
  test(`tolerances: ${r.situation}`, () => {
    const said = unkept(m(r.tolerates, { reads, ...r.more }, r.connect === null ? null : 'c'), r.scheme);
    assert.match(said ?? 'kept', r.why);
    assert.match(said ?? '', /would do: |No scheme keeps all of it at once/);
  });

test('tolerances: nothing declared, nothing refused; all declared, each scheme keeps its own promise', () => {
  for (const scheme of new Set(offers.map((o) => o.scheme))) assert.equal(unkept(m(undefined, { reads }), scheme), null);
  const lenient = m({ loss: true, repeats: true, disorder: true }, { reads });
  assert.equal(would(lenient).length, offers.length);
});
test('tolerances: the smaller budget that would do is named', () => {
  assert.match(unkept(m({ ...nothing, writeOutageMs: 2_000 }, { reads, writes: ['u'] }), 'stopRestartRepeat') ?? '', /With outage\.budgetMs at most 2000 these would do: stopRestartRepeat, .*; outage\.undoReserveMs, 2500 now, must leave at least 500 of it\.$/);
});
test('tolerances: every application and reason in one message', () => {
  const both = m(nothing, { reads }, null);
  const more = { ...both, applications: [...both.applications, application('audit', { reads: [{ group: 'a', topics: ['t'], isolation: 'read_committed' }], tolerates: { ...nothing, readOutageMs: 0 } })] };
  const said = unkept(more, 'restartAllAtOnce') ?? '';
  for (const line of [/^- billing tolerates no loss/m, /^- audit tolerates no loss/m, /^- audit tolerates no read outage/m, /blueGreen muted/]) assert.match(said, line);
});
test('tolerances: the measured outage is held against what was declared', () => {
  const shop = application('shop', { writes: ['t'], tolerates: { ...nothing, writeOutageMs: 500 } });
  assert.match(heldAgainst([shop], { addedMs: 480 }) ?? '', /480 ms$/);
  assert.match(heldAgainst([shop], { addedMs: 520 }) ?? '', /520 ms, LONGER$/);
  assert.equal(heldAgainst([shop], { addedMs: null }), null);
  assert.equal(heldAgainst([application('x', { writes: ['t'] })], { addedMs: 1 }), null);
});
