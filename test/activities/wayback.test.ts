/** The way back: mirrors that follow a cut in either direction, and the proof that there is one before anything is opened. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { application, migration } from '../fakes/migrations.ts';
import { cutSets, type CutSet } from '../../src/domain/cutsets.ts';
import type { Side } from '../../src/domain/authority.ts';
import { Failure } from '../../src/domain/failures.ts';
import type { Ports } from '../../src/domain/ports.ts';
import type { Work } from '../../src/activities/work.ts';
import { context, FakeMirror, FakeWorld, looking, run } from './fake-ports.ts';

const m = migration('m', [application('shop', { writes: ['orders'] })], { connectBack: 'connect-back' });
const set = cutSets(m)[0] as CutSet;
const ask = (key: string, toward: Side) => ({ m, c: context(key), set, toward });
const partitions = [0, 1];

class Journey {
  readonly w: FakeWorld;
  readonly work: Work;
  #step = 0;
  constructor(w = new FakeWorld()) {
    this.w = w;
    this.work = w.work();
    for (const c of [this.w.source, this.w.target]) c.topic('orders', 2);
  }
  on(side: Side) { return this.w[side]; }
  texts(side: Side): readonly (readonly string[])[] { return partitions.map((partition) => this.on(side).log({ topic: 'orders', partition }).records.map((r) => r.fingerprint)); }
  key(what: string): string { return `${what}-${++this.#step}`; }
  /** A new attempt toward that side; answers what was said. */
  async mirror(toward: Side, how: { readonly copying?: boolean } = {}): Promise<{ readonly name: string; readonly say: string; readonly connector: FakeMirror }> {
    const x = ask(this.key('mirror'), toward);
    const before = await this.work.captureMirror(x);
    const create = (): ReturnType<Work['createMirror']> => this.work.createMirror({ ...x, before });
    const { say } = await (how.copying === true ? this.w.whileCopying(toward, create) : create());
    return { ...before, say, connector: this.connector(before.name) };
  }
  connector(name: string): FakeMirror { return this.w.connectors.get(name) ?? assert.fail(`no connector ${name}`); }
  /** Drained, silenced, marked, confirmed, retired. */
  async cut(to: Side): Promise<void> {
    this.w.copy();
    const silence = ask(this.key('silence'), to);
    await this.work.silenceMirror({ ...silence, before: await this.work.captureSilence(silence) });
    await this.mark(to);
    await this.work.retireMirrors({ m, c: context(this.key('retire')), sets: [set], toward: to });
  }
  async mark(to: Side): Promise<number> {
    const x = { m, set, to, c: context(this.key('cut')) };
    const before = await this.work.captureCut(x);
    await this.work.markCut({ ...x, before });
    await this.work.lookCut({ m, set, to, c: looking(this.key('confirm'), { untilMs: Date.now() + 2_000, mode: 'outage' }) });
    return before.epoch;
  }
}
/** Three records copied, the cut made, two written natively on the target. */
async function opened(w = new FakeWorld()): Promise<Journey> {
  const j = new Journey(w);
  j.w.source.write('orders', 0, 'a', 'b', 'c');
  j.w.source.marker('orders', 0);
  await j.mirror('target');
  await j.cut('target');
  j.w.target.write('orders', 0, 'n1');
  j.w.target.write('orders', 1, 'n2');
  return j;
}

/** Answers are lost: the call with this number fails, before or after it did what it does. */
class FaultyWorld extends FakeWorld {
  failsAt = Infinity;
  when: 'before' | 'after' = 'before';
  calls = 0;
  override ports(): Ports {
    const all = super.ports();
    const faulty = <T extends object>(of: T): T => new Proxy(of, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return async (...args: readonly unknown[]): Promise<unknown> => {
          const fails = ++this.calls === this.failsAt;
          if (fails && this.when === 'before') throw new Failure('Unreachable', `lost before ${String(name)}`);
          const answer: unknown = await (value as (...a: readonly unknown[]) => unknown).apply(target, [...args]);
          if (fails) throw new Failure('Unreachable', `lost after ${String(name)}`);
          return answer;
        };
      },
    });
    return { ...all, mirrors: faulty(all.mirrors), ledger: faulty(all.ledger) };
  }
}

