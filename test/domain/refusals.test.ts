/** Why a migration is not begun: every kind of reason in one message, by the workflow as by `cutover plan`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { planOffline } from '../../src/cli/plan.ts';
import { Failure } from '../../src/domain/failures.ts';
import { cutsOf, type Migration } from '../../src/domain/migration.ts';
import { parseMigration } from '../../src/domain/parse-migration.ts';
import { refuseUnsafe } from '../../src/workflows/migrate.ts';
import { bind, unbound } from '../../src/workflows/resources/use.ts';
import { schemes, type SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { application, demo, greened, loop, migration, ownReader, quietLoop } from '../fakes/migrations.ts';

/** What the workflow says before it begins; `null`: it begins. */
function told(given: Migration, scheme: SchemeName): string | null {
  const m = { ...given, ...cutsOf(scheme) };
  try {
    refuseUnsafe(m, schemes[scheme](m, () => true, bind({ work: unbound, m, inventory: null, owner: 'test', has: () => true })));
  } catch (error) {
    assert.ok(error instanceof Failure && error.type === 'BadMigration', String(error));
    return error.message;
  }
  return null;
}
const offline = (m: Migration, scheme: SchemeName): string => planOffline({ ...m, ...cutsOf(scheme) }, scheme).faults.join('\n');
/** Nobody writes one topic, another is a loop, and an application tolerates less than it would get. */
const everything: Migration = {
  ...ownReader, topics: [...ownReader.topics, 'orphan'],
  applications: ownReader.applications.map((a) => ({ ...a, tolerates: { loss: false, repeats: false, disorder: false, writeOutageMs: 100 } })),
};

test('refused: what is not tolerated, who writes nothing and what never runs dry are told in one message', () => {
  for (const said of [told(everything, 'stopWaitRestart') ?? '', offline(everything, 'stopWaitRestart')]) {
    assert.match(said, /^stopWaitRestart .*cannot keep what the applications tolerate; nothing was written\.\n- \w+ tolerates 100 ms/);
    assert.match(said, /\nNo declared application writes orphan: declare the writers, or leave these topics out\.\n/);
    assert.match(said, /\nretries is a loop \(work reads and writes it\)/);
  }
});
for (const scheme of ['producerFirst', 'dualConsume', 'stopWaitRestart', 'blueGreen'] as const) for (const m of [loop, ownReader]) test(`refused: ${m.name} by ${scheme} in plain words, once`, () => {
  const given = scheme === 'blueGreen' ? greened(m) : m;
  for (const said of [told(given, scheme) ?? '', offline(given, scheme)]) {
    assert.match(said, m === loop ? /^ping is a loop \(ping-pong, pong-ping read and write it\); pong is a loop / : /^retries is a loop \(work reads and writes it\), and /);
    assert.match(said, scheme === 'producerFirst' || scheme === 'dualConsume' ? /"quiet" is of no help here: choose stopRestartRepeat/ : /Declare how long it must bring nothing new, such as "quiet"/);
    assert.doesNotMatch(said, /reads-what-comes|breaks/);
  }
});
test('refused: a declared silence does not make a loop dry where nothing is copied', () => {
  assert.match(told(quietLoop, 'dualConsume') ?? '', /^ping is a loop /);
  assert.equal(told(quietLoop, 'stopWaitRestart'), null);
});
test('refused: what is no loop is told beside it, in the words of the safety model', () => {
  const m = migration('both', [
    application('feed', { writes: ['a', 'b', 'c'] }), application('work', { writes: ['b'], reads: { work: ['b', 'c'] } }),
  ]);
  assert.match(told(m, 'producerFirst') ?? '', /^b is a loop [^\n]*\nThe plan breaks the safety model [^\n]*\n- reads-what-comes: [^\n]* drained c on source/);
});
const fallback: Migration = { ...demo, connect: 'c', applications: demo.applications.map((a) => ({ ...a, reads: a.reads.map((r) => ({ ...r, start: 'timestamp' as const })) })) };
for (const scheme of ['producerFirst', 'dualConsume'] as const) test(`refused: ${scheme} copies nothing by whose timestamp a group could begin, also where "connect" is named; what has begun with it is still read`, () => {
  const paths = fallback.applications.flatMap((a, i) => a.reads.map((_r, j) => `applications[${i}].reads[${j}].start: is "timestamp", and ${scheme} copies nothing, also where "connect" is named: nothing on the target bears the timestamps of what is unread. Leave it out.`));
  assert.equal(offline(fallback, scheme), paths.join('\n'));
  // `recover` and `reconcile` parse the input that it began with.
  assert.equal(parseMigration(fallback, scheme).applications.flatMap((a) => a.reads)[0]?.start, 'timestamp');
});
test('refused: not by a scheme that copies', () => {
  for (const scheme of ['stopRestartRepeat', 'consumerFirst', 'stopWaitRestart', 'restartAllAtOnce'] as const) assert.equal(offline(fallback, scheme), '', scheme);
});
test('refused: nothing, where nothing is wrong', () => {
  assert.equal(told(demo, 'stopRestartRepeat'), null);
  assert.equal(offline(demo, 'stopRestartRepeat'), '');
});
