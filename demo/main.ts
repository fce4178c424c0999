/** `npm start`: a whole stack, live applications, one real migration, and an independent count of what became of every record. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { WorkflowHandle } from '@temporalio/client';
import type { Migration } from '../src/domain/migration.ts';
import { cutsOf, workflowIdOf } from '../src/domain/migration.ts';
import { offerOf } from '../src/domain/offers.ts';
import { copies, copiesEither, isSchemeName, schemes, type SchemeName } from '../src/workflows/schemes/schemes.ts';
import { derived, duties, migration, writers } from './applications.ts';
import { ending, settle, until } from './ending.ts';
import { follow } from './follow.ts';
import { reportOf, summary, table, type Report } from './report.ts';
import { names, setStage, type Stage } from './stage.ts';

const usage = `npm start [-- options]
  --yes              approve every hold by itself
  --scheme NAME      ${Object.keys(schemes).join(', ')}; default stopRestartRepeat
  --without-data     ${copiesEither.join(', ')}: copy nothing, begin on an empty target
  --rollback         roll back from inside the first write outage, before opening
  --rollback after-opening
                     open the target, let traffic run there, then roll back: a cut in the other direction
  --stay SECONDS     how long traffic runs on the target before that (default 20)
  --records N        at least so many orders (default 20000)
  --rate N           orders a second (default 1000)
  --sasl             clusters with logins and rights
  --keep             leave the stack running
  --json             last line: one JSON object`;

const flag = { type: 'boolean', default: false } as const;
interface Choices { readonly yes: boolean; readonly scheme: SchemeName; readonly copies: boolean; readonly rollback: 'no' | 'inside' | 'after-opening'; readonly keep: boolean; readonly json: boolean; readonly records: number; readonly rate: number; readonly staySeconds: number; readonly sasl: boolean }
/** Longest write outage of one cut set, ms; of all of them together, with everybody reading to the end first. */
const budgetMs = { each: 10_000, together: 30_000 } as const;
/** What each group may lose where everybody stops at once and nothing is copied: the audit alone lags by 2,000 orders. */
const mayLose = 20_000;
const warmUpOrders = 1_000;

function choices(): Choices {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { yes: flag, scheme: { type: 'string', default: 'stopRestartRepeat' }, rollback: flag, 'without-data': flag, keep: flag, json: flag, records: { type: 'string', default: '20000' }, rate: { type: 'string', default: '1000' }, stay: { type: 'string', default: '20' }, sasl: flag, help: flag } });
  if (values.help) { console.log(usage); process.exit(0); }
  const { scheme } = values;
  if (!isSchemeName(scheme)) throw new Error(`--scheme is ${scheme}; wanted ${Object.keys(schemes).join(' or ')}.`);
  const either = copiesEither.includes(scheme);
  if (values['without-data'] && !either) throw new Error(`--without-data is not for ${scheme}, which ${copies[scheme] ? 'copies' : 'copies nothing anyway'}; it is for ${copiesEither.join(', ')}.`);
  const whole = (option: 'records' | 'rate' | 'stay'): number => {
    const n = Number(values[option]);
    if (!Number.isSafeInteger(n) || n < 1) throw new Error(`--${option} is ${values[option]}; wanted a whole number above 0.`);
    return n;
  };
  const [when, ...more] = positionals;
  if (more.length > 0 || (when !== undefined && !(values.rollback && when === 'after-opening'))) throw new Error(`"${positionals.join(' ')}" is not understood; wanted nothing, or after-opening behind --rollback.`);
  return { ...values, scheme, copies: copies[scheme] || (either && !values['without-data']), records: whole('records'), rate: whole('rate'), staySeconds: whole('stay'), rollback: !values.rollback ? 'no' : when === undefined ? 'inside' : 'after-opening' };
}

/** With `--json` people read standard error, so that the last line of standard output is the object. */
const say = (out: NodeJS.WriteStream, line: string): void => { out.write(`${line}\n`); };

