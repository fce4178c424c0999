/** The static part of `npm run check`: types, lint with the import rule, the workflow bundle. Each is a step that passes or fails. */
import { spawn } from 'node:child_process';

export interface StepResult { readonly name: string; readonly ok: boolean; readonly ms: number }

export async function command(name: string, program: string, args: readonly string[]): Promise<StepResult> {
  const from = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (d: Buffer) => { output += d.toString(); });
  child.stderr.on('data', (d: Buffer) => { output += d.toString(); });
  const code = await new Promise<number | null>((resolve, reject) => { child.on('error', reject); child.on('close', resolve); });
  const ms = Math.round(performance.now() - from);
  console.log(`${code === 0 ? '✔' : '✘'} ${name} (${(ms / 1000).toFixed(1)} s)`);
  if (code !== 0) console.log(output.trim());
  return { name, ok: code === 0, ms };
}

export async function staticSteps(): Promise<readonly StepResult[]> {
  const node = process.execPath;
  return Promise.all([
    command('types', 'tsc', ['--noEmit', '-p', '.']),
    command('lint and import directions', 'oxlint', ['--type-aware', '--quiet', 'src', 'test', 'demo', 'stack', 'bench']),
    command('workflow bundle', node, ['-e', "import('./src/worker/bundle.ts').then((b) => b.workflowBundle())"]),
  ]);
}
