/**
 * Test files that share a process: what they load is loaded once, and what the JIT learned in one serves the next. A file keeps a
 * process to itself if it has a stack, measures memory or holds the SDK's runtime. Those that wait for processes and servers of
 * their own share one in which nothing else keeps the thread busy.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const alone = /^test\/(workflows\/replay|adapters\/kafka\/(scan\/reader\.test|compare\/comparer))/;
const waiting = /^test\/(stack|demo|cli|workflows|adapters\/(fleet|hooks)|adapters\/kafka\/unreachable|readme)/;
/** Bodies that run in a thread (`apart.ts`): the thread loads what its process loads, and must meet no test of node:test there. */
const inThread = (name: string): boolean => { const text = readFileSync(name, 'utf8'); return /from '\.[^']*\/(apart|properties|wayback)\.ts'/.test(text) && !text.includes("from 'node:test'"); };

/** Dealt out in turn, so that neighbours (which are alike, and take alike) end in different processes. */
function dealt(names: readonly string[], piles: number): readonly (readonly string[])[] {
  return Array.from({ length: piles }, (_, pile) => names.filter((_name, i) => i % piles === pile)).filter((pile) => pile.length > 0);
}

/** Whether a file has its process to itself. */
export const isAlone = (name: string): boolean => /\.stack\.test\.(ts|mjs)$/.test(name) || alone.test(name);

/** Static imports, so that no test begins while others are still being loaded. */
function write(file: string, pile: readonly string[]): string {
  writeFileSync(file, pile.map((name) => `import ${JSON.stringify(pathToFileURL(resolve(name)).href)};\n`).join(''));
  return file;
}

/** Those files in one process, in this order; `Symbol.dispose` takes away what was written for it. */
export function inOrder(names: readonly string[]): { readonly file: string; [Symbol.dispose](): void } {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-tests-'));
  return { file: write(join(folder, 'pile.stack.test.mjs'), names), [Symbol.dispose]: () => { rmSync(folder, { recursive: true, force: true }); } };
}

/** Files to run in place of `names`, those that wait most and take longest first; `Symbol.dispose` takes away what was written for it. */
export function together(names: readonly string[]): { readonly files: readonly string[]; [Symbol.dispose](): void } {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-tests-'));
  const single = names.filter(isAlone);
  const shared = names.filter((n) => !isAlone(n));
  const light = shared.filter((n) => !waiting.test(n));
  const piles = [...dealt(shared.filter((n) => waiting.test(n)), 1), ...dealt(light.filter((n) => !inThread(n)), 2), ...dealt(light.filter((n) => inThread(n)), 2)];
  const written = piles.map((pile, i) => write(join(folder, `${i + 1}.mjs`), pile));
  const replay = single.filter((n) => n.includes('/replay'));
  return { files: [...replay, ...written, ...single.filter((n) => !replay.includes(n))], [Symbol.dispose]: () => { rmSync(folder, { recursive: true, force: true }); } };
}
