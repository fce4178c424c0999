/** Every row of the sources' decision tables, by its name, and what a proposal says of itself. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { dependencies, matching, patterns, processing, restarts, type Traits } from '../../src/domain/decision-tables.ts';
import type { Application, Tolerances } from '../../src/domain/migration.ts';
import { offers } from '../../src/domain/offers.ts';
import { recommend, startOf, traitsOf, type Circumstances } from '../../src/domain/recommend.ts';

const application = (name: string, x: Partial<Application>): Application => ({ name, fleet: name, writes: [], reads: [], principals: [], transactionalIds: [], ...x });
const nothing: Tolerances = { loss: false, repeats: false, disorder: false };
const outage = { budgetMs: 10_000, undoReserveMs: 2_500 };
const reading = [{ group: 'g', topics: ['t'], isolation: 'read_committed' as const }];
const shop = application('shop', { writes: ['t'] });
/** A shop whose topic is read with these tolerances. */
const asked = (tolerates: Tolerances | undefined, more: Partial<Application> = {}) => ({
  topics: ['t', 'out'], outage, connect: null, applications: [shop, application('billing', { reads: reading, ...(tolerates ? { tolerates } : {}), ...more })],
});
const strict: Traits = { copied: true, loss: false, repeats: false, disorder: false, writes: 'any', reads: 'any', both: false, dependent: false, translation: true };

/** Seed, row, what the application tolerates, how things are; and the scheme with the start that the row asks for. */
const rows: readonly { readonly row: string; readonly says: string; readonly tolerates: Tolerances; readonly around: Circumstances; readonly more?: Partial<Application>; readonly scheme: string; readonly start: string; readonly alone?: true }[] = [
  { row: 'C: zero client downtime, reads', says: 'If downtime cannot be tolerated for any of the clients, then a blue/green deployment', tolerates: { ...nothing, readOutageMs: 0 }, around: { copied: true }, scheme: 'blueGreen', start: 'translated' },
  { row: 'C: zero client downtime, writes', says: 'If downtime cannot be tolerated for any of the clients, then a blue/green deployment', tolerates: { ...nothing, writeOutageMs: 0 }, around: { copied: true }, more: { writes: ['out'] }, scheme: 'blueGreen', start: 'translated' },
  { row: 'C: with data, stop-wait-restart', says: 'No consumer offset replication or translation is in use', tolerates: nothing, around: { copied: true, translation: false }, scheme: 'stopWaitRestart', start: 'after the drain' },
  { row: 'C: restart table, misses and repeats', says: 'Consumers can miss data and/or process duplicates', tolerates: { loss: true, repeats: true, disorder: false }, around: { copied: true }, scheme: 'restartAllAtOnce', start: 'translated' },
  { row: 'C: restart table, misses', says: 'Consumers can miss data but not process duplicates: auto.offset.reset=latest', tolerates: { loss: true, repeats: false, disorder: false }, around: { copied: true }, scheme: 'restartAllAtOnce', start: 'latest' },
  { row: 'C: restart table, repeats', says: 'Consumers cannot miss data but can process duplicates: auto.offset.reset=earliest', tolerates: { loss: false, repeats: true, disorder: false }, around: { copied: true }, scheme: 'restartAllAtOnce', start: 'earliest' },
  { row: 'H scheme 3, T scheme 3', says: 'the producer cannot be stopped, the end-to-end latency cannot be high, but a little repeated message consumption is tolerated', tolerates: { loss: false, repeats: true, disorder: false, readOutageMs: 60_000 }, around: { copied: true }, scheme: 'consumerFirst', start: 'translated' },
  { row: 'C: with data, stop-restart-repeat', says: 'Consumers should not miss any messages, minimal client downtime, no duplicate processing', tolerates: { ...nothing, readOutageMs: 60_000 }, around: { copied: true }, scheme: 'stopRestartRepeat', start: 'translated' },
  { row: 'C: without data, blue/green, reads', says: 'If you are leveraging a blue/green deployment strategy to avoid client downtime', tolerates: { loss: false, repeats: false, disorder: true, readOutageMs: 0 }, around: { copied: false }, scheme: 'dualConsume', start: 'after the drain' },
  { row: 'C: without data, restart all at once', says: 'If consumers can afford to miss messages and no client interdependencies are dictating the order', tolerates: { loss: true, repeats: false, disorder: false }, around: { copied: false }, alone: true, scheme: 'restartAllAtOnce', start: 'latest' },
  { row: 'H scheme 2, T scheme 1', says: 'services that require low latency but do not require strict message sequence', tolerates: { loss: false, repeats: false, disorder: true, readOutageMs: 60_000 }, around: { copied: false }, scheme: 'dualConsume', start: 'after the drain' },
  { row: 'C: without data, stop-wait-restart', says: 'Consumers should not miss data or process many duplicates; client downtime is acceptable', tolerates: nothing, around: { copied: false }, scheme: 'stopWaitRestart', start: 'after the drain' },
  { row: 'H scheme 1, T scheme 2', says: 'the message sequence is ensured; latency may occur because you have to wait for all data to be consumed', tolerates: { ...nothing, readOutageMs: 60_000 }, around: { copied: false }, scheme: 'producerFirst', start: 'after the drain' },
];
for (const r of rows)
  test(`choosing: ${r.row} ("${r.says}") → ${r.scheme}, ${r.start}`, () => {
    const m = asked(r.tolerates, r.more);
    const found = recommend(r.alone ? { ...m, applications: m.applications.slice(1) } : m, r.around).applications.find((a) => a.application === 'billing');
    assert.ok(found);
    assert.deepEqual({ row: found.row, scheme: found.scheme, start: found.start }, { row: r.row, scheme: r.scheme, start: { g: r.start } });
    assert.match(found.because, /^\S.*, because .+\.$/);
    const others = offers.filter((o) => o.scheme !== r.scheme).map((o) => o.scheme);
    for (const other of others) assert.ok(found.rejected.some((x) => x.scheme.startsWith(other) && x.because.length > 10), `${other} is rejected with a reason`);
  });

