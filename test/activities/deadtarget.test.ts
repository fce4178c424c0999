/** The target is dead: what is known is told from the source alone, and going back asks nothing of the target. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReconcile } from '../../src/activities/create.ts';
import { withoutTarget } from '../../src/activities/deadtarget/withouttarget.ts';
import type { Reconciliation } from '../../src/domain/reconciliation.ts';
import type { Evidence } from '../../src/domain/scheme.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import { application, migration } from '../fakes/migrations.ts';
import { noLimit } from '../adapters/kafka/until.ts';
import { context, FakeMirror, FakeWorld, looking, run } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } })], { connectBack: 'connect-back' });
const sets = cutSets(m);
const [set] = sets;
assert.ok(set);
const applications = ['billing', 'shop'];
const inventory = { clusterIds: { source: 'id-old', target: 'id-new' }, topics: [], groups: ['billing'], authorizer: { source: 'none', target: 'none' } } as const;
const x = (key: string) => ({ m, c: context(key) });

/** Opened with 8 records on the source and 5 on the target; 6 more on the target, of which `back` came back. Billing goes on there at `reads`. */
async function opened(back: number, o: { readonly swept?: false; readonly reads?: bigint } = {}): Promise<{ readonly w: FakeWorld; readonly mirror: FakeMirror }> {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 2);
  for (let i = 0; i < 8; i++) w.source.write('orders', 0, `old${i}`);
  for (let i = 0; i < 5; i++) w.target.write('orders', 0, `old${i + 3}`);
  w.source.place('billing', 'orders', 0, 7n);
  w.source.place('billing', 'orders', 1, 0n);
  const cut = { ...x('cut'), set: set!, to: 'target' as const };
  const work = w.work();
  await work.markCut({ ...cut, before: await work.captureCut(cut) });
  const mirror = new FakeMirror({ connect: 'connect-back', name: `cutover-orders-back-${run.slice(-8)}-1`, from: 'new', to: 'old', topics: ['orders'], seed: [{ topic: 'orders', partition: 0, offset: 5n, metadata: '' }, { topic: 'orders', partition: 1, offset: 0n, metadata: '' }] });
  w.connectors.set(mirror.spec.name, mirror);
  w.source.entries.set(`mirrors/${mirror.spec.name}`, '{}');
  w.target.place('billing', 'orders', 0, o.reads ?? 7n);
  w.target.place('billing', 'orders', 1, 0n);
  for (const app of applications) w.fleets.set(app, { source: 0, target: 1 });
  for (let i = 0; i < 6; i++) w.target.write('orders', 0, `new${i}`);
  w.copy(back);
  if (o.swept !== false) await work.lookSwept({ m, c: looking('sweep'), groups: ['billing'], topics: ['orders'] });
  w.target.before = () => { throw new Error('connection refused'); };
  return { w, mirror };
}
const evidence = (w: FakeWorld): Promise<Evidence> => w.work().evidence({ ...x('hold'), inventory, about: { kind: 'without-target', applications, sets } });
const reconciling = (w: FakeWorld): Promise<Reconciliation> =>
  createReconcile(w.ports(), { surroundings: () => ({ heartbeat: () => undefined, signal: w.cancel.signal, now: () => Date.now() }) }).reconcileTarget(x('reconcile'));
async function goBack(w: FakeWorld): Promise<Readonly<Record<string, string>>> {
  const work = w.work();
  return {
    stop: (await work.stopWithoutTarget({ ...x('stop'), applications })).say,
    silence: (await work.silenceWithoutTarget({ ...x('silence'), sets })).say,
    mark: (await work.markWithoutTarget({ ...x('mark'), set: set! })).say,
    positions: (await work.setWithoutTarget({ ...x('set'), applications })).say,
    lift: (await work.liftWithoutTarget({ ...x('lift'), applications, sets })).say,
    leave: (await work.leaveTarget({ ...x('leave'), sets })).say,
  };
}

test('the hold says what has not come back, where groups go on, how old that is, and how much is read again at most', async () => {
  const { w } = await opened(4);
  const { claims, figures } = await evidence(w);
  assert.deepEqual(claims.filter((c) => !c.holds), []);
  assert.match(claims.map((c) => c.text).join('\n'), /orders: as of \S+Z at most 2 records on new had not come back; what was written there after that and did not come back is unknown/);
  assert.match(claims.map((c) => c.text).join('\n'), /billing goes on on old where it was known to be at \S+Z: at most 3 records are read again/);
  assert.match(figures.join('\n'), /orders\/0: came back up to offset 9 of new, which ended at 11 as of \S+Z: at most 2 records missing/);
  assert.match(figures.join('\n'), /new: connection refused/);
});