async function run(c: Choices, resources: AsyncDisposableStack): Promise<Report> {
  const out = c.json ? process.stderr : process.stdout;
  const losing = c.scheme === 'restartAllAtOnce' && !c.copies;
  const input = migration({ ...(losing ? { mayLose } : {}), copies: c.copies, principals: c.sasl, budgetMs: cutsOf(c.scheme).cuts === undefined ? budgetMs.each : budgetMs.together, second: c.scheme === 'blueGreen' });
  const id = workflowIdOf(input);
  let stage: Stage | null = null;
  let rolledBack = false;
  say(out, 'Cutover demo: two Kafka clusters, Connect, Temporal, four applications; the first run fetches and builds them.');
  stage = await setStage({
    variant: c.sasl ? 'sasl' : 'plain', second: c.scheme === 'blueGreen', keep: c.keep, pace: { ratePerSecond: c.rate }, resources, say: (line) => say(out, `  ${line}`),
    stopped: async (application) => {
      // Inside the outage and before its stop is confirmed: the rollback arrives before anything could open.
      if (c.rollback !== 'inside' || rolledBack || stage === null || !Object.values(writers).flat().includes(application)) return;
      rolledBack = true;
      await stage.client.workflow.getHandle(id).signal('rollback', { by: 'demo', reason: `asked for with --rollback, while ${application} was stopped` });
    },
  });
  const { books } = stage;
  await until('the first orders flow', 30_000, async () => { await books.refresh(); return books.acknowledged('orders') >= warmUpOrders; });
  const before = books.acknowledged('orders');
  const { handle, link } = await start(stage, c, input, out);
  await follow({
    handle, out, approve: c.yes ? 'by itself' : 'a person', temporal: { binary: stage.stack.temporal.binary, address: stage.stack.temporal.address, link },
    traffic: () => traffic(stage),
    // The last hold stays open until enough traffic has gone through the migration, and for a while over the target.
    toHold: (q) => {
      if (!q.name.startsWith('finish/')) return 'approve';
      if (c.rollback === 'after-opening') return Date.now() - q.sinceMs < c.staySeconds * 1_000 ? null : 'rollback';
      return books.acknowledged('orders') - before >= c.records ? 'approve' : null;
    },
  });
  const ended = await ending(handle);
  await books.refresh();
  const duringMigration = books.acknowledged('orders') - before;
  const running = Object.fromEntries(names.map((name) => [name, stage.supervisor.count(name)]));
  say(out, `  the migration has ended (${ended.outcome}); traffic runs on, then everything is drained and counted`);
  await settle(stage, ended.outcome === 'failed' ? 0 : c.records + before, losing);
  const findings = {
    mayLose: losing ? mayLose : 0, scheme: c.scheme, ordered: offerOf(c.scheme, input)?.order !== 'measured', wanted: c.rollback === 'no' ? 'completed' as const : 'rolled-back' as const, ended, count: books.count(duties, derived), duringMigration, running,
    events: stage.supervisor.events, temporal: { workflowId: id, address: stage.stack.temporal.address, ui: link },
  };
  const report = reportOf(findings);
  for (const line of table(report, findings)) say(out, line);
  if (c.keep) keep(stage, out);
  return report;
}

async function start(stage: Stage, c: Choices, input: Omit<Migration, 'limits'>, out: NodeJS.WriteStream): Promise<{ handle: WorkflowHandle; link: string }> {
  const id = workflowIdOf(input);
  writeFileSync(join(stage.stack.folder, 'migration.json'), `${JSON.stringify(input, null, 2)}\n`);
  const handle = await stage.client.workflow.start(c.scheme, {
    workflowId: id, taskQueue: stage.taskQueue, args: [input],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY', workflowIdConflictPolicy: 'FAIL',
    staticSummary: `Demo: ${input.source} → ${input.target}, ${input.topics.join(', ')}`,
  });
  const { temporal } = stage.stack;
  const link = `${temporal.uiUrl ?? ''}/namespaces/${temporal.namespace}/workflows/${encodeURIComponent(id)}/${handle.firstExecutionRunId}`;
  say(out, `  migration ${id} started (${c.scheme})\n  watch it: ${link}\n  input: ${join(stage.stack.folder, 'migration.json')}, catalog: ${stage.stack.catalogFile}`);
  return { handle, link };
}

async function traffic({ books }: Stage): Promise<string> {
  await books.refresh();
  return `${books.acknowledged('orders').toLocaleString('en')} orders`;
}

function keep({ stack }: Stage, out: NodeJS.WriteStream): void {
  stack.detach();
  say(out, [
    '  left running (the applications are stopped):',
    `    Temporal ${stack.temporal.address}, UI ${stack.temporal.uiUrl ?? 'off'}`,
    `    Kafka old ${stack.source.bootstrap.join(',')}, new ${stack.target.bootstrap.join(',')}`,
    `    Connect forward ${stack.connect.forward.url}, back ${stack.connect.back.url}`,
    `    catalog ${stack.catalogFile}`,
    `  stop it: npm run stack -- down --folder ${stack.folder}`,
  ].join('\n'));
}

const resources = new AsyncDisposableStack();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    if (interrupted) process.exit(130); // whatever is left is ended by the stack's reaper, which sees us go
    interrupted = true;
    process.stderr.write('\nstopping everything that was started …\n');
    void resources.disposeAsync().catch((e: unknown) => { console.error(e); }).finally(() => process.exit(130));
  });
try {
  const c = choices();
  const report = await run(c, resources);
  await resources.disposeAsync();
  if (c.json) console.log(JSON.stringify(summary(report)));
  process.exitCode = report.faults.length === 0 ? 0 : 1;
} catch (e) {
  if (!interrupted) {
    console.error(e instanceof Error ? e.message : String(e));
    await resources.disposeAsync();
    process.exitCode = 1;
  }
}
