/** No password of the SASL stack is in history, ledger, memo, details or log; a planted one is found. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openCluster } from '../../src/adapters/kafka/cluster.ts';
import { createLedger } from '../../src/adapters/ledger/ledger.ts';
import { users } from '../../stack/access.ts';
import type { Stack } from '../../stack/stack.ts';
import { loadCatalog } from '../../src/adapters/catalog/load.ts';
import { temporalCli } from '../workflows/server.ts';
import { assertMoved, ended, onward, operate, setScene, startMigration } from './scene.ts';

/** Every way a secret may be spelled. Base64 of a longer text that holds it differs by where it begins: decoding covers that. */
const spellings = (secret: string): readonly string[] => [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64').replace(/=+$/, ''), Buffer.from(secret).toString('base64url')];

/** The text itself, and whatever in it decodes from base64 (payloads of a history), twice over. */
function layers(text: string, depth = 2): readonly string[] {
  if (depth === 0) return [text];
  const inner = (text.match(/[A-Za-z0-9+/_-]{16,}={0,2}/g) ?? []).map((b) => Buffer.from(b, 'base64').toString('utf8')).filter((t) => !t.includes('\u0000'));
  return [text, ...(inner.length > 0 ? layers(inner.join('\n'), depth - 1) : [])];
}
const found = (places: Readonly<Record<string, string>>, secrets: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(places).flatMap(([place, text]) => {
    const all = layers(text);
    return Object.entries(secrets).filter(([, s]) => spellings(s).some((spelling) => all.some((t) => t.includes(spelling)))).map(([name]) => `${name} in ${place}`);
  });

const passwords = (stack: Stack): Readonly<Record<string, string>> =>
  Object.fromEntries([stack.source, stack.target].flatMap((c) => users.map((user) => [`${user} of ${c.catalogName}`, c.login(user)?.password ?? assert.fail(`${user} has no password`)] as const)));

async function ledgers(catalogFile: string): Promise<Readonly<Record<string, string>>> {
  const catalog = await loadCatalog(catalogFile);
  const out: Record<string, string> = {};
  for (const [name, config] of Object.entries(catalog.clusters)) {
    const cluster = openCluster(name, config);
    try {
      out[`ledger of ${name}`] = [...await createLedger(() => cluster).read(name, '')].map(([k, v]) => `${k} ${v}`).join('\n');
    } finally {
      await cluster.close();
    }
  }
  return out;
}

test('on clusters with logins no secret leaves the worker: history, ledgers, details, memo and log are clean, and a planted leak is found', async () => {
  await using resources = new AsyncDisposableStack();
  const stage = await setScene(resources, { variant: 'sasl' });
  const { stack } = stage;
  const secrets = passwords(stack);
  const handle = await startMigration(stage, { budgetMs: 10_000, undoReserveMs: 3_300 });
  const temporal = temporalCli(stack);
  let details = '';
  await operate(stage, handle, (q) => {
    if (!q.name.startsWith('cut ')) return onward(q);
    return details === '' ? null : 'rollback';
  }, 150_000 + await soonDetails(temporal, handle.workflowId, (text) => { details = text; }));
  await ended(handle, 'rolled-back');
  const said = async (...args: readonly string[]): Promise<string> => (await temporal('workflow', ...args, '--workflow-id', handle.workflowId, '-o', 'json')).out;
  const places = {
    history: await said('show'), description: await said('describe'), details,
    'worker log': readFileSync(stage.worker.logFile, 'utf8'), ...await ledgers(stack.catalogFile),
  };
  for (const [place, text] of Object.entries(places)) assert.ok(text.length > (place === 'worker log' ? 0 : 200), `${place} is empty: nothing was searched`);
  assert.deepEqual(found(places, secrets), []);

  const [name, secret] = Object.entries(secrets)[0] ?? assert.fail('no secrets');
  const planted = await stage.client.workflow.start('assess', { workflowId: 'planted', taskQueue: stage.taskQueue, args: ['stopRestartRepeat', { name: 'leak', note: `sasl:${secret}` }] });
  await planted.result().catch(() => undefined); // refused, as it must be: what counts is what its history holds
  const leaky = (await temporal('workflow', 'show', '--workflow-id', 'planted', '-o', 'json')).out;
  assert.deepEqual(found({ history: leaky }, secrets), [`${name} in history`]);
  for (const spelling of spellings(secret)) assert.deepEqual(found({ log: `x ${spelling} y` }, secrets), [`${name} in log`]);
  await assertMoved(stage, 'source');
});

/** Reads Current Details beside the run, as an operator would, once the migration asks about a cut. */
async function soonDetails(temporal: ReturnType<typeof temporalCli>, id: string, tell: (text: string) => void): Promise<number> {
  const look = async (): Promise<void> => {
    for (const end = Date.now() + 140_000; Date.now() < end; await new Promise((r) => setTimeout(r, 500))) {
      const { out } = await temporal('workflow', 'metadata', '--workflow-id', id, '-o', 'json');
      if (out.includes('approve the cut')) { tell(out); return; }
    }
  };
  void look().catch((e: unknown) => { console.error(e); });
  return 0;
}
