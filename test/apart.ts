/**
 * `describe` and `test` for bodies of thousands of promises: node:test watches every promise of its thread, which costs such a
 * body a third of its time. Here the body runs in a thread of its own, which loads the same file and in which node:test never begins.
 */
import * as harness from 'node:test';
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

export interface Telling { diagnostic(message: string): void }
type Body = (t: Telling) => void | Promise<void>;
interface Answer { readonly said: readonly string[]; readonly error: { readonly name: string; readonly message: string; readonly stack: string } | null }

const separator = ' > ';
/** Names of the suites around what is being declared. */
const around: string[] = [];
const bodies = new Map<string, Body>();

export function describe(name: string, declare: () => void): void {
  const inside = (): void => { around.push(name); try { declare(); } finally { around.pop(); } };
  if (isMainThread) harness.describe(name, inside);
  else inside();
}

interface Options { readonly timeout?: number }
export function test(name: string, body: Body): void;
export function test(name: string, options: Options, body: Body): void;
export function test(name: string, given: Options | Body, then?: Body): void {
  const [options, body] = typeof given === 'function' ? [{}, given] : [given, then];
  if (!body) throw new Error(`Test "${name}" has no body.`);
  const path = [...around, name].join(separator);
  if (!isMainThread) {
    if (bodies.has(path)) throw new Error(`Two tests are called "${path}".`);
    bodies.set(path, body);
    return;
  }
  harness.test(name, options, async (t) => {
    const { said, error } = await ask(path);
    for (const line of said) t.diagnostic(line);
    if (error) throw Object.assign(new Error(error.message), { name: error.name, stack: error.stack });
  });
}
export const it = test;

let thread: Worker | null = null;
// Here and not where it begins: what is declared within a test ends with that test.
if (isMainThread) harness.after(() => thread?.terminate());
async function ask(path: string): Promise<Answer> {
  thread ??= new Worker(process.argv[1] ?? '', { resourceLimits: { maxYoungGenerationSizeMb: 64 } });
  thread.postMessage(path);
  // A thread that dies rejects this by its `error` event.
  const [answer] = await once(thread, 'message') as [Answer];
  return answer;
}

async function answer(path: string): Promise<Answer> {
  const said: string[] = [];
  try {
    const body = bodies.get(path);
    if (!body) throw new Error(`The thread knows no test "${path}": names must not change from one load of the file to the next.`);
    await body({ diagnostic: (line) => { said.push(line); } });
    return { said, error: null };
  } catch (e) {
    const { name, message, stack = '' } = e instanceof Error ? e : new Error(String(e));
    return { said, error: { name, message, stack } };
  }
}
parentPort?.on('message', (path: string) => { void answer(path).then((a) => { parentPort?.postMessage(a); }); });
