/** A real Temporal server with a Cutover worker over any `Work`, driven as an operator drives it: by the `temporal` CLI. */
import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { Work } from '../../src/activities/work.ts';
import type { Migration } from '../../src/domain/migration.ts';
import { workflowIdOf } from '../../src/domain/migration.ts';
import type { Progress } from '../../src/domain/progress.ts';
import { workflowBundle } from '../../src/worker/bundle.ts';
import { startStack, type Stack } from '../../stack/stack.ts';

const run = promisify(execFile);
export const taskQueue = 'cutover';

export interface Said { readonly code: number; readonly out: string; readonly err: string }
export interface Server extends AsyncDisposable {
  readonly stack: Stack;
  /** The `temporal` CLI with this server's address. Never throws on a non-zero exit. */
  temporal(...args: readonly string[]): Promise<Said>;
  start(scheme: string, input: unknown, id?: string): Promise<Said>;
  signal(id: string, name: string, input?: unknown): Promise<Said>;
  decide(id: string, decision: unknown): Promise<Said>;
  progress(id: string): Promise<Progress>;
  /** Polls `progress` until the test holds; fails with the last progress after `withinMs`. */
  until(id: string, test: (p: Progress) => boolean, withinMs?: number): Promise<Progress>;
  /** The status, such as `RUNNING`; `UNKNOWN` when the server did not say. */
  described(id: string): Promise<{ readonly status: string }>;
  /** Waits for the end and returns the status, such as `COMPLETED`, with the failure's message if any. */
  ended(id: string, withinMs?: number): Promise<{ readonly status: string; readonly result: string }>;
  history(id: string): Promise<string>;
}

/**
 * Workflows and activities that fail are what these tests are about: not worth a line each. Signals are for whoever runs this:
 * a worker that shut down by itself would leave everybody waiting for its answers. One runtime per process.
 */
let quiet = false;
function beQuiet(): void {
  if (!quiet) Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  quiet = true;
}

export async function startServer(work: Work): Promise<Server> {
  beQuiet();
  const stack = await startStack({ source: 'none', target: 'none', connects: 'none', temporal: { ui: false } });
  const connection = await NativeConnection.connect({ address: stack.temporal.address });
  const worker = await Worker.create({
    connection, taskQueue, identity: 'worker', workflowBundle: { codePath: await workflowBundle() }, activities: { ...work },
    maxHeartbeatThrottleInterval: '200ms', stickyQueueScheduleToStartTimeout: '1s', shutdownForceTime: '2s',
  });
  const running = worker.run();
  const temporal = temporalCli(stack);
  return {
    stack, temporal, ...operator(temporal),
    [Symbol.asyncDispose]: async () => {
      worker.shutdown();
      await running.catch((e: unknown) => { console.error(e); });
      await connection.close();
      await stack.stop();
    },
  };
}

export const temporalCli = (stack: Stack) => async (...args: readonly string[]): Promise<Said> => {
  try {
    const { stdout, stderr } = await run(stack.temporal.binary, [...args, '--identity', 'operator', '--address', stack.temporal.address], { timeout: 60_000, maxBuffer: 64 << 20 });
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const e = error as { code?: number; stdout?: string; stderr?: string };
    return { code: typeof e.code === 'number' ? e.code : 1, out: e.stdout ?? '', err: e.stderr ?? String(error) };
  }
};

/** What an operator does with a migration, each through one CLI command. */
export function operator(temporal: (...args: readonly string[]) => Promise<Said>): Omit<Server, 'stack' | 'temporal' | typeof Symbol.asyncDispose> {
  const input = (x: unknown): readonly string[] => (x === undefined ? [] : ['--input', JSON.stringify(x)]);
  const progress = async (id: string): Promise<Progress> => {
    const said = await temporal('workflow', 'query', '--workflow-id', id, '--name', 'progress', '-o', 'json');
    if (said.code !== 0) throw new Error(`progress of ${id}: ${said.err}`);
    const { queryResult } = JSON.parse(said.out) as { queryResult: Progress[] };
    const [first] = queryResult;
    if (!first) throw new Error(`progress of ${id} is empty: ${said.out}`);
    return first;
  };
  const described = async (id: string): Promise<{ status: string }> => {
    const said = await temporal('workflow', 'describe', '--workflow-id', id, '-o', 'json');
    return { status: /WORKFLOW_EXECUTION_STATUS_([A-Z_]+)/.exec(said.out)?.[1] ?? 'UNKNOWN' };
  };
  const ended = async (id: string, withinMs = 60_000): Promise<{ status: string; result: string }> => {
    for (const deadline = Date.now() + withinMs; ; await pause(150)) {
      const { status } = await described(id);
      if (status !== 'RUNNING' && status !== 'UNKNOWN') {
        const result = await temporal('workflow', 'show', '--workflow-id', id, '-o', 'json');
        return { status, result: result.out };
      }
      if (Date.now() > deadline) throw new Error(`${id} still ${status}: ${JSON.stringify(await progress(id))}`);
    }
  };
  return {
    progress, described, ended,
    start: (scheme, x, id) => temporal('workflow', 'start', '--type', scheme, '--task-queue', taskQueue, '--workflow-id', id ?? workflowIdOf(x as Migration), '--id-conflict-policy', 'Fail', '--id-reuse-policy', 'AllowDuplicateFailedOnly', '--fail-existing', ...input(x)),
    signal: (id, name, x) => temporal('workflow', 'signal', '--workflow-id', id, '--name', name, ...input(x)),
    decide: (id, decision) => temporal('workflow', 'update', 'execute', '--workflow-id', id, '--name', 'decide', ...input(decision)),
    until: async (id, test, withinMs = 60_000) => {
      let last: Progress | null = null;
      for (const deadline = Date.now() + withinMs; Date.now() < deadline; await pause(100)) {
        last = await progress(id).catch(() => last);
        if (last && test(last)) return last;
      }
      throw new Error(`not within ${withinMs} ms; last progress: ${JSON.stringify(last)}`);
    },
    history: async (id) => (await temporal('workflow', 'show', '--workflow-id', id, '-o', 'json')).out,
  };
}
