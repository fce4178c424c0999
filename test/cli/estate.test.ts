/** `cutover estate plan`: the waves of a file, as text, JSON and pictures, with no cluster and no Temporal at hand. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cutover } from './terminal.ts';

const example = join(import.meta.dirname, '../../examples/estate.yaml');
let folder = '';
before(async () => { folder = await mkdtemp(join(tmpdir(), 'cutover-estate-')); });
after(async () => { await rm(folder, { recursive: true }); });
const file = async (name: string, content: unknown): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

test('the waves of the example with their blast radius, who cannot be parted, and both pictures', async () => {
  const [svg, mermaid] = [join(folder, 'estate.svg'), join(folder, 'estate.mmd')];
  const { code, out, err } = await cutover(['estate', 'plan', example, '--svg', svg, '--mermaid', mermaid]);
  assert.equal(code, 0, err);
  assert.match(out, /^retail \(staging\): east to west, 7 applications in 3 waves$/m);
  assert.match(out, /^orders +stopRestartRepeat +2 +1 +unknown +0 +1 of at most 10 s +3 +wave-1$/m);
  assert.match(out, /^ {2}mirrored early {2}shop\.orders$/m);
  assert.match(out, /^ {2}call-centre, shop: call-centre, shop write shop\.orders$/m);
  assert.match(out, /^ {2}stock, stock-browser: stock, stock-browser use what is internal to the Streams application stock$/m);
  assert.match(await readFile(svg, 'utf8'), /^<svg /);
  assert.match(await readFile(mermaid, 'utf8'), /^flowchart LR\n/);
});

test('with what was observed: partitions are counted, and a group nobody declared is named and makes the command fail', async () => {
  const observed = await file('observed.json', {
    topics: ['shop.orders', 'billing.invoices', 'stock.levels', 'stock-levels-repartition', 'stock-levels-changelog'].map((name) => ({ name, partitions: 6 })),
    groups: [{ group: 'forgotten', topics: ['shop.orders'] }],
  });
  const { code, out, err } = await cutover(['estate', 'plan', example, '--observed', observed, '--json']);
  assert.equal(code, 1);
  assert.match(err, /Not declared, and seen at topics of this estate: forgotten\./);
  const { waves } = JSON.parse(out) as { waves: readonly { readonly wave: string; readonly partitions: number; readonly strangers: readonly string[] }[] };
  assert.deepEqual(waves.map((w) => [w.wave, w.partitions, w.strangers]), [['canary', 0, []], ['orders', 6, ['forgotten']], ['wave-1', 24, []]]);
});

test('a topic that is not on the source, and a file with faults, end with one message and exit code 2', async () => {
  const observed = await file('elsewhere.json', { topics: [{ name: 'other', partitions: 1 }], groups: [] });
  const absent = await cutover(['estate', 'plan', example, '--observed', observed]);
  assert.equal(absent.code, 2);
  assert.match(absent.err, /the source has no topic billing\.invoices, shop\.orders/);
  const faulty = await cutover(['estate', 'plan', await file('faulty.yaml', 'name: Shop\napplications: []\n')]);
  assert.equal(faulty.code, 2);
  for (const path of [/name: must be/, /applications: lists nothing/, /source: is missing/, /connectBack: is missing/, /outage: is missing/]) assert.match(faulty.err, path);
});

test('the same file means the same waves against another pair of clusters', async () => {
  const text = await readFile(example, 'utf8');
  const other = await file('production.yaml', text.replace('environment: staging', 'environment: production'));
  const waves = async (path: string): Promise<unknown> => (JSON.parse((await cutover(['estate', 'plan', path, '--json'])).out) as { waves: unknown }).waves;
  assert.deepEqual(await waves(other), await waves(example));
});
