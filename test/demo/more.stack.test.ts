/** What else the demo is asked: a scheme without a copy, and to stop. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { markName, markedProcesses } from '../../stack/processes.ts';
import { eventually } from '../adapters/fleet/until.ts';
import { demo, result } from './play.ts';

/** Without a copy: the demo fails unless what its books miss is what was counted at the stop. The ways back of the other schemes are a scenario. */
test('demo: restartAllAtOnce without data loses what was counted and consented to, and is rolled back after the opening', async () => {
  const r = await result('--scheme', 'restartAllAtOnce', '--without-data', '--rollback', 'after-opening', '--records', '5000', '--rate', '300', '--stay', '5');
  assert.deepEqual([r.scheme, r.outcome], ['restartAllAtOnce', 'rolled-back']);
  assert.ok((r.records['lost'] ?? 0) > 0, JSON.stringify(r.records));
  assert.deepEqual([r.records['duplicated'], r.records['reordered']], [0, 0]);
});

/** The mark that the stack put on the processes the demo started; empty while there are none. */
function markOf(parent: number): string {
  for (const entry of readdirSync('/proc').filter((x) => /^\d+$/.test(x)))
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const ppid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      const mark = ppid === parent ? new RegExp(`\0${markName}=([^\0]+)`).exec(`\0${readFileSync(`/proc/${entry}/environ`, 'latin1')}`)?.[1] : undefined;
      if (mark !== undefined) return mark;
    } catch {
      continue; // gone meanwhile
    }
  return '';
}

test('demo: Ctrl-C stops everything it started', async () => {
  const { child, shown, ended } = demo('--yes');
  let mark = '';
  // The stack marks its processes; one broker is enough to know the mark.
  await eventually('the applications run', async () => {
    mark ||= markOf(child.pid ?? 0);
    return mark !== '' && markedProcesses(mark).length >= 9;
  }, 120_000);
  child.kill('SIGINT');
  const [code] = await ended;
  assert.equal(code, 130, (await shown).slice(-3_000));
  await eventually('nothing is left', () => markedProcesses(mark).length === 0, 15_000);
});
