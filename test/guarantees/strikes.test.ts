/** Strikes at what several migrations share. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Broken, Company } from './company.ts';
import type { FaultName } from './faults.ts';
import { Strikes, type Chosen } from './strikes.ts';
import type { Reach } from './volley.ts';

const reach = (step: string, at: number, fault: FaultName = 'kill worker'): Reach =>
  ({ row: { scheme: 'blueGreen', way: 'forward', step, fault }, place: { way: 'forward', step, unit: 'cut', awaited: { includes: step, mode: 'outage', activity: null } }, at });

function rehearsed() {
  const heard: string[] = [];
  let mend = (): void => undefined;
  const mended = new Promise<void>((resolve) => { mend = resolve; });
  const chosen = (leadMs: number | null, what = 'hit') => (): Chosen => ({ leadMs, strike: { hit: async () => { heard.push(what); }, mend: () => mended, who: () => 'worker' } });
  return { heard, mend: () => { mend(); }, chosen };
}

test('whoever comes to its step while others are awaited is struck with them, once; nobody is afterwards, until it is mended', async () => {
  const { heard, mend, chosen } = rehearsed();
  const strikes = new Strikes(2);
  const of = [[reach('stop', 0)], [reach('fence', 1), reach('open', 9, 'pause worker')]];
  strikes.enter(0, { reach: () => of[0] ?? [], leads: false, isLast: () => false });
  assert.equal(strikes.aimOf(0), null, 'not before all are here');
  strikes.enter(1, { reach: () => of[1] ?? [], leads: false, isLast: () => false });
  const [a, b] = [strikes.aimOf(0), strikes.aimOf(1)];
  assert.ok(a && b);
  assert.deepEqual([a.row.step, b.row.step], ['stop', 'fence']);
  const first = strikes.arrive(0, a, chosen(null), () => { heard.push('first goes'); });
  const second = strikes.arrive(1, b, chosen(20, 'drawn in vain'), () => { heard.push('second goes'); });
  assert.ok(first);
  assert.deepEqual([second?.strike, second?.struck], [first.strike, first.struck]);
  of.splice(0, 2, [], of[1] ?? []);
  await first.struck;
  assert.deepEqual(heard, ['hit', 'first goes', 'second goes'], 'before the step of either, as the first one drew it');
  assert.equal(strikes.arrive(1, b, chosen(null), () => { heard.push('late'); }), null);
  mend();
  await strikes.calm();
  assert.deepEqual([strikes.aimOf(0), strikes.aimOf(1)?.row.step, strikes.count], [null, 'fence', 1], 'and then at what is left');
  strikes.leave(1);
  assert.equal(strikes.aimOf(1), null);
});

test('a strike into a step lets it begin first, and waits no longer than it may for one that does not come', async () => {
  const { heard, mend, chosen } = rehearsed();
  const strikes = new Strikes(2);
  strikes.enter(0, { reach: () => [reach('stop', 0)], leads: false, isLast: () => false });
  strikes.enter(1, { reach: () => [reach('fence', 1)], leads: false, isLast: () => false });
  const [a, b] = [strikes.aimOf(0), strikes.aimOf(1)];
  assert.ok(a && b);
  const joint = strikes.arrive(0, a, chosen(5), () => { heard.push('goes'); });
  await joint?.struck;
  assert.deepEqual(heard, ['goes', 'hit']);
  assert.equal(strikes.arrive(1, b, chosen(null), () => { heard.push('late'); }), null);
  mend();
});

test('an application is struck in each migration by itself, all at once; what happened in one concerns no other', async () => {
  const { heard, mend, chosen } = rehearsed();
  const strikes = new Strikes(2);
  strikes.enter(0, { reach: () => [reach('stop', 0, 'kill application')], leads: false, isLast: () => false });
  strikes.enter(1, { reach: () => [reach('fence', 1, 'kill application')], leads: false, isLast: () => false });
  const [a, b] = [strikes.aimOf(0), strikes.aimOf(1)];
  assert.ok(a && b);
  const first = strikes.arrive(0, a, chosen(null, 'hit in one'), () => { heard.push('first goes'); });
  const second = strikes.arrive(1, b, chosen(20, 'hit in the other'), () => { heard.push('second goes'); });
  await Promise.all([first?.struck, second?.struck]);
  assert.deepEqual(heard, ['hit in one', 'hit in the other', 'first goes', 'second goes']);
  mend();
  await first?.mended;
  assert.deepEqual([0, 1, 2].map((member) => strikes.past(0, member).map((p) => p.strike)), [[first?.strike], [second?.strike], []]);
  assert.deepEqual([strikes.count, strikes.past(1, 0)], [1, []]);
});

test('on the way to the first volley whoever is early waits for the others; whoever is at its step is there', async () => {
  const { chosen } = rehearsed();
  const strikes = new Strikes(2);
  strikes.enter(0, { reach: () => [reach('stop', 1)], leads: false, isLast: () => false });
  strikes.enter(1, { reach: () => [reach('prepare', 0)], leads: false, isLast: () => false });
  let gone = false;
  const early = strikes.muster(0).then(() => { gone = true; });
  await Promise.resolve();
  assert.equal(gone, false);
  const aim = strikes.aimOf(1);
  assert.ok(aim);
  strikes.arrive(1, aim, chosen(null), () => undefined);
  await early;
  strikes.leave(0);
  strikes.leave(1);
});

test('what could not be mended is heard by all that were struck, and the next strike is free', async () => {
  const strikes = new Strikes(1);
  strikes.enter(0, { reach: () => [reach('stop', 0)], leads: false, isLast: () => false });
  const aim = strikes.aimOf(0);
  assert.ok(aim);
  const joint = strikes.arrive(0, aim, () => ({ leadMs: null, strike: { hit: async () => undefined, mend: () => Promise.reject(new Error('it does not start')), who: () => 'worker' } }), () => undefined);
  await assert.rejects(joint?.mended ?? Promise.resolve(), /does not start/);
  assert.ok(strikes.aimOf(0));
});

test('those that are held up go on together, once the others are held up or at the hold; or when it takes too long', async () => {
  const heard: string[] = [];
  const company = new Company(3);
  const rally = (member: number, withinMs = 60_000): Promise<unknown> => company.rally(member, withinMs, () => { heard.push(`${member} set`); }).then(() => { heard.push(`${member} goes`); });
  const [a, b] = [rally(0), rally(1)];
  await Promise.resolve();
  assert.deepEqual(heard, []);
  const hold = company.meet(2, 'at the hold');
  await Promise.all([a, b]);
  assert.deepEqual(heard.splice(0), ['0 set', '1 set', '0 goes', '1 goes']);
  await rally(1, 5);
  assert.deepEqual(heard, ['1 set', '1 goes']);
  const held = assert.rejects(Promise.all([rally(0), hold]), Broken);
  company.break(new Error('the stack is gone'));
  await held;
});