test('choosing: without data, writes may not stop and the order does not matter → dualConsume, which no scheme does in 0 ms', () => {
  const found = recommend(asked({ loss: false, repeats: false, disorder: true, writeOutageMs: 0 }, { writes: ['out'] }), { copied: false }).applications[1];
  assert.deepEqual([found?.row, found?.scheme], ['C: without data, blue/green, writes', 'dualConsume']);
  assert.match(found?.because ?? '', /no scheme promises 0 ms/);
});

const starts: readonly (readonly [string, Partial<Traits>, readonly string[]])[] = [
  ['C: repeats but no loss, copied', { loss: false, repeats: true, copied: true }, ['earliest', 'timestamp', 'translated']],
  ['C: repeats but no loss, not copied', { loss: false, repeats: true, copied: false }, ['after the drain']],
  ['C: loss but no repeats, copied', { loss: true, repeats: false, copied: true }, ['latest', 'translated']],
  ['C: loss but no repeats, not copied', { loss: true, repeats: false, copied: false }, ['after the drain', 'latest']],
  ['C: neither, copied', { copied: true }, ['after the drain', 'translated']],
  ['C: neither, not copied', { copied: false }, ['after the drain']],
  ['C: both', { loss: true, repeats: true }, ['after the drain', 'earliest', 'latest', 'timestamp', 'translated']],
];
for (const [id, traits, allowed] of starts)
  test(`choosing: the row "${id}" allows ${allowed.join(', ')}, and every scheme that fits starts so`, () => {
    const t = { ...strict, ...traits };
    const row = matching(processing, t)[0];
    assert.equal(row?.id, id);
    assert.deepEqual([...row.starts].sort(), allowed);
    for (const o of offers.filter((x) => x.copies === t.copied && (x.loss === 'none' || t.loss))) assert.ok(allowed.includes(startOf(o, t)), `${o.scheme}: ${startOf(o, t)}`);
  });

test('choosing: every row of every table is met by some traits, and none is hidden by those above it', () => {
  const flags = [true, false];
  const away = ['none', 'short', 'any'] as const;
  const every: Traits[] = flags.flatMap((copied) => flags.flatMap((loss) => flags.flatMap((repeats) => flags.flatMap((disorder) => away.flatMap((writes) => away.flatMap((reads) => flags.flatMap((both) => flags.flatMap((dependent) => flags.map((translation) => ({ copied, loss, repeats, disorder, writes, reads, both, dependent, translation })))))))))) ;
  for (const table of [patterns, processing, restarts, dependencies]) {
    const first = new Set(every.map((t) => matching(table as readonly { id: string; when: Partial<Traits> }[], t)[0]?.id));
    assert.deepEqual(table.map((r) => r.id).filter((id) => !first.has(id)), []);
  }
  for (const t of every) assert.ok(matching(patterns, t).length > 0, 'every application gets a row');
});

for (const o of dependencies)
  test(`choosing: who depends on whom: ${o.id}`, () => {
    const m = { ...asked(nothing, o.when.both ? { writes: ['out'] } : {}), connect: o.when.copied === false ? null : 'c' };
    assert.equal(matching(dependencies, traitsOf(m, m.applications.slice(1), {}))[0]?.id, o.id);
    assert.ok(recommend(m).applications[1]?.because.includes(o.says));
  });

