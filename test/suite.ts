/** Runs node:test files and counts; the closing line is `N passed, N failed`. */
import { glob } from 'node:fs/promises';
import { run } from 'node:test';
import type { EventData } from 'node:test';
import { spec } from 'node:test/reporters';
import { join } from 'node:path';
import { cacheFolder } from '../stack/cache.ts';
import { isAlone, together } from './together.ts';

/** Tests run in many processes, and all of them load the same modules. */
process.env['NODE_COMPILE_CACHE'] ??= join(cacheFolder(), 'node');

/** `failures`: file, name and error of each test that failed, for the end of a long log. */
export interface Counts { passed: number; failed: number; skipped: number; readonly failures: string[] }

export async function files(kind: 'fast' | 'stack'): Promise<string[]> {
  const all: string[] = [];
  for await (const file of glob('test/**/*.test.ts')) all.push(file);
  return all.filter((f) => f.endsWith('.stack.test.ts') === (kind === 'stack')).sort();
}

/** `concurrency`: processes at a time. One that hangs ends as failed after `timeoutMs`. What prints at its end can run beside another. */
export async function runFiles(names: readonly string[], options: { concurrency: number; timeoutMs: number; print?: 'as it comes' | 'at the end' }): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0, failures: [] };
  using shared = together(names);
  const stream = run({ files: [...shared.files], concurrency: options.concurrency, timeout: options.timeoutMs });
  stream.on('test:summary', (summary) => {
    if (summary.file !== undefined) return;
    counts.passed = summary.counts.passed;
    counts.failed = summary.counts.tests - summary.counts.passed - summary.counts.skipped - summary.counts.todo;
    counts.skipped = summary.counts.skipped;
  });
  let isFailed = false;
  stream.on('test:fail', (fail) => {
    isFailed = true;
    counts.failures.push(...failureOf(fail));
  });
  const reported = stream.compose(spec);
  const kept: string[] = [];
  for await (const chunk of reported) {
    if (options.print === 'at the end') kept.push(chunk as string);
    else process.stdout.write(chunk as string);
  }
  process.stdout.write(kept.join(''));
  if (isFailed) counts.failed = Math.max(counts.failed, 1);
  return counts;
}

/** A parent fails with its children; theirs is the cause. */
function failureOf({ file, name, details: { error } }: EventData.TestFail): readonly string[] {
  if ('failureType' in error && error.failureType === 'subtestsFailed') return [];
  const cause = error.cause instanceof Error ? error.cause.stack ?? error.cause.message : String(error.cause ?? error.message);
  const lines = cause.split('\n').filter((line) => !/^ +at .*\(?node:/.test(line));
  return [`  ${file ?? ''}: ${name}\n${lines.map((line) => `    ${line}`).join('\n')}`];
}

/** Everything without a stack. A file alone has two minutes, as a process that many files share has `sharedMs`. */
export async function runFast(sharedMs: number): Promise<Counts> {
  const names = await files('fast');
  const [one, other] = await Promise.all([
    runFiles(names.filter((n) => !isAlone(n)), { concurrency: 5, timeoutMs: sharedMs }),
    runFiles(names.filter(isAlone), { concurrency: 2, timeoutMs: 120_000, print: 'at the end' }),
  ]);
  return { passed: one.passed + other.passed, failed: one.failed + other.failed, skipped: one.skipped + other.skipped, failures: [...one.failures, ...other.failures] };
}

/** Printed last, above the closing line: who reads a long log reads its end. */
export function printFailures(failures: readonly string[]): void {
  if (failures.length > 0) console.log(`\nFailed:\n${failures.join('\n')}\n`);
}
