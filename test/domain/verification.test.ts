/** What may be given to `cutover verify` as a file: a whole migration, also that of any scheme and of a wave. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { Failure } from '../../src/domain/failures.ts';
import { migrationFields, parseMigration } from '../../src/domain/parse-migration.ts';
import { parseVerification } from '../../src/domain/verification.ts';

const example: unknown = JSON.parse(readFileSync(new URL('../../examples/migration.json', import.meta.url), 'utf8'));
const told = (input: unknown): string => {
  try {
    parseVerification(input);
  } catch (error) {
    assert.ok(error instanceof Failure && error.type === 'BadMigration', String(error));
    return error.message;
  }
  return 'accepted';
};

test('verification: the example of a migration is taken as it stands, and as every scheme has parsed it', () => {
  const { source, target, topics } = parseVerification(example);
  assert.deepEqual([source, target, topics], ['east', 'west', ['shop.orders', 'shop.payments', 'shop.invoices.*']]);
  for (const scheme of ['stopRestartRepeat', 'stopWaitRestart', 'dualConsume', 'blueGreen']) assert.equal(told(parseMigration(example, scheme)), 'accepted', scheme);
});
test('verification: no field of a migration is unknown to it', () => {
  const pair = { source: 'east', target: 'west', topics: ['orders'] };
  for (const field of [...migrationFields, 'estate']) if (!['source', 'target', 'topics', 'limits'].includes(field)) assert.equal(told({ ...pair, [field]: {} }), 'accepted', field);
});
test('verification: a faulty one is told what to do about a comparison, not about a migration', () => {
  assert.equal(told({ source: 'east', target: 'west', topic: ['orders'] }), [
    'The verification has 2 faults:',
    '- topic: is not a field of a verification (source, target, topics, rate, cap, live, limits). Did you mean "topics"?',
    '- topics: is missing; it must list topics or patterns.',
    'Correct what is named and compare again; nothing was read.'].join('\n'));
  assert.match(told(null), /^The verification has a fault:\n.*\nCorrect what is named and compare again; nothing was read\.$/);
});