test('nothing was ever swept: unknown is said as unknown, and groups go on where they left the source', async () => {
  const { w } = await opened(4, { swept: false });
  const text = (await evidence(w)).claims.map((c) => c.text).join('\n');
  assert.match(text, /orders: nothing is known of where it ended on new; what was written there since the cut and did not come back is unknown/);
  assert.match(text, /billing goes on on old on 2 partitions where it was when it left/);
  await goBack(w);
  assert.deepEqual(w.source.placed('billing'), { 'orders/0': 7, 'orders/1': 0 });
});

test('the target answers after all: the approval is refused, because the ordinary rollback loses nothing', async () => {
  const { w } = await opened(4);
  w.target.before = () => undefined;
  const { claims, figures } = await evidence(w);
  assert.deepEqual(claims.filter((c) => !c.holds).map((c) => c.text), ['cluster new does not answer.']);
  assert.match(figures.join('\n'), /roll back with it; nothing is lost that way/);
});

test('all the way back: the mirror is silent, the cut stands in the ledger of the source, positions are set and read back, and the target was asked for nothing', async () => {
  const { w, mirror } = await opened(4);
  w.target.calls.length = 0;
  const said = await goBack(w);
  assert.equal(mirror.state, 'STOPPED');
  assert.match(said['mark'] ?? '', /cut 2 of orders is in the ledger of old: 2 partitions/);
  assert.match(said['positions'] ?? '', /2 positions of billing set on the source, read back; billing reads at most 3 again/);
  // New0 and new1 were read on the target; the marker behind the other two makes it three offsets.
  const at = BigInt(w.source.placed('billing')['orders/0'] ?? -1);
  assert.equal(w.source.log({ topic: 'orders', partition: 0 }).records.filter((r) => r.offset >= at).map((r) => r.fingerprint).join(), 'new2,new3');
  assert.equal(w.connectors.size, 0);
  assert.match(said['leave'] ?? '', /left behind: on new: topics orders with what never came back/);
  assert.deepEqual(w.target.calls, []);
  // Each of them again changes nothing.
  const { mark } = await goBack(w);
  assert.match(mark ?? '', /was marked already/);
  assert.equal(BigInt(w.source.placed('billing')['orders/0'] ?? -1), at);
});

test('a group that had read more than came back goes on at the end of the source: nothing of that is read again', async () => {
  const { w } = await opened(2, { reads: 9n });
  await goBack(w);
  const at = BigInt(w.source.placed('billing')['orders/0'] ?? -1);
  assert.equal(w.source.log({ topic: 'orders', partition: 0 }).records.filter((r) => r.offset >= at).length, 0);
});

test('a fleet that cannot answer is named; one that says that a process still runs is asked about', async () => {
  const { w } = await opened(4);
  w.fleetCall = (call) => { if (call.endsWith(' shop')) throw new Error('the agent does not answer'); };
  assert.match((await evidence(w)).figures.join('\n'), /shop: nobody can say whether it still runs on new \(the agent does not answer\)/);
  assert.match((await w.work().stopWithoutTarget({ ...x('stop'), applications })).say, /billing stopped; nobody can say whether shop still runs \(the agent does not answer\): what it writes on new when that returns is found by reconcile only/);
  w.fleetCall = (call) => { if (call === 'stop shop') throw new Error('the process ignores us'); };
  await assert.rejects(w.work().stopWithoutTarget({ ...x('stop'), applications }), /shop was told to stop, and still runs, says the fleet \(the process ignores us\)/);
});