test('choosing: writers of one topic get one scheme, the one that the strictest of them can go with', () => {
  const m = { topics: ['t', 'u'], outage, connect: 'c', applications: [
    application('one', { writes: ['t', 'u'], reads: [{ group: 'o', topics: ['t'], isolation: 'read_committed' }], tolerates: { loss: true, repeats: true, disorder: true } }),
    application('two', { writes: ['u'], reads: [{ group: 'w', topics: ['t'], isolation: 'read_committed' }], tolerates: nothing }),
  ] };
  const { applications } = recommend(m);
  assert.deepEqual(applications.map((a) => [a.application, a.scheme, a.applications]), [['one', 'stopRestartRepeat', ['one', 'two']], ['two', 'stopRestartRepeat', ['one', 'two']]]);
});

test('choosing: a measured backlog that does not fit into the outage speaks against a drain inside it', () => {
  const measured = { groups: { g: { lagRecords: 1_000_000, recordsPerSecond: 10_000 } } };
  assert.equal(recommend(asked(nothing), {}).together.scheme, 'stopWaitRestart');
  const { together } = recommend(asked(nothing), { measured });
  assert.equal(together.scheme, 'producerFirst');
  assert.ok(together.rejected.some((r) => r.scheme === 'stopWaitRestart without a copy' && /needs about 100 s for the 1000000 records/.test(r.because)));
  assert.deepEqual(together.forecast, ['group g is 1000000 records behind: about 100 s to drain']);
});
test('choosing: what a measured backlog speaks against is proposed nowhere', () => {
  const measured = { groups: { g: { lagRecords: 1_000_000, recordsPerSecond: 10_000 } } };
  const against = (x: ReturnType<typeof recommend>['together'], name: string): string => x.rejected.find((r) => r.scheme === name)?.because ?? '';
  // By the tables alone it would do, only not as well as the one chosen.
  const chosen = { ...asked({ ...nothing, readOutageMs: 60_000 }), connect: 'c' };
  assert.match(against(recommend(chosen).together, 'stopWaitRestart with a copy'), /^it would do/);
  assert.match(against(recommend(chosen, { measured }).together, 'stopWaitRestart with a copy'), /needs about 100 s/);
  // Zero downtime for readers: by the tables green would do, but its outage lasts until blue has read everything.
  const neither = { ...asked({ loss: true, repeats: true, disorder: true, readOutageMs: 0 }), connect: 'c' };
  assert.equal(recommend(neither).together.scheme, 'blueGreen');
  const { scheme, because } = recommend(neither, { measured }).together;
  assert.equal(scheme, null);
  assert.match(because, /These would do: dualConsume\.$/);
});
test('choosing: nobody is told to take a budget of nothing', () => {
  const { together } = recommend({ ...asked({ loss: true, repeats: true, disorder: false, writeOutageMs: 0 }, { writes: ['out'] }) }, { copied: false });
  assert.deepEqual([together.scheme, /at most 0/.test(together.because), /No scheme keeps all of it at once/.test(together.because)], [null, false, true], together.because);
});
test('choosing: sizes are told as far as they were measured', () => {
  const { together } = recommend({ ...asked(nothing), connect: 'c' }, { measured: { topics: { t: { bytes: 100 * 1_048_576 } }, copyBytesPerSecond: 10 * 1_048_576 } });
  assert.deepEqual(together.forecast, ['100 MiB are copied: about 10 s']);
});
test('choosing: where only the budget is too long, the scheme is proposed with the budget that it needs', () => {
  const tight = asked({ ...nothing, readOutageMs: 60_000, writeOutageMs: 5_000 }, { writes: ['out'] });
  const { together } = recommend(tight, { copied: true });
  assert.equal(together.scheme, 'stopRestartRepeat');
  assert.match(together.because, /; it needs outage\.budgetMs of at most 5000 in place of 10000, because the strictest here tolerates no more\.$/);
  assert.ok(!together.rejected.some((r) => r.scheme.startsWith('stopRestartRepeat')), 'what is proposed is not rejected as well');
  const { together: hopeless } = recommend(asked({ ...nothing, writeOutageMs: 2_000 }, { writes: ['out'] }), { copied: true });
  assert.equal(hopeless.scheme, null, 'a budget below its own reserve is none');
});
test('choosing: what nobody can keep is said to be so', () => {
  const { together } = recommend(asked({ ...nothing, readOutageMs: 0 }), { copied: false });
  assert.equal(together.scheme, null);
  assert.ok(together.rejected.length >= offers.length - 1);
});
