/** The Cutover worker as its own process: `node src/worker/main.ts --catalog catalog.yaml`. Says `ready` when it polls. */
import { parseArgs } from 'node:util';
import { Failure } from '../domain/failures.ts';
import { runWorker } from './worker.ts';

const { values } = parseArgs({ options: { catalog: { type: 'string', short: 'c' } } });
try {
  if (values.catalog === undefined) throw new Failure('BadCatalog', 'No catalog given.', 'Name it: --catalog catalog.yaml');
  await runWorker(values.catalog, { onReady: (line) => { console.log(line); } });
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
