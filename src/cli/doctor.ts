/** `cutover doctor`: looks at Temporal as the migrations need it, says what is missing, and with `--fix` mends what it can. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { searchAttributes } from '../workflows/migrate.ts';
import { Stop, print, type ExitCode, type Io } from './io.ts';
import { profileOf, withTemporalFlags, type TemporalFlags } from './options.ts';
import type { Run } from './program.ts';
import { asking, awaitPollers, explain, noWorker, withTemporal, type Temporal } from './temporal.ts';

/** `skipped`: could not be looked at; never counts as well. */
export interface Finding { readonly about: string; readonly state: 'ok' | 'warning' | 'fault' | 'skipped'; readonly say: string }
interface DoctorOptions extends TemporalFlags { readonly fix?: boolean }

/** IndexedValueType of Temporal's API. */
const keyword = 2;
const dayMs = 86_400_000;
const registeredWithinMs = 15_000;

export function doctorCommand(program: Command, run: Run): void {
  withTemporalFlags(program.command('doctor').description('check Temporal: reachable, namespace, search attributes, workers, settings')
    .option('--fix', 'register missing search attributes'))
    .action((options: DoctorOptions) => run((io) => doctor(io, options)));
}

async function doctor(io: Io, options: DoctorOptions): Promise<ExitCode> {
  const findings = await withTemporal(profileOf(options), async (t) => [
    ...(await look('Temporal', () => server(t))),
    ...(await look('namespace', () => namespace(t))),
    ...(await look('search attributes', () => attributes(t, options.fix === true))),
    ...(await look('workers', () => workers(t, options.taskQueue))),
    speed,
  ]).catch((error: unknown): readonly Finding[] => {
    if (error instanceof Stop && error.exitCode === 1) return [{ about: 'Temporal', state: 'fault', say: error.message }];
    throw error;
  });
  print(io, options.json === true, { json: findings, text: findings.map((f) => `${f.state.padEnd(8)} ${f.about}: ${f.say}`).join('\n') });
  return findings.some((f) => f.state === 'fault') ? 1 : 0;
}

/** A look that fails is skipped with its reason: never a tick for what was not seen. */
async function look(about: string, body: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await body();
  } catch (error) {
    return [{ about, state: 'skipped', say: explain(error, null) }];
  }
}

async function server(t: Temporal): Promise<readonly Finding[]> {
  const info = await asking(t, () => t.connection.workflowService.getSystemInfo({}));
  return [{ about: 'Temporal', state: 'ok', say: `server ${info.serverVersion || 'of unknown version'} at ${t.address}` }];
}

async function namespace(t: Temporal): Promise<readonly Finding[]> {
  const found = await asking(t, () => t.connection.workflowService.describeNamespace({ namespace: t.namespace })).catch((error: unknown) => error);
  if (found instanceof Error) return [{ about: 'namespace', state: 'fault', say: `"${t.namespace}" cannot be used: ${explain(found, null)} Set TEMPORAL_NAMESPACE, or create it: temporal operator namespace create --namespace ${t.namespace}` }];
  const { namespaceInfo, config } = found as Awaited<ReturnType<typeof t.connection.workflowService.describeNamespace>>;
  const days = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) * 1_000 / dayMs;
  return [
    { about: 'namespace', state: 'ok', say: `"${t.namespace}" exists` },
    days >= 7 ? { about: 'retention', state: 'ok', say: `histories are kept for ${days} days after the end` }
      : { about: 'retention', state: 'warning', say: `histories are kept for only ${days} ${days === 1 ? 'day' : 'days'} after the end; 7 or more let you look back (the ledger on the clusters stays). temporal operator namespace update --retention 30d --namespace ${t.namespace}` },
    namespaceInfo?.capabilities?.workflowPause === true
      ? { about: 'native pause', state: 'warning', say: "this namespace offers Temporal's own Pause button. Never use it on a migration: inside an outage it would also pause the undo. The signal pause waits for a safe place." }
      : { about: 'native pause', state: 'ok', say: "Temporal's own Pause is off in this namespace; the signal pause waits for a safe place" },
  ];
}

async function attributes(t: Temporal, fix: boolean): Promise<readonly Finding[]> {
  const registered = async (): Promise<Readonly<Record<string, unknown>>> =>
    (await asking(t, () => t.connection.operatorService.listSearchAttributes({ namespace: t.namespace }))).customAttributes ?? {};
  const before = await registered();
  const wrong = searchAttributes.filter((n) => Object.hasOwn(before, n) && before[n] !== keyword);
  const missing = searchAttributes.filter((n) => !Object.hasOwn(before, n));
  const faults = wrong.map((n): Finding => ({ about: 'search attributes', state: 'fault', say: `${n} is registered with another type; it must be Keyword. Remove it and register it again.` }));
  if (missing.length === 0) return faults.length > 0 ? faults : [{ about: 'search attributes', state: 'ok', say: `${searchAttributes.join(', ')} are registered` }];
  if (!fix) return [...faults, { about: 'search attributes', state: 'warning', say: `${missing.join(', ')} are not registered: migrations run, but cannot be filtered by phase and state. cutover doctor --fix registers them.` }];
  await asking(t, () => t.connection.operatorService.addSearchAttributes({ namespace: t.namespace, searchAttributes: Object.fromEntries(missing.map((n) => [n, keyword])) }));
  for (const untilMs = Date.now() + registeredWithinMs; Date.now() < untilMs; await wait(200)) {
    const now = await registered();
    if (missing.every((n) => now[n] === keyword)) return [...faults, { about: 'search attributes', state: 'ok', say: `${missing.join(', ')} registered now` }];
  }
  return [...faults, { about: 'search attributes', state: 'fault', say: `${missing.join(', ')} were registered, but are not listed after ${registeredWithinMs / 1_000} s. Look again later.` }];
}

async function workers(t: Temporal, taskQueue: string): Promise<readonly Finding[]> {
  const { workflows, activities } = await awaitPollers(t, taskQueue);
  const both = workflows.filter((w) => activities.includes(w));
  if (both.length === 0) return [{ about: 'workers', state: 'fault', say: noWorker(taskQueue) }];
  const names = both.join(', ');
  return [both.length === 1
    ? { about: 'workers', state: 'warning', say: `one worker polls "${taskQueue}" (${names}); if it dies inside an outage, nobody undoes it until it is back. Run two.` }
    : { about: 'workers', state: 'ok', say: `${both.length} workers polled "${taskQueue}" in the last minutes: ${names}` }];
}

/** Asking for it needs a migration-like run; the figure is in the fact that made us write this down. */
const speed: Finding = {
  about: 'speed', state: 'skipped',
  say: 'the server does not tell its dynamic configuration. With its defaults an activity in sequence costs about 100 ms; history.transferProcessorMaxPollRPS and history.timerProcessorMaxPollRPS at 2000 bring it to about 22 ms, which shortens every outage.',
};