test('somebody is in a group on the source: its position is not set', async () => {
  const { w } = await opened(4);
  w.source.join('billing', 'forgotten');
  assert.deepEqual((await evidence(w)).claims.filter((c) => !c.holds).map((c) => c.text), ['groups billing are empty on old.']);
  await assert.rejects(w.work().setWithoutTarget({ ...x('set'), applications }), /Group billing is Stable with 1 member \(forgotten/);
});

const twice = ['billing'];
test('of two sets the first is at work on the source: only the second is told to stop, and the group stays where it is', async () => {
  const { w } = await opened(2, { reads: 9n });
  w.source.join('billing', 'first-1');
  w.fleets.set('billing', { source: 1, target: 1 });
  const shown = await w.work().evidence({ ...x('hold'), inventory, about: { kind: 'without-target', applications, sets, twice } });
  assert.deepEqual(shown.claims.filter((c) => !c.holds), []);
  assert.match(shown.claims.map((c) => c.text).join('\n'), /billing: its first set is at work on old and goes on there\. What only the second set read on new was processed, and is not on old\./);
  assert.match((await w.work().stopWithoutTarget({ ...x('stop'), applications, twice })).say, /billing and shop stopped|shop and billing stopped|billing, shop stopped/);
  assert.deepEqual(w.fleets.get('billing'), { source: 1, target: 0 });
  assert.match((await w.work().setWithoutTarget({ ...x('set'), applications, twice })).say, /^0 positions of no group set on the source, read back\. billing: its first set is at work on old and goes on there\.$/);
  assert.deepEqual(w.source.placed('billing'), { 'orders/0': 7, 'orders/1': 0 });
  // The fleet runs nobody there: whoever is in the group is not its first set.
  w.fleets.set('billing', { source: 0, target: 1 });
  await assert.rejects(w.work().setWithoutTarget({ ...x('set'), applications, twice }), /Group billing is Stable with 1 member \(first-1/);
  w.fleetCall = (call) => { if (call.endsWith(' billing')) throw new Error('the agent does not answer'); };
  assert.match((await w.work().setWithoutTarget({ ...x('set'), applications, twice })).say, /billing: first-1.* on old taken for its first set, of which its fleet cannot say whether it runs/);
});

test('of two sets the first left before it had read everything: what it left unread is read, however far the second has come', async () => {
  for (const [left, at] of [[7n, 7n], [8n, null]] as const) {
    const { w } = await opened(2, { reads: 9n });
    w.source.place('billing', 'orders', 0, left);
    await w.work().markWithoutTarget({ ...x('mark'), set: set! });
    await w.work().setWithoutTarget({ ...x('set'), applications, twice });
    const end = w.source.log({ topic: 'orders', partition: 0 }).records.at(-1)?.offset ?? -1n;
    const now = BigInt(w.source.placed('billing')['orders/0'] ?? -1);
    // Drained, what was swept of the second set counts: it had read all that came back.
    if (at === null) assert.ok(now > end, `${now} is not behind ${end}`);
    else assert.equal(now, at);
  }
});

test('a mirror of which no producer is known is taken away instead of silenced; what it brought before they were forgotten is kept', async () => {
  const { w, mirror } = await opened(4);
  mirror.forgotten = true;
  assert.match((await w.work().silenceWithoutTarget({ ...x('silence'), sets })).say, /no producer of it is known, removed/);
  assert.equal(w.connectors.size, 0);
  await w.work().markWithoutTarget({ ...x('mark'), set: set! });
  w.source.entries.set(`${run}/final`, JSON.stringify({ migration: m, sequence: 1 }));
  w.target.before = () => undefined;
  w.source.trim('orders', 0, 12n);
  assert.match((await reconciling(w)).say, /^2 records on 1 partition of new \(orders\/0 2\) never came back to old; 0 records did; 4 more records did, says the ledger/);
});

test('a mirror back of which one task has been idle for a week: the ids that are known are fenced, and nobody is asked about the other', async () => {
  const { w } = await opened(4);
  const ports = w.ports();
  const fenced: string[] = [];
  const mirrors = {
    ...ports.mirrors, writers: async () => [{ transactionalId: 'task-0', producerId: 9n }, { transactionalId: 'task-1', producerId: null }],
    silence: (...[spec, writers, until]: Parameters<typeof ports.mirrors.silence>) => { fenced.push(...writers.map((one) => one.transactionalId)); return ports.mirrors.silence(spec, writers, until); },
  };
  const at = { until: noLimit, now: () => Date.now(), pause: async () => undefined, seen: () => undefined, words: String };
  assert.match((await withoutTarget({ ...ports, mirrors }).silenceWithoutTarget({ ...x('silence'), sets }, at)).say, /is silent for good/);
  assert.deepEqual(fenced, ['task-0']);
});

test('the target returns: exactly the records that never came back are named, whatever was written on the source since', async () => {
  const { w } = await opened(4);
  await goBack(w);
  w.source.entries.set(`${run}/final`, JSON.stringify({ migration: m, sequence: 1 }));
  w.target.before = () => undefined;
  // The source goes on, and a process that nobody could stop writes one more on the target.
  w.source.write('orders', 0, 'since1', 'since2');
  w.target.write('orders', 0, 'straggler');
  const found = await reconciling(w);
  assert.deepEqual(found.partitions.filter((p) => p.records > 0).map((p) => [p.partition, p.records, p.runs, p.cameBack]), [['orders/0', 3, [{ from: '9', to: '11', records: 3 }], 4]]);
  assert.match(found.say, /^3 records on 1 partition of new \(orders\/0 3\) never came back to old; 4 records did\. Nothing was merged\.$/);
  assert.ok(w.target.entries.has(`${run}/reconciled`) && w.source.entries.has(`${run}/reconciled`), 'both ledgers have the report');
  // What is on the target stays as it is.
  assert.equal(w.target.log({ topic: 'orders', partition: 0 }).records.at(-1)?.fingerprint, 'straggler');
});

/** Back without the target, which returns after something was taken from the source. */
async function returned(policy: string, taken: (w: FakeWorld) => void, forgotten = false): Promise<Reconciliation> {
  const { w } = await opened(4);
  for (const c of [w.source, w.target]) c.topics.get('orders')?.configs.set('cleanup.policy', { value: policy, source: 'topic' });
  await goBack(w);
  w.source.entries.set(`${run}/final`, JSON.stringify({ migration: m, sequence: 1 }));
  w.target.before = () => undefined;
  taken(w);
  if (forgotten) for (const key of w.source.entries.keys()) if (key.includes('/without-target/brought/')) w.source.entries.delete(key);
  return reconciling(w);
}
const figuresOf = (found: Reconciliation): unknown => found.partitions.filter((p) => p.partition === 'orders/0').map((p) => [p.records, p.runs, p.cameBack, p.goneSince, p.undecided]);

test('what came back has expired on the source since: it is not called missing', async () => {
  const found = await returned('delete', (w) => { w.source.trim('orders', 0, 11n); });
  assert.deepEqual(figuresOf(found), [[2, [{ from: '9', to: '10', records: 2 }], 1, 3, 0]]);
  assert.match(found.say, /^2 records on 1 partition of new \(orders\/0 2\) never came back to old; 1 record did; 3 more records did, says the ledger, and are not found on old any more, expired or compacted\. Nothing was merged\.$/);
  // All of it, also what the source had before the cut.
  assert.deepEqual(figuresOf(await returned('delete', (w) => { w.source.trim('orders', 0, 12n); })), [[2, [{ from: '9', to: '10', records: 2 }], 0, 4, 0]]);
});
test('the same, of a release that did not write down how far the mirror had come: unknown is said as unknown', async () => {
  const found = await returned('delete', (w) => { w.source.trim('orders', 0, 11n); }, true);
  assert.deepEqual(figuresOf(found), [[0, [], 1, 0, 5]]);
  assert.match(found.say, /of 5 records nobody can tell: old has lost records of that time since, and the ledger does not say how far the mirror back had come/);
});
test('what came back was compacted away on the source since: it is not called missing', async () => {
  const found = await returned('compact', (w) => { w.source.log({ topic: 'orders', partition: 0 }).records.splice(9, 2); });
  assert.deepEqual(figuresOf(found), [[2, [{ from: '9', to: '10', records: 2 }], 2, 2, 0]]);
});
test('heads that go while they are read are read around', async () => {
  let trimmed = false;
  const found = await returned('delete', (w) => { w.source.before = (call) => { if (call === 'range' && !trimmed) { trimmed = true; w.source.trim('orders', 0, 11n); } }; });
  assert.ok(trimmed);
  assert.deepEqual(figuresOf(found), [[2, [{ from: '9', to: '10', records: 2 }], 1, 3, 0]]);
});
test('a head that goes on going, on a partition that everything of that time has left, keeps nobody', async () => {
  let [looks, at] = [0, 60n];
  const found = await returned('delete', (w) => {
    w.source.write('orders', 0, ...Array.from({ length: 200 }, (_, i) => `since${i}`));
    w.source.trim('orders', 0, at);
    w.source.before = (call) => { if (call === 'ends') { looks += 1; w.source.trim('orders', 0, at += 1n); } };
  });
  assert.ok(looks <= 4, `${looks} looks`);
  assert.deepEqual(figuresOf(found), [[2, [{ from: '9', to: '10', records: 2 }], 0, 4, 0]]);
});
test('a topic that was made anew since, or is gone, is said so, and nothing is called missing', async () => {
  await assert.rejects(returned('delete', (w) => { w.target.topic('orders', 2); }), /Topic orders on cluster new was made anew: its id is .*, was .*\. What was in it then cannot be reconciled\./);
  await assert.rejects(returned('delete', (w) => { w.source.topics.delete('orders'); }), /Topic orders on cluster old is not there any more\./);
});

test('a run that was not rolled back without its target has nothing to reconcile', async () => {
  const { w } = await opened(4);
  w.source.entries.set(`${run}/final`, JSON.stringify({ migration: m, sequence: 1 }));
  await assert.rejects(reconciling(w), /knows no cut of run .* that was marked without the target/);
});
