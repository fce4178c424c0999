/** A topic on two clusters that takes turns: mirrors, cuts, and one group that is asked where it goes on. */
import assert from 'node:assert/strict';
import type { Work } from '../../src/activities/work.ts';
import type { Side } from '../../src/domain/authority.ts';
import { cutSets } from '../../src/domain/cutsets.ts';
import type { Migration } from '../../src/domain/migration.ts';
import type { Claim, Repeats } from '../../src/domain/scheme.ts';
import { application, migration } from '../fakes/migrations.ts';
import { context, FakeMirror, FakeWorld, run } from './fake-ports.ts';

export const m = migration('m', [application('shop', { writes: ['orders'] }), application('billing', { reads: { billing: ['orders'] } })], { connectBack: 'connect-back' });
export const copyless = { ...m, connect: null };
export const set = cutSets(m)[0] ?? assert.fail();
export const groups = ['billing'];
export const ask = (to: Side, n: number) => ({ m, c: context(`positions-${n}`), groups, to, how: 'translated' as const, before: {} });

export interface Scene { readonly w: FakeWorld; readonly work: Work }
export function scene(): Scene {
  const w = new FakeWorld();
  for (const c of [w.source, w.target]) c.topic('orders', 2);
  return { w, work: w.work() };
}
let written = 0;
export const write = (w: FakeWorld, side: Side, count: number): void => {
  for (let i = 0; i < count; i++) {
    w[side].write('orders', 0, `r${++written}`);
    if (written % 3 === 0) w[side].marker('orders', 0);
  }
};
/** A mirror as Connect has it, begun at the present end of what was copied before. */
export function mirror(w: FakeWorld, toward: Side, number: number): FakeMirror {
  const [from, to] = toward === 'target' ? [w.source, w.target] : [w.target, w.source];
  const seed = written > 0 && number > 0 && from.log({ topic: 'orders', partition: 0 }).records.length > 0 && to.log({ topic: 'orders', partition: 0 }).records.length > 0
    ? [{ topic: 'orders', partition: 0, offset: from.log({ topic: 'orders', partition: 0 }).next, metadata: '' }] : [];
  const made = new FakeMirror({ connect: toward === 'target' ? 'connect-new' : 'connect-back', name: `cutover-orders-${toward === 'target' ? 'fwd' : 'back'}-${run.slice(-8)}-${number}`, from: from.name, to: to.name, topics: ['orders'], seed });
  w.connectors.set(made.spec.name, made);
  w.source.entries.set(`mirrors/${made.spec.name}`, '{}');
  return made;
}
/** Ten records on the source, and their copies. */
export function mirrored(): Scene {
  const s = scene();
  mirror(s.w, 'target', 1);
  write(s.w, 'source', 10);
  s.w.copy();
  return s;
}
/** Silenced, marked, and removed as after an opening; without `mirrored` nothing was copied. */
export async function cut({ w, work }: Scene, to: Side, o: { readonly epoch: number; readonly mirrored: boolean; readonly of?: Migration }): Promise<void> {
  const x = { m: o.of ?? m, set, toward: to };
  if (o.mirrored) {
    w.copy();
    const c = context(`silence-${o.epoch}`);
    await work.silenceMirror({ ...x, c, before: await work.captureSilence({ ...x, c }) });
  }
  const c = context(`cut-${o.epoch}`);
  const y = { m: x.m, c, set, to };
  await work.markCut({ ...y, before: await work.captureCut(y) });
}
export async function retire({ w, work }: Scene, toward: Side): Promise<void> {
  for (const one of w.connectors.values()) for (const [key, log] of [['orders/0', w.cluster(one.spec.from).log({ topic: 'orders', partition: 0 })]] as const) { const last = log.records.at(-1); if (last) one.next.set(key, last.offset + 1n); }
  await work.retireMirrors({ m, c: context('retire'), sets: [set], toward });
}
/** The claims about positions at the hold that comes before consumers move. */
export async function provable(s: Scene, mayRepeat: Repeats): Promise<readonly Claim[]> {
  const inventory = { clusterIds: { source: 'east', target: 'west' }, topics: [{ name: 'orders', id: 'east-orders', partitions: 2 }], groups, authorizer: { source: 'none', target: 'none' } } as const;
  const { claims } = await s.work.evidence({ m, c: { ...context('evidence'), mayRepeat }, inventory, about: { kind: 'move', applications: ['billing'], sets: [set], copies: true } });
  return claims.filter((c) => c.text.includes('billing') && /proven|again/.test(c.text));
}
export const at = (w: FakeWorld, side: Side, group: string): string => {
  const position = BigInt(w[side].placed(group)['orders/0'] ?? -1);
  return w[side].log({ topic: 'orders', partition: 0 }).records.find((r) => r.offset >= position)?.fingerprint ?? 'end';
};
export const place = (w: FakeWorld, side: Side, index: number): string => {
  const { records, next } = w[side].log({ topic: 'orders', partition: 0 });
  const record = records.at(index);
  w[side].place('billing', 'orders', 0, record?.offset ?? next);
  w[side].place('billing', 'orders', 1, 0n);
  return record?.fingerprint ?? 'end';
};
