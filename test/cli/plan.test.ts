/** What `cutover plan` prints for the example, and what the command line says to mistakes. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { schemes } from '../../src/workflows/schemes/schemes.ts';
import { cutover } from './terminal.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const example = here('../../examples/migration.json');

for (const scheme of Object.keys(schemes))
  test(`plan: ${scheme} of the example reads as its golden runbook (UPDATE_GOLDEN=1 writes it anew)`, async () => {
    const { out } = await cutover(['plan', example, '--scheme', scheme]);
    const golden = here(`./golden/plan-${scheme}.txt`);
    if (process.env['UPDATE_GOLDEN'] === '1') await writeFile(golden, out);
    assert.equal(out, await readFile(golden, 'utf8'));
  });

for (const scheme of Object.keys(schemes))
  test(`plan: the head of ${scheme} says of its outage what its promise says`, async () => {
    const { out } = await cutover(['plan', example, '--scheme', scheme]);
    const [, head] = /^  write outage   .* for the undo, (.*)$/m.exec(out) ?? [];
    assert.match(out, head === 'one for all' ? /^  - Write outage: one for all\b/m : /^  - Write outage: one per cut set /m);
  });
for (const scheme of Object.keys(schemes))
  test(`plan: ${scheme} of the example keeps every rule of the safety model`, async () => {
    const { code, err } = await cutover(['plan', example, '--scheme', scheme]);
    assert.deepEqual({ code, err }, { code: 0, err: '' });
  });

test('plan --json: one document with the migration as parsed, the phases, and no hash', async () => {
  const { code, out } = await cutover(['plan', example, '--scheme', 'stopRestartRepeat', '--json']);
  const document = JSON.parse(out) as { migration: { limits: object }; plan: { forward: { name: string }[] }; planHash: unknown; faults: unknown };
  assert.equal(code, 0);
  assert.equal(document.planHash, null);
  assert.deepEqual(document.faults, []);
  assert.equal(document.plan.forward[0]?.name, 'check');
});

async function file(t: test.TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-cli-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'migration.json');
  await writeFile(path, text);
  return path;
}
test('plan: a faulty migration is told with every fault and exit code 2', async (t) => {
  const path = await file(t, '{"name": "x", "source": "a", "target": "a", "connect": "c", "topics": ["t"], "applications": [{"name": "i", "fleet": "f"}], "outage": {"budgetMs": 0}}');
  assert.deepEqual(await cutover(['plan', path, '--scheme', 'stopRestartRepeat']), {
    code: 2, out: '', err: [
      'The migration has 3 faults:',
      '- applications[0]: "i" reads nothing and writes nothing. Say what it does in "writes" or "reads", or leave it out.',
      '- outage.budgetMs: must be a whole number of ms from 1000 to 3600000; it is 0.',
      '- target: source and target are both "a"; a migration needs two clusters.',
      'Correct the migration and start it again.', ''].join('\n'),
  });
});
test('plan: topics that nobody writes are refused as the workflow would refuse them', async (t) => {
  const path = await file(t, '{"name": "x", "source": "a", "target": "b", "connect": "c", "topics": ["t"], "applications": [{"name": "i", "fleet": "f", "reads": [{"group": "g", "topics": ["t"]}]}], "outage": {"budgetMs": 5000}}');
  const { code, err } = await cutover(['plan', path, '--scheme', 'stopRestartRepeat']);
  assert.equal(code, 1);
  assert.match(err, /^This plan would be refused\.\nNo declared application writes t: declare the writers, or leave these topics out\.\n/);
});
const patterned = (topics: readonly string[], uses: object): string => JSON.stringify({ name: 'x', source: 'a', target: 'b', connect: 'c', topics: ['orders', ...topics], outage: { budgetMs: 5000 },
  applications: [{ name: 'shop', fleet: 'f', writes: ['orders'] }, { name: 'billing', fleet: 'f', ...uses }] });
test('plan: a pattern under which nobody writes is no topic: what it matches is not known without a cluster', async (t) => {
  const path = await file(t, patterned(['nothing.*'], { reads: [{ group: 'g', topics: ['orders'] }] }));
  const { code, err } = await cutover(['plan', path, '--scheme', 'stopRestartRepeat']);
  assert.equal(code, 1);
  assert.equal(err, 'This plan would be refused.\nNo application of the migration writes a topic that nothing.* covers, and whether it matches any is known only to cutover check: declare the writers, or leave it out.\n');
});
test('plan: a pattern under which somebody writes a narrower one is no fault', async (t) => {
  const path = await file(t, patterned(['nothing.*'], { writes: ['nothing.a*'], reads: [{ group: 'g', topics: ['nothing.*'] }] }));
  assert.deepEqual((({ code, err }) => ({ code, err }))(await cutover(['plan', path, '--scheme', 'stopRestartRepeat'])), { code: 0, err: '' });
});
test('start: what plan refuses is refused before anybody is asked, with the same words; a pattern may mean topics that only the clusters know', async (t) => {
  const of = (topic: string): string => `{"name": "x", "source": "a", "target": "b", "connect": "c", "topics": ["${topic}"], "applications": [{"name": "i", "fleet": "f", "reads": [{"group": "g", "topics": ["${topic}"]}]}], "outage": {"budgetMs": 5000}}`;
  const kept = process.env['TEMPORAL_ADDRESS'];
  process.env['TEMPORAL_ADDRESS'] = '127.0.0.1:1';
  t.after(() => { if (kept === undefined) delete process.env['TEMPORAL_ADDRESS']; else process.env['TEMPORAL_ADDRESS'] = kept; });
  const refused = await cutover(['start', await file(t, of('t')), '--scheme', 'stopRestartRepeat']);
  assert.deepEqual(refused, { code: 1, out: '', err: (await cutover(['plan', await file(t, of('t')), '--scheme', 'stopRestartRepeat'])).err });
  assert.match(refused.err, /^This plan would be refused\.\nNo declared application writes t: /);
  assert.match((await cutover(['start', await file(t, of('t.*')), '--scheme', 'stopRestartRepeat'])).err, /^Temporal at 127\.0\.0\.1:1 cannot be reached/);
});
const tolerant = (scheme: string): string => JSON.stringify({ name: 'x', source: 'a', target: 'b', connect: scheme === 'producerFirst' ? null : 'c', topics: ['t'], outage: { budgetMs: 5000 }, applications: [
  { name: 'shop', fleet: 'f', writes: ['t'], tolerates: { writeOutageMs: 2000 } }, { name: 'billing', fleet: 'f', reads: [{ group: 'g', topics: ['t'] }], tolerates: { readOutageMs: 0 } }] });
test('plan: what the applications do not tolerate is refused with every reason and what would do', async (t) => {
  const { code, err } = await cutover(['plan', await file(t, tolerant('producerFirst')), '--scheme', 'producerFirst']);
  assert.equal(code, 1);
  assert.match(err, /^This plan would be refused\.\nproducerFirst cannot keep what the applications tolerate; nothing was written\.\n- shop tolerates 2000 ms .* budget of 5000 ms\.\n- billing tolerates no read outage/);
  assert.match(err, /With outage\.budgetMs at most 2000 these would do: blueGreen muted\./);
});
test('recommend: reads the same file, proposes and says why; JSON on one stream', async (t) => {
  const path = await file(t, JSON.stringify({ ...JSON.parse(tolerant('stopRestartRepeat')) as object, measured: { groups: { g: { lagRecords: 1000, recordsPerSecond: 100 } } } }));
  const said = await cutover(['recommend', path]);
  assert.equal(said.code, 1, said.err);
  assert.match(said.out, /^shop\n  scheme         stopRestartRepeat\n  because        .*; it needs outage\.budgetMs of at most 2000 in place of 5000, /);
  assert.match(said.out, /^All in one migration\n  scheme         none\n  because        No scheme keeps all that was declared/m);
  assert.match(said.out, /blueGreen muted: shop tolerates 2000 ms without a running writer/);
  assert.match(said.out, /forecast       group g is 1000 records behind: about 10 s to drain/);
  const { out } = await cutover(['recommend', example, '--json']);
  const document = JSON.parse(out) as { applications: { application: string; scheme: string; start: object; because: string }[]; together: { scheme: string } };
  assert.deepEqual(document.applications.map((a) => [a.application, a.scheme]), [['shop', 'stopRestartRepeat'], ['billing', 'stopRestartRepeat'], ['reports', 'stopRestartRepeat']]);
  assert.equal(document.together.scheme, 'stopRestartRepeat');
});
test('recommend: what only some schemes take may be in the file, for none is chosen yet', async (t) => {
  const m = JSON.parse(await readFile(example, 'utf8')) as { readonly applications: readonly { readonly name: string; readonly reads?: readonly object[] }[] };
  const reports = (more: object): string => JSON.stringify({ ...m, cuts: 'together', batches: [['reports']], applications: m.applications.map((a) => (a.name === 'reports' ? { ...a, reads: a.reads?.map((r) => ({ ...r, ...more })) } : a)) });
  const { code, err } = await cutover(['recommend', await file(t, reports({ start: 'latest', mayLose: 5 }))]);
  assert.deepEqual({ code, err }, { code: 0, err: '' });
  assert.match((await cutover(['recommend', await file(t, reports({ start: 'timestmp' }))])).err, /^The migration has a fault:\n- applications\[2\]\.reads\[0\]\.start: must be one of "translated", "timestamp", "earliest", "latest"; it is "timestmp"\./);
});
test('recommend: faults around the migration and in it are told together', async (t) => {
  const path = await file(t, '{"name": "X", "source": "a", "target": "b", "topics": ["t"], "applications": [{"name": "s", "fleet": "f", "writes": ["t"]}], "measured": {"group": {}}}');
  const { code, err } = await cutover(['recommend', path]);
  assert.equal(code, 2);
  assert.match(err, /measured\.group: is not a field .* Did you mean "groups"\?[^]*name: must be the name/);
});
test('plan: a file with broken JSON is told by line, without its text', async (t) => {
  const path = await file(t, '{"name": "x",\n "password": "hunter2\n}');
  const { code, err } = await cutover(['plan', path, '--scheme', 'stopRestartRepeat']);
  assert.equal(code, 2);
  assert.match(err, /is neither JSON nor YAML: line \d+, column \d+: [a-z ]+\.\n$/);
  assert.doesNotMatch(err, /hunter2/);
});

const bomb = ['a: &a [x]', ...['b', 'c', 'd', 'e'].map((name, i) => `${name}: &${name} [${Array.from({ length: 10 }, () => `*${'abcd'[i]}`).join(', ')}]`)].join('\n');
for (const [situation, text, wanted] of [
  ['is empty', '', 'holds nothing.'],
  ['holds only a comment', '# later\n---\n', 'holds nothing.'],
  ['refers to what is nowhere set', 'name: x\ntopics: *all\n', 'refers to *all at line 2, column 9, and no &all stands before it.'],
  ['refers to itself more often than is taken', bomb, 'holds aliases (*) that multiply beyond what is taken. Write out what they stand for.'],
  ['holds two documents', 'name: x\n---\nname: y\n', 'holds more than one document: another begins at line 2, column 1. Give each a file of its own.'],
  ['has a key twice', 'name: x\nouter key: 1\nouter key: 2\n', 'has the key "outer key" twice in one object, the second time at line 3, column 1. Keep one of them.'],
  ['has a key twice, in JSON', '{"name": "x", "name": "y"}', 'has the key "name" twice in one object, the second time at line 1, column 15. Keep one of them.'],
  ['has a login for a key, twice', '{"ana:hunter2@east": 1, "ana:hunter2@east": 2}', 'has the key a text that looks like a login twice in one object, the second time at line 1, column 25. Keep one of them.'],
  ['is nested without end', '['.repeat(20_000), 'is nested too deeply.'],
] as const) test(`command line: a file that ${situation} is told by its name, with exit code 2, and called a migration only where it must be one`, async (t) => {
  const path = await file(t, text);
  assert.deepEqual(await cutover(['plan', path, '--scheme', 'producerFirst']), { code: 2, out: '', err: `The migration file ${path} ${wanted}\n` });
  assert.deepEqual(await cutover(['verify', path]), { code: 2, out: '', err: `The file ${path} ${wanted}\n` });
});

const wrong: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['an unknown scheme', ['plan', example, '-s', 'stop'], /^There is no scheme "stop"; the schemes are .*producerFirst.*\.\n$/],
  ['no scheme', ['plan', example], /^error: required option '-s, --scheme <name>' not specified\n/],
  ['a file that is not there', ['plan', '/nowhere/m.json', '-s', 'producerFirst'], /^The migration file \/nowhere\/m\.json cannot be read: there is no such file\.\n$/],
  ['an unknown command', ['migrate'], /^error: unknown command 'migrate'\n/],
  ['an unknown option', ['status', '--wach'], /^error: unknown option '--wach'\n/],
  ['neither id nor file', ['status', 'shop'], /^"shop" is neither a workflow id \(cutover\/<source>\/<target>\/<name>\) nor a migration file\.\n$/],
  ['a decision with an unknown limit', ['decide', 'cutover/a/b/c', 'tune', '--limit', 'speed=9'], /^The decision cannot be sent: no limit is called "speed" \(there are /],
  ['a skip without a reason', ['decide', 'cutover/a/b/c', 'skip'], /^The decision cannot be sent: "reason" must say why\.\n$/],
  ['an approval by nobody', ['decide', 'cutover/a/b/c', 'approve', '--by', ''], /^The decision cannot be sent: "by" must say who decides\.\n$/],
  ['a worker without a catalog', ['worker'], /^No catalog given: name it with --catalog or CUTOVER_CATALOG\./],
];
for (const [situation, args, wanted] of wrong)
  test(`command line: ${situation} ends with exit code 2 and one clear message`, async (t) => {
    const kept = process.env['CUTOVER_CATALOG'];
    delete process.env['CUTOVER_CATALOG'];
    t.after(() => { if (kept !== undefined) process.env['CUTOVER_CATALOG'] = kept; });
    const { code, err } = await cutover(args);
    assert.equal(code, 2, err);
    assert.match(err, wanted);
  });
test('command line: help is not a mistake', async () => {
  const { code, out } = await cutover(['--help']);
  assert.equal(code, 0);
  for (const command of ['plan', 'check', 'start', 'status', 'decide', 'worker', 'doctor']) assert.match(out, new RegExp(`^  ${command} `, 'm'));
});
