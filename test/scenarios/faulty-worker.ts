/**
 * Cutover's worker with one fault, named by the file `CUTOVER_FAULT` points to and read at each call: empty or absent is none.
 * `hang`: the cut is to be marked after its time has passed and without its time limit; until then no heartbeat. `die`: the process is killed there.
 * `leak`: the assessment tells the secret of the second line in a heartbeat and in its failure.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { Work } from '../../src/activities/work.ts';
import { runWorker } from '../../src/worker/worker.ts';

const file = process.env['CUTOVER_FAULT'] ?? '';
/** How much later than allowed the hanging call writes, ms. */
const lateMs = 1_000;

function fault(): readonly string[] {
  return readFileSync(file, 'utf8').split('\n');
}
/** Said back to the test; the fault comes once. */
function met(what: string): void {
  writeFileSync(file, `met ${what}`);
  console.log(`fault: ${what}`);
}

const faulty = (work: Work): Work => ({
  ...work,
  async markCut(x) {
    const [what] = fault();
    if (what === 'die') {
      met(what);
      process.kill(process.pid, 'SIGKILL');
    }
    if (what !== 'hang' || x.c.untilMs === null) return work.markCut(x);
    met(what);
    await sleep(x.c.untilMs + lateMs - Date.now());
    try {
      // Without its time limit: only the cancel is left to hold it.
      return await work.markCut({ ...x, c: { ...x.c, untilMs: null } });
    } finally {
      console.log('fault: tried to write late');
    }
  },
  async assess(x) {
    const [what, secret = ''] = fault();
    if (what !== 'leak') return work.assess(x);
    for (let i = 0; i < 20; i++) {
      Context.current().heartbeat({ seen: Buffer.from(`sasl ${secret}`).toString('base64') });
      await sleep(100);
    }
    throw new Error(`refused: https://mm2:${encodeURIComponent(secret)}@connect`);
  },
});

const catalog = process.argv[process.argv.indexOf('--catalog') + 1] ?? '';
await runWorker(catalog, { onReady: (line) => { console.log(line); }, wrap: faulty });
