/** `cutover worker`: runs the worker of a catalog in this process until it is told to stop. */
import type { Command } from 'commander';
import { Stop, type ExitCode, type Io } from './io.ts';
import type { Run } from './program.ts';

interface WorkerOptions { readonly catalog?: string; readonly json?: boolean; readonly profile?: string }

export function workerCommand(program: Command, run: Run): void {
  program.command('worker').description('run a worker; run two of them, so that one is there when the other dies in an outage')
    .option('-c, --catalog <file>', 'catalog, YAML (CUTOVER_CATALOG)', process.env['CUTOVER_CATALOG'])
    .option('--profile <name>', "profile of Temporal's configuration (as for temporal --profile)")
    .option('--json', 'the line that says it is ready as JSON')
    .action((options: WorkerOptions) => run((io) => worker(io, options)));
}

async function worker(io: Io, options: WorkerOptions): Promise<ExitCode> {
  if (options.catalog === undefined) throw new Stop(2, 'No catalog given: name it with --catalog or CUTOVER_CATALOG. examples/catalog.yaml is one.');
  if (options.profile !== undefined) process.env['TEMPORAL_PROFILE'] = options.profile;
  // Only this command needs the worker with all its adapters; the others start without it.
  const { runWorker } = await import('../worker/worker.ts');
  await runWorker(options.catalog, { onReady: (line) => { io.out(options.json === true ? `${JSON.stringify({ ready: line })}\n` : `${line}\n`); } });
  return 0;
}