// Side by side: most of the time is the mirror being watched.
describe('mirrors behind a cut', { concurrency: true }, () => {
  test('there and back, there and back: each mirror goes on behind the cut before it, and every record is on both sides once and in order', async () => {
    const j = await opened();
    let wanted: string[][] = [['a', 'b', 'c', 'n1'], ['n2']];
    for (const [i, to] of (['source', 'target', 'source'] as const).entries()) {
      const { say, connector } = await j.mirror(to, { copying: true });
      assert.match(say, /behind cut .*in order/);
      assert.equal(connector.spec.connect, to === 'source' ? 'connect-back' : 'connect-new');
      await j.cut(to);
      assert.deepEqual(j.texts('source'), wanted, `after cut ${i + 2}`);
      assert.deepEqual(j.texts('target'), wanted, `after cut ${i + 2}`);
      for (const p of partitions) j.on(to).write('orders', p, `${to} ${i} ${p}`);
      wanted = wanted.map((of, p) => [...of, `${to} ${i} ${p}`]);
    }
    const epochs = [...j.w.source.entries].filter(([k]) => /\/cut\/orders\/\d+$/.test(k)).map(([, text]) => JSON.parse(text) as { epoch: number; to: Side; mirror: string });
    assert.deepEqual(epochs.map((e) => [e.epoch, e.to, e.mirror.replace(/-00000001-/, ' ')]), [
      [1, 'target', 'cutover-orders-fwd 1'], [2, 'source', 'cutover-orders-back 1'], [3, 'target', 'cutover-orders-fwd 2'], [4, 'source', 'cutover-orders-back 2']]);
  });

  test('seeded at the marked end of the authority; where that is 0 there is no entry', async () => {
    const j = new Journey();
    j.w.source.write('orders', 0, 'a');
    await j.mirror('target');
    await j.cut('target');
    const { connector, say } = await j.mirror('source');
    assert.deepEqual(connector.spec.seed.map((p) => [p.partition, p.offset]), [[0, 2n]]);
    assert.match(say, /nothing was written on new since cut 1.*copied nothing/);
  });

  test('a mirror copies only away from the authority', async () => {
    const j = new Journey();
    await assert.rejects(j.mirror('source'), (e: Error) => e.name !== '' && /until it is cut/.test(e.message));
    await j.mirror('target');
    await j.cut('target');
    await assert.rejects(j.mirror('target'), { type: 'Unsupported' });
    assert.equal(j.w.connectors.size, 0);
  });

  test('somebody wrote on the side written to since the cut: refused with who, where and how many; nothing is created', async () => {
    const j = await opened();
    j.w.source.write('orders', 1, 'straggler');
    await assert.rejects(j.mirror('source'), (e: Failure) => e.type === 'ForgottenWriter' && /orders\/1: 1 record at 0 to 0 by producer id 77/.test(e.message));
    assert.equal(j.w.connectors.size, 0);
  });

  test('a truncated or re-created log behind a cut is damage', async () => {
    const j = await opened();
    j.w.source.log({ topic: 'orders', partition: 0 }).next = 2n;
    await assert.rejects(j.mirror('source'), (e: Failure) => e.type === 'MirrorDamaged' && /truncated/.test(e.message));
    const again = await opened();
    again.w.target.topic('orders', 2);
    await assert.rejects(again.mirror('source'), (e: Failure) => e.type === 'MirrorDamaged' && /orders on cluster new is not what cut 1/.test(e.message));
  });

  test('tried again: while it runs nothing changes and that is said; stopped after it copied, its own records are no stranger\'s', async () => {
    const j = await opened();
    const { name, connector } = await j.mirror('source', { copying: true });
    const seeds = [...connector.next];
    const again = await j.work.createMirror({ ...ask('again', 'source'), before: { name } });
    assert.match(again.say, /was there and is RUNNING.*nothing was changed/);
    assert.deepEqual([...connector.next], seeds);
    connector.state = 'STOPPED';
    await j.work.createMirror({ ...ask('again', 'source'), before: { name } });
    assert.equal(connector.state, 'RUNNING');
    assert.deepEqual(j.texts('source'), j.texts('target'));
  });

  test('asked for again behind the same cut, as the way back does: it is the one that runs', async () => {
    const j = await opened();
    const first = await j.mirror('source', { copying: true });
    const again = await j.mirror('source');
    assert.equal(again.name, first.name);
    assert.match(again.say, /nothing was changed/);
    assert.equal(j.w.connectors.size, 1);
    await j.cut('source');
    assert.notEqual((await j.mirror('target')).name, first.name);
  });

  test('a mirror that copies what came from there is seen at once, and silenced', async () => {
    const j = await opened();
    const x = ask('mirror', 'source');
    const before = await j.work.captureMirror(x);
    const forget = (): void => { for (const c of j.w.connectors.values()) c.next.clear(); j.w.copy(); };
    await assert.rejects(j.w.whileCopying('source', () => j.work.createMirror({ ...x, before }), forget), (e: Failure) => e.type === 'MirrorDamaged' && /silenced/.test(e.message));
    assert.equal(j.connector(before.name).state, 'STOPPED');
    await assert.rejects(j.mirror('source'), (e: Failure) => e.type === 'MirrorDamaged' && /was not written/.test(e.message));
    assert.equal(j.connector(before.name).state, 'STOPPED', 'and it is not started again');
  });

  test('the mirror back is looked at like the one forward: what becomes of the target is its damage', async () => {
    const j = await opened();
    const { name } = await j.mirror('source', { copying: true });
    const look = () => j.work.lookCaughtUp({ m, c: looking(j.key('wait')), sets: [set], toward: 'source' });
    assert.equal((await look()).done, true);
    j.w.target.write('orders', 0, 'n3', 'n4', 'n5');
    j.w.target.trim('orders', 0, j.w.target.log({ topic: 'orders', partition: 0 }).next - 1n);
    await assert.rejects(look(), (e: Failure) => e.type === 'MirrorDamaged' && new RegExp(`Mirror ${name} .*orders/0 begins at \\d+ on new`).test(e.message));
  });

  test('never two directions at once', async () => {
    const j = await opened();
    j.w.connectors.set('other', new FakeMirror({ name: 'other', topics: ['orders'], connect: 'connect-new', from: 'old', to: 'new', seed: [] }));
    await assert.rejects(j.mirror('source'), { type: 'Drift' });
  });

  test('removed and made again behind the same cut: goes on where the removed one ended', async () => {
    const j = await opened();
    const first = await j.mirror('source', { copying: true });
    const removed = await j.work.removeMirror({ ...ask('undo', 'source'), before: { name: first.name } });
    assert.match(removed.say, /-1 is removed/);
    j.w.target.write('orders', 0, 'n3');
    await j.mirror('source', { copying: true });
    assert.deepEqual(j.texts('source'), [['a', 'b', 'c', 'n1', 'n3'], ['n2']]);
  });

  test('the undo of a creation removes whichever attempt of its direction is there, and none of the other', async () => {
    const j = await opened();
    await j.mirror('source', { copying: true });
    await j.cut('source');
    const second = await j.mirror('target');
    const first = `cutover-orders-fwd-${run.slice(-8)}-1`;
    assert.equal(second.name, first.replace(/1$/, '2'));
    assert.match((await j.work.removeMirror({ ...ask('undo', 'source'), before: { name: 'cutover-orders-back-00000001-1' } })).say, /was not there/);
    assert.match((await j.work.removeMirror({ ...ask('undo', 'target'), before: { name: first } })).say, /-2 is removed/);
    assert.equal(j.w.connectors.size, 0);
  });

  test('the target was removed and created anew after the way back: the whole log is copied again', async () => {
    const j = await opened();
    await j.mirror('source', { copying: true });
    await j.cut('source');
    j.w.target.topic('orders', 2);
    const { connector } = await j.mirror('target');
    assert.deepEqual(connector.spec.seed, []);
    j.w.copy();
    assert.deepEqual(j.texts('target'), j.texts('source'));
  });

  test('the target was created anew and fills while the mirror is watched: nothing is held against a cut of the log before it, also by a retry', async () => {
    const j = await opened();
    await j.mirror('source', { copying: true });
    await j.cut('source');
    j.w.source.write('orders', 0, 's1', 's2');
    j.w.target.topic('orders', 2);
    const first = await j.mirror('target', { copying: true });
    j.w.copy();
    assert.ok(j.texts('target').flat().length > 0, 'nothing was copied, so nothing was tried');
    const again = await j.work.createMirror({ ...ask('again', 'target'), before: { name: first.name } });
    assert.match(again.say, /was there and is RUNNING/);
    assert.deepEqual(j.texts('target'), j.texts('source'));
  });

  test('an undone silence is resumed in its own direction; a mirror that ran before a cut never is', async () => {
    const j = await opened();
    const back = await j.mirror('source', { copying: true });
    j.w.copy();
    const x = ask('silence', 'source');
    const before = await j.work.captureSilence(x);
    await j.work.silenceMirror({ ...x, before });
    await j.work.resumeMirror({ ...x, before });
    assert.equal(back.connector.state, 'RUNNING');
    for (const name of ['cutover-orders-fwd-00000001-1', 'cutover-orders-fwd-00000001-7'])
      await assert.rejects(j.work.resumeMirror({ ...ask('silence', 'target'), before: { name, writers: [] } }), (e: Failure) => e.type === 'Unsupported' && /cut 1/.test(e.message));
  });

  test('retired only by the cut that ended it', async () => {
    const j = await opened();
    await j.mirror('source', { copying: true });
    await assert.rejects(j.work.retireMirrors({ m, c: context('early'), sets: [set], toward: 'source' }), { type: 'MirrorStuck' });
    j.w.copy();
    const x = ask('silence', 'source');
    await j.work.silenceMirror({ ...x, before: await j.work.captureSilence(x) });
    await assert.rejects(j.work.retireMirrors({ m, c: context('early'), sets: [set], toward: 'source' }), (e: Failure) => e.type === 'MirrorDamaged' && /No cut of orders that ended mirror/.test(e.message));
    await j.mark('source');
    await j.work.retireMirrors({ m, c: context('retire'), sets: [set], toward: 'source' });
    assert.equal(j.w.connectors.size, 0);
  });

  test('dropped in one direction only', async () => {
    const j = await opened();
    await j.mirror('source', { copying: true });
    assert.match((await j.work.dropMirrors({ m, c: context('drop'), sets: [set], toward: 'target' })).say, /no mirror was left/);
    assert.match((await j.work.dropMirrors({ m, c: context('drop'), sets: [set], toward: 'source' })).say, /back-00000001-1 stopped and removed/);
  });

  test('the way back is proven by what was seen; what nobody could look at is called unknown', async () => {
    const j = new Journey();
    j.w.proof = { faults: [], shown: ['the worker takes it', 'mm2 may write'], unknown: ['whether mm2 may write the syncs topic'], principal: 'User:mm2' };
    const l = await j.work.lookWayBack({ m, c: looking('prove'), sets: [set] });
    assert.equal(l.done, true);
    assert.equal(l.say, 'the way back stands: mm2 may write; the worker takes it; unknown: whether mm2 may write the syncs topic.');
    assert.deepEqual(j.w.proved.map((s) => [s.connect, s.from, s.to, s.name]), [['connect-back', 'new', 'old', 'cutover-orders-back-00000001-check']]);
  });

  test('no way back: a missing right, a principal that the fence would shut out, no Connect worker named', async () => {
    const j = new Journey();
    j.w.proof = { faults: ['User:mm2 lacks WRITE on topic orders of old; grant it'], shown: [], unknown: [] };
    await assert.rejects(j.work.lookWayBack({ m, c: looking('prove'), sets: [set] }), (e: Failure) => e.type === 'MirrorStuck' && /lacks WRITE/.test(e.message));
    j.w.proof = { faults: [], shown: [], unknown: [], principal: 'User:shop' };
    await assert.rejects(j.work.lookWayBack({ m, c: looking('prove'), sets: [set] }), (e: Failure) => /the fence on old denies User:shop/.test(e.message));
    await assert.rejects(j.work.lookWayBack({ m: { ...m, connectBack: null }, c: looking('prove'), sets: [set] }), { type: 'BadMigration' });
  });

  test('whichever answer of Connect or the ledger is lost, a second try of each step comes out the same', async () => {
    const twice = async <T>(act: () => Promise<T>): Promise<T> => act().catch((e: Error) => (/lost (before|after)/.test(e.message) ? act() : Promise.reject(e)));
    const trial = async (failsAt: number, when: 'before' | 'after'): Promise<number> => {
      const w = new FaultyWorld();
      const j = await opened(w);
      [w.calls, w.failsAt, w.when] = [0, failsAt, when];
      const x = ask('mirror', 'source');
      const before = await twice(() => j.work.captureMirror(x));
      const copying = setInterval(() => { w.copy(); }, 20);
      await twice(() => j.work.createMirror({ ...x, before }));
      clearInterval(copying);
      w.copy();
      const [silence, mark] = [ask('silence', 'source'), { m, set, to: 'source' as const, c: context('cut-2') }];
      const silenced = await twice(() => j.work.captureSilence(silence));
      await twice(() => j.work.silenceMirror({ ...silence, before: silenced }));
      const epoch = await twice(() => j.work.captureCut(mark));
      await twice(() => j.work.markCut({ ...mark, before: epoch }));
      await twice(() => j.work.lookCut({ m, set, to: 'source', c: looking('confirm') }));
      await twice(() => j.work.retireMirrors({ m, c: context('retire'), sets: [set], toward: 'source' }));
      assert.deepEqual(j.texts('source'), [['a', 'b', 'c', 'n1'], ['n2']], `${when} call ${failsAt}`);
      assert.deepEqual(j.texts('target'), j.texts('source'), `${when} call ${failsAt}`);
      assert.equal(w.connectors.size, 0);
      assert.deepEqual(epoch, { epoch: 2 });
      return w.calls;
    };
    const calls = await trial(Infinity, 'before');
    assert.ok(calls > 20);
    await Promise.all(Array.from({ length: calls }, (_x, n) => [trial(n + 1, 'before'), trial(n + 1, 'after')]).flat());
  });
});
