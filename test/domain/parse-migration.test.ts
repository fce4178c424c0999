/** What a person may type as a migration, and the whole message each mistake is answered with. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import fc from 'fast-check';
import { cutSets } from '../../src/domain/cutsets.ts';
import { Failure } from '../../src/domain/failures.ts';
import { expand, matches, parseMigration } from '../../src/domain/parse-migration.ts';

const good = {
  name: 'shop', source: 'east', target: 'west', connect: 'west-connect', topics: ['orders', 'shop.*'],
  applications: [
    { name: 'shop', fleet: 'shop', writes: ['orders'] },
    { name: 'billing', fleet: 'billing', reads: [{ group: 'billing', topics: ['orders'] }], writes: ['shop.invoices'] },
  ],
  outage: { budgetMs: 10_000 },
};
const withApplication = (application: unknown): unknown => ({ ...good, applications: [application] });
const refusal = (input: unknown, scheme = 'stopRestartRepeat'): string => {
  try {
    parseMigration(input, scheme);
  } catch (error) {
    assert.ok(error instanceof Failure && error.type === 'BadMigration', String(error));
    return error.message;
  }
  return 'accepted';
};
const told = (...faults: readonly string[]): string =>
  `The migration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((f) => `- ${f}\n`).join('')}Correct the migration and start it again.`;
const allFields = 'name, source, target, connect, connectBack, topics, applications, batches, groups, cuts, quiet, outage, limits, blueGreen';
const noSecrets = 'A migration is kept in Temporal in clear: credentials belong into the catalog of the worker, as env: or file:.';

const refused: readonly (readonly [string, unknown, ...string[]])[] = [
  ['nothing at all', undefined, `Nothing was given; it must be one JSON object with ${allFields}.`],
  ['null', null, `It is null; it must be one JSON object with ${allFields}.`],
  ['a list', [good], `It is a list; it must be one JSON object with ${allFields}.`],
  ['JSON inside a text', JSON.stringify(good), `It is a text that holds JSON; it must be one JSON object with ${allFields}. Take away the quotes around it.`],
  ['an empty object', {},
    'name: is missing; it must be the name of the migration.',
    'source: is missing; it must be a cluster of the catalog.',
    'target: is missing; it must be a cluster of the catalog.',
    'connect: is missing; stopRestartRepeat copies records and needs a Connect worker of the catalog that runs the mirror.',
    'topics: is missing; it must list topics or patterns.',
    'applications: is missing; it must list applications.',
    'outage: is missing; it must say the longest write outage you accept, such as {"budgetMs": 10000}.'],
  ['a second set with everything wrong', { ...good, blueGreen: { fleets: { A: 'green', b: 'x y' }, until: 'mute', traffic: 'traffic', valdate: 'v' } },
    'blueGreen.valdate: is not a field of a blue/green switch (fleets, until, traffic, live, validate). Did you mean "validate"?',
    'blueGreen.until: must be one of "muted", "shadow", "doubling"; it is "mute". Did you mean "muted"?',
    'blueGreen.fleets.b: must be a fleet of the catalog (letters, digits, ".", "_" and "-"); it is "x y".',
    'blueGreen.fleets: "A" is none of the applications ("shop", "billing").',
    'blueGreen.fleets: "b" is none of the applications ("shop", "billing").',
    'blueGreen.fleets: lacks "shop", "billing": every application needs a second set, or it would be left behind by the switch.',
    'blueGreen.live: is missing; green is muted until the switch, and a hook of the catalog must say and end it.'],
  ['an unknown field, mistyped', { ...good, topcis: [] }, `topcis: is not a field of a migration (${allFields}). Did you mean "topics"?`],
  ['an unknown field deep inside', withApplication({ name: 'a', fleet: 'f', reads: [{ group: 'g', topics: ['orders'], isolationLevel: 'x' }] }),
    'applications[0].reads[0].isolationLevel: is not a field of a reading (group, topics, isolation, mayRepeat, start, mayLose). Did you mean "isolation"?'],
  ['a field called __proto__', JSON.parse(`{"__proto__": {}, ${JSON.stringify(good).slice(1)}`), `__proto__: is not a field of a migration (${allFields}).`],
  ['a name with capitals', { ...good, name: 'Shop' }, 'name: must be the name of the migration (lower-case letters, digits and inner dashes); it is "Shop".'],
  ['a name with a slash', { ...good, name: 'a/b' }, 'name: must be the name of the migration (lower-case letters, digits and inner dashes); it is "a/b".'],
  ['a name that is too long', { ...good, name: 'x'.repeat(101) }, 'name: has 101 characters; at most 100 are taken.'],
  ['the same source and target', { ...good, target: 'east' }, 'target: source and target are both "east"; a migration needs two clusters.'],
  ['no Connect worker', { ...good, connect: null }, 'connect: is missing; stopRestartRepeat copies records and needs a Connect worker of the catalog that runs the mirror.'],
  ['no topics', { ...good, topics: [] }, 'topics: lists nothing; wanted: topics or patterns, at least 1.'],
  ['topics as one text', { ...good, topics: 'orders' }, 'topics: must be a list of topics or patterns; it is "orders".'],
  ['a topic that is a number', { ...good, topics: ['orders', 'shop.*', 7] }, 'topics[2]: must be a topic or a pattern; it is 7.'],
  ['a topic twice', { ...good, topics: ['orders', 'shop.*', 'orders'] }, 'topics[2]: topic "orders" is there already, at topics[0].'],
  ['an illegal topic', { ...good, topics: ['orders', 'shop.*', 'a b'] }, 'topics[2]: "a b" is no topic name; wanted letters, digits, ".", "_", "-", and "*" for any run of characters.'],
  ['a topic longer than Kafka allows', { ...good, topics: ['orders', 'shop.*', 'x'.repeat(250)] }, 'topics[2]: has 250 characters; a topic has at most 249.'],
  ['a topic MirrorMaker would rename', { ...good, topics: ['orders', 'shop.*', 'app-heartbeats'] },
    'topics[2]: "app-heartbeats" ends with "heartbeats": MirrorMaker takes it for a topic of its own and renames it. Leave it out, or copy it by hand.'],
  ['internal topics', { ...good, topics: ['orders', 'shop.*', '__consumer_offsets', '__*'] },
    'topics[2]: "__consumer_offsets" is an internal topic; each cluster keeps its own. Leave it out.',
    'topics[3]: "__*" is an internal topic; each cluster keeps its own. Leave it out.'],
  ['no applications', { ...good, applications: [] }, 'applications: lists nothing; wanted: applications, at least 1.'],
  ['an application that runs on nothing and consumes nothing', withApplication({ name: 'idle', fleet: 'f', writes: [], reads: [] }),
    'applications[0]: "idle" reads nothing and writes nothing. Say what it does in "writes" or "reads", or leave it out.'],
  ['an application without a fleet', withApplication({ name: 'a', writes: ['orders'] }), 'applications[0].fleet: is missing; it must be a fleet of the catalog.'],
  ['an application that is a text', withApplication('shop'), 'applications[0]: must be an application with name, fleet, writes, reads, principals, transactionalIds, tolerates; it is "shop".'],
  ['two applications of one name', { ...good, applications: [good.applications[0], good.applications[0]] }, 'applications[1].name: application "shop" is there already, at applications[0].name.'],
  ['one group twice in an application', withApplication({ name: 'a', fleet: 'f', reads: [1, 2].map(() => ({ group: 'g', topics: ['orders'] })) }),
    'applications[0].reads[1].group: group "g" is there already, at applications[0].reads[0].group.'],
  ['one group in two applications that say different things of it',
    { ...good, applications: [{ isolation: 'read_committed', mayRepeat: 5 }, {}].map((more, i) => ({ name: `a${i}`, fleet: 'f', reads: [{ group: 'g', topics: ['orders'], ...more }] })) },
    'applications[1].reads[0].isolation: differs from applications[0].reads[0].isolation, and both are group "g": what is said of a group is said alike by all its applications.',
    'applications[1].reads[0].mayRepeat: differs from applications[0].reads[0].mayRepeat, and both are group "g": what is said of a group is said alike by all its applications.'],
  ['a group without topics', withApplication({ name: 'a', fleet: 'f', reads: [{ group: 'g' }] }), 'applications[0].reads[0].topics: is missing; it must list topics or patterns.'],
  ['tolerances that are no tolerances', withApplication({ name: 'a', fleet: 'f', writes: ['orders'], tolerates: { loss: 'no', order: true, readOutageMs: -1 } }),
    'applications[0].tolerates.order: is not a field of what is tolerated (loss, repeats, disorder, writeOutageMs, readOutageMs).',
    'applications[0].tolerates.loss: must be true or false; it is "no".',
    'applications[0].tolerates.readOutageMs: must be a whole number of ms from 0 to 2592000000; it is -1.'],
  ['an isolation that does not exist', withApplication({ name: 'a', fleet: 'f', reads: [{ group: 'g', topics: ['orders'], isolation: 'read-committed' }] }),
    'applications[0].reads[0].isolation: must be one of "read_committed", "read_uncommitted"; it is "read-committed". Did you mean "read_committed"?'],
  ['topics outside the migration', withApplication({ name: 'a', fleet: 'f', writes: ['payments', 'orders*'], reads: [{ group: 'g', topics: ['shop.x', 'shops'] }] }),
    'applications[0].writes[0]: "payments" is not covered by "topics". Add it there: an application moves with all topics it uses.',
    'applications[0].writes[1]: the pattern "orders*" is not covered by "topics". Add it there: an application moves with all topics it uses.',
    'applications[0].reads[0].topics[1]: "shops" is not covered by "topics". Add it there: an application moves with all topics it uses.'],
  ['a principal without its type', withApplication({ name: 'a', fleet: 'f', writes: ['orders'], principals: ['shop'] }), 'applications[0].principals[0]: must be a principal (such as User:shop); it is "shop".'],
  ['a group that moves and is left', { ...good, groups: { billing: 'leave' } },
    'groups["billing"]: the group moves with its application (applications[1].reads[0].group); it cannot also be left or abandoned. Take it out here.'],
  ['a group policy that does not exist', { ...good, groups: { old: 'move' } }, 'groups.old: must be one of "leave", "abandon"; it is "move".'],
  ['a budget of zero', { ...good, outage: { budgetMs: 0 } }, 'outage.budgetMs: must be a whole number of ms from 1000 to 3600000; it is 0.'],
  ['a negative budget', { ...good, outage: { budgetMs: -1 } }, 'outage.budgetMs: must be a whole number of ms from 1000 to 3600000; it is -1.'],
  ['a budget in quotes', { ...good, outage: { budgetMs: '5000' } }, 'outage.budgetMs: must be a whole number of ms from 1000 to 3600000; it is "5000".'],
  ['a budget eaten by its reserve', { ...good, outage: { budgetMs: 3_000, undoReserveMs: 2_800 } },
    'outage: a budget of 3000 ms less the undo reserve of 2800 ms leaves 200 ms for the cut; at least 500 ms are needed. Raise budgetMs or lower undoReserveMs.'],
  ['a limit out of bounds and one that does not exist', { ...good, limits: { startMs: 10, lag: 5 } },
    'limits.lag: is not a field of limits (lagRecords, startMs, stopMs, stuckMs, historyEvents).',
    'limits.startMs: must be a whole number of ms from 1000 to 3600000; it is 10.'],
  ['a password, without repeating it', { ...good, password: 'hunter2' }, `password: looks like a credential. ${noSecrets}`],
  ['a password deep in something unknown', { ...good, sasl: { login: { 'api-key': 'hunter2', hosts: ['x', 'ana:hunter2@broker:9092'] } } },
    `sasl: is not a field of a migration (${allFields}).`,
    `sasl.login.api-key: looks like a credential. ${noSecrets}`,
    `sasl.login.hosts[1]: looks like a login. ${noSecrets}`],
  ['a login where a name belongs', { ...good, source: 'ana:hunter2@broker' }, `source: looks like a login. ${noSecrets}`],
  ['three megabytes of text', { ...good, name: 'x'.repeat(3_000_000) }, `The migration has ${JSON.stringify({ ...good, name: '' }).length + 3_000_000} characters of JSON; at most 131072 are taken. Name topics by patterns such as "shop.*", or split it.`],
];
for (const [situation, applications, ...faults] of [
  ['null', null, 'applications: must be a list of applications; it is null.'],
  ['an object', { shop: {} }, 'applications: must be a list of applications; it is an object.'],
  ['without a name among them', [{ fleet: 'f', writes: ['orders'] }], 'applications[0].name: is missing; it must be the name of an application.'],
] as const) test(`migration refused: applications that are ${situation} are told once, not again for each of their second sets and batches`, () => {
  const second = { fleets: { shop: 'shop-green', billing: 'billing-green' }, until: 'muted', traffic: 'traffic', live: 'live' };
  assert.equal(refusal({ ...good, applications, blueGreen: second }, 'blueGreen'), told(...faults));
  assert.equal(refusal({ ...good, applications, batches: [['shop'], ['billing']] }, 'consumerFirst'), told(...faults));
});
for (const [situation, input, ...faults] of refused)
  test(`migration refused: ${situation}`, () => {
    const message = refusal(input);
    assert.equal(message, told(...faults));
    assert.doesNotMatch(message, /hunter2/);
  });

test('migration refused: a value that refers to itself', () => {
  const cycle: Record<string, unknown> = { ...good };
  cycle['limits'] = cycle;
  assert.equal(refusal(cycle), told('The migration cannot be read as JSON: it refers to itself or holds a value that JSON has not.'));
});

test('migration refused: so many faults that they do not fit are counted, and the message stays below 3,500 characters', () => {
  const message = refusal({ ...good, topics: Array.from({ length: 500 }, (_, i) => `no topic ${i}`) });
  assert.ok(message.length < 3_500);
  assert.match(message, /^The migration has 500 faults:\n/);
  assert.match(message, /\n- and \d+ more; correct these first\.\nCorrect the migration and start it again\.$/);
});

test('migration accepted: what was not said gets its default', () => {
  assert.deepEqual(parseMigration(good, 'stopRestartRepeat'), {
    name: 'shop', source: 'east', target: 'west', connect: 'west-connect', connectBack: null, topics: ['orders', 'shop.*'],
    applications: [
      { name: 'shop', fleet: 'shop', writes: ['orders'], reads: [], principals: [], transactionalIds: [] },
      { name: 'billing', fleet: 'billing', writes: ['shop.invoices'], reads: [{ group: 'billing', topics: ['orders'], isolation: 'read_uncommitted' }], principals: [], transactionalIds: [] },
    ],
    groups: {},
    outage: { budgetMs: 10_000, undoReserveMs: 2_500 },
    limits: { lagRecords: 1_000, startMs: 120_000, stopMs: 120_000, stuckMs: 120_000, historyEvents: 2_000 },
  });
});
test('migration accepted: a scheme that copies nothing needs no Connect worker', () => {
  const { connect: _, ...rest } = good;
  assert.equal(parseMigration(rest, 'producerFirst').connect, null);
});
test('migration accepted: group names and principals that only look like credentials', () => {
  const m = parseMigration({ ...good, groups: { 'token-refresher': 'leave', password: 'abandon' }, applications: [{ name: 'a', fleet: 'f', writes: ['orders'], principals: ['User:ana@EXAMPLE.COM', 'User:CN=shop,O=x'] }] }, 'producerFirst');
  assert.deepEqual(m.groups, { 'token-refresher': 'leave', password: 'abandon' });
});
test('migration accepted: the example, and whatever is accepted parses to itself', () => {
  const example = parseMigration(JSON.parse(readFileSync(new URL('../../examples/migration.json', import.meta.url), 'utf8')), 'stopRestartRepeat');
  for (const m of [example, parseMigration(good, 'stopRestartRepeat')]) assert.deepEqual(parseMigration(JSON.parse(JSON.stringify(m)), 'stopRestartRepeat'), m);
});
test('migration: any JSON in any field is accepted or refused with BadMigration, never something else', () => {
  fc.assert(fc.property(fc.constantFrom(...Object.keys({ ...good, groups: 0, limits: 0 })), fc.jsonValue(), fc.jsonValue(), (key, value, inner) => {
    for (const input of [value, { ...good, [key]: value }, withApplication({ ...good.applications[1], reads: [value], writes: inner }), { ...good, [key]: { budgetMs: value, x: inner } }]) {
      const message = refusal(input);
      assert.ok(message === 'accepted' || message.length < 3_500);
    }
  }));
});

const patterns: readonly (readonly [string, string, boolean])[] = [
  ['orders', 'orders', true], ['orders', 'orders2', false], ['orders', 'order', false], ['*', '', true], ['*', 'anything', true],
  ['shop.*', 'shop.', true], ['shop.*', 'shop', false], ['*.dlq', 'a.b.dlq', true], ['a*b*c', 'abc', true], ['a*b*c', 'aXbYbZc', true],
  ['a*b*c', 'acb', false], ['a.c', 'abc', false], ['**', 'x', true], ['', '', true], ['', 'x', false], ['*a', 'aab', false], ['*aab', 'aaab', true],
];
for (const [pattern, name, wanted] of patterns)
  test(`pattern "${pattern}" ${wanted ? 'matches' : 'does not match'} "${name}"`, () => assert.equal(matches(pattern, name), wanted));
test('pattern: agrees with a regular expression on random texts', () => {
  const letters = (alphabet: string): fc.Arbitrary<string> => fc.array(fc.constantFrom(...alphabet.split('')), { maxLength: 12 }).map((x) => x.join(''));
  fc.assert(fc.property(letters('ab*'), letters('ab'), (pattern, name) => matches(pattern, name) === new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name)));
});
// Whoever tries every way to spread the stars never comes back from this one.
test('pattern: many stars on a long name', () => {
  assert.equal(matches(`${'*a'.repeat(100)}b`, 'a'.repeat(249)), false);
});
test('patterns expand to sorted names without internal topics, and say what matched nothing', () => {
  assert.deepEqual(expand(['shop.*', 'orders', '*', 'gone', 'x*', '__consumer_offsets'], ['shop.b', 'shop.a', 'orders', '__consumer_offsets', 'heartbeats', 'mm2-offset-syncs.a.internal']),
    { names: ['orders', 'shop.a', 'shop.b'], unmatched: ['gone', 'x*', '__consumer_offsets'] });
});

const ofThree = { ...good, applications: [...good.applications, { name: 'audit', fleet: 'audit', reads: [{ group: 'audit', topics: ['orders'] }] }] };
for (const [situation, batches, scheme, fault] of [
  ['for a scheme without batches', [['audit']], 'producerFirst', 'batches: is for consumerFirst, stopRestartRepeat; producerFirst moves its applications in an order of its own. Leave it out.'],
  ['with somebody unknown', [['audti']], 'consumerFirst', 'batches[0][0]: no application is called "audti".'],
  ['with somebody who writes', [['audit', 'billing']], 'consumerFirst', 'batches[0][1]: "billing" writes as well: it moves with the cut of what it writes, not in a batch. Take it out here.'],
  ['with somebody twice', [['audit'], ['audit']], 'consumerFirst', 'batches[1][0]: application "audit" is there already, at batches[0][0].'],
  ['that are empty', [[]], 'consumerFirst', 'batches[0]: lists nothing; wanted: names of applications, at least 1.'],
] as const) test(`migration: batches ${situation} are refused`, () => { assert.equal(refusal({ ...ofThree, batches }, scheme), told(fault)); });
test('migration: who is in the group of a writer is in no batch, and all members of a group are accepted', () => {
  const shared = { ...good, topics: ['orders', 'shop.invoices'], applications: [...good.applications, { name: 'helper', fleet: 'f', reads: [{ group: 'billing', topics: ['orders'] }] }] };
  assert.deepEqual(cutSets(parseMigration(shared, 'consumerFirst')).map((s) => s.writers), [['shop'], ['billing', 'helper']]);
  assert.equal(refusal({ ...shared, batches: [['helper']] }, 'consumerFirst'), told('batches[0][0]: "helper" shares a group with an application that writes: it moves with the cut of what that one writes, not in a batch. Take it out here.'));
});
test('migration: batches are kept in their order', () => { assert.deepEqual(parseMigration({ ...ofThree, batches: [['audit']] }, 'consumerFirst').batches, [['audit']]); });
test('migration accepted: a scheme with one outage for all cuts everything together, and needs no Connect worker', () => {
  const m = parseMigration({ ...good, connect: undefined, quiet: { 'shop.orders': 500 } }, 'stopWaitRestart');
  assert.deepEqual([m.cuts, m.connect, m.quiet], ['together', null, { 'shop.orders': 500 }]);
  assert.deepEqual(parseMigration(m, 'stopWaitRestart'), m);
  assert.equal('cuts' in parseMigration(good, 'stopRestartRepeat'), false);
});
test('migration accepted: where groups begin, with consent, by restartAllAtOnce; the fallback by every scheme that copies', () => {
  const [a, ...rest] = good.applications;
  const reads = (more: object): object => ({ ...good, applications: [a, ...rest.map((x) => ({ ...x, reads: (x as unknown as { readonly reads: readonly object[] }).reads.map((r) => ({ ...r, ...more })) }))] });
  const m = parseMigration(reads({ start: 'latest', mayLose: 0 }), 'restartAllAtOnce');
  assert.deepEqual(m.applications.flatMap((x) => x.reads.map((r) => [r.start, r.mayLose])), [['latest', 0]]);
  assert.deepEqual(parseMigration(m, 'restartAllAtOnce'), m);
  for (const scheme of ['stopRestartRepeat', 'consumerFirst', 'restartAllAtOnce']) assert.deepEqual(parseMigration(reads({ start: 'timestamp' }), scheme).applications.flatMap((x) => x.reads.map((r) => r.start)), ['timestamp'], scheme);
  for (const [more, connect, scheme, fault] of [
    [{ start: 'latest' }, 'c', 'restartAllAtOnce', /mayLose: is missing; a group that begins at the latest never reads/],
    [{ start: 'earliest' }, 'c', 'restartAllAtOnce', /mayRepeat: is missing; a group that begins at the earliest reads again/],
    [{ start: 'earliest', mayRepeat: 5, mayLose: 5 }, null, 'restartAllAtOnce', /start: is "earliest", and without a copy/],
    [{}, null, 'restartAllAtOnce', /mayLose: is missing; without a copy .* choose stopWaitRestart/],
    [{ mayLose: 5 }, 'c', 'stopRestartRepeat', /mayLose: is for restartAllAtOnce only/],
    [{ start: 'latest' }, 'c', 'stopRestartRepeat', /start: is for restartAllAtOnce only/],
    [{ start: 'timestamp', mayLose: 0 }, null, 'restartAllAtOnce', /start: is "timestamp", and without a copy/],
    [{ start: 'timestamp' }, null, 'producerFirst', /start: is "timestamp", and without a copy/],
    [{ start: 'soon' }, 'c', 'restartAllAtOnce', /start: must be one of "translated", "timestamp", "earliest", "latest"/],
  ] as const) assert.throws(() => parseMigration({ ...reads(more), connect }, scheme), fault);
});
const reading = (more: object, connect: string | null = 'c'): object => ({ ...good, connect, applications: [good.applications[0], { name: 'billing', fleet: 'billing', reads: [{ group: 'billing', topics: ['orders'], ...more }] }] });
const where = 'applications[1].reads[0]';
for (const [situation, input, scheme, ...faults] of [
  ['mistyped', reading({ start: 'timestmp' }), 'stopRestartRepeat', `${where}.start: must be one of "translated", "timestamp"; it is "timestmp". Did you mean "timestamp"?`],
  ['mistyped, for the scheme that takes all of them', reading({ start: 'earlist', mayLose: 1 }), 'restartAllAtOnce', `${where}.start: must be one of "translated", "timestamp", "earliest", "latest"; it is "earlist". Did you mean "earliest"?`],
  ['mistyped, where nothing is ever copied', reading({ start: 'timestmp' }), 'producerFirst', `${where}.start: must be "translated"; it is "timestmp".`],
  ['that is an object', reading({ start: { at: 'end' } }), 'consumerFirst', `${where}.start: must be one of "translated", "timestamp"; it is an object.`],
  ['that is a date', reading({ start: '2026-11-23T00:00:00Z' }), 'dualConsume', `${where}.start: must be "translated"; it is "2026-11-23T00:00:00Z".`],
  ['of another scheme', reading({ start: 'latest' }), 'stopRestartRepeat', `${where}.start: is for restartAllAtOnce only; stopRestartRepeat moves every group to where it was. Leave it out.`],
  ['with a consent that is no number', reading({ start: 'latest', mayLose: 'all' }), 'restartAllAtOnce', `${where}.mayLose: must be a whole number of records from 0 to 1000000000; it is "all".`],
  ['with repeats that are no number', reading({ start: 'earliest', mayRepeat: 0 }), 'restartAllAtOnce', `${where}.mayRepeat: must be a whole number of records from 1 to 1000000000; it is 0.`],
  ['without a copy and with a consent that is no number', reading({ mayLose: -1 }, null), 'restartAllAtOnce', `${where}.mayLose: must be a whole number of records from 0 to 1000000000; it is -1.`],
] as const) test(`migration: a start ${situation} is one fault, in the words of its scheme`, () => { assert.equal(refusal(input, scheme), told(...faults)); });
test('migration accepted: the default start may be said by every scheme, and is the same as saying nothing', () => {
  for (const scheme of ['stopRestartRepeat', 'consumerFirst', 'producerFirst', 'dualConsume', 'stopWaitRestart', 'restartAllAtOnce']) {
    assert.equal(parseMigration(reading({ start: 'translated' }), scheme).applications[1]?.reads[0]?.start, 'translated', scheme);
    assert.equal(refusal({ ...good, applications: [good.applications[0], ...[{ start: 'translated' }, {}].map((more, i) => ({ name: `a${i}`, fleet: 'f', reads: [{ group: 'g', topics: ['orders'], ...more }] }))] }, scheme), 'accepted', scheme);
  }
});
const loops: readonly (readonly [string, object, RegExp])[] = [
  ['cuts for a scheme that has its own', { cuts: 'together' }, /cuts: is not for stopRestartRepeat/],
  ['silence of a pattern', { quiet: { 'shop.*': 500 } }, /quiet\["shop\.\*"\]: must be the name of a topic, not a pattern/],
  ['silence of a topic that does not move', { quiet: { elsewhere: 500 } }, /quiet\.elsewhere: is not covered by "topics"/],
  ['silence longer than the outage', { quiet: { 'shop.orders': 3_000_000 } }, /quiet\..*do not fit into the \d+ ms of the outage/],
];
for (const [situation, more, wanted] of loops) test(`migration refused: ${situation}`, () => { assert.throws(() => parseMigration({ ...good, ...more }, 'stopRestartRepeat'), wanted); });
