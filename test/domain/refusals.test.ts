/** Why a migration is not begun: every kind of reason in one message, by the workflow as by `cutover plan`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { planOffline } from '../../src/cli/plan.ts';
import { Failure } from '../../src/domain/failures.ts';
import { cutsOf, type Migration } from '../../src/domain/migration.ts';
import { refuseUnsafe } from '../../src/workflows/migrate.ts';
import { bind, unbound } from '../../src/workflows/resources/use.ts';
import { schemes, type SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { demo, ownReader } from '../fakes/migrations.ts';

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
test('refused: nothing, where nothing is wrong', () => {
  assert.equal(told(demo, 'stopRestartRepeat'), null);
  assert.equal(offline(demo, 'stopRestartRepeat'), '');
});
