/** The command line run in this process, with its two streams caught and a person who gives the answers listed. */
import type { Io } from '../../src/cli/io.ts';
import { runCli } from '../../src/cli/program.ts';

export interface Ran { readonly code: number; readonly out: string; readonly err: string }
export interface Terminal {
  /** `null`: no terminal. */
  readonly columns?: number;
  /** What the person types; without it nobody can be asked. */
  readonly typed?: string;
  /** Ctrl-C. */
  readonly interrupted?: AbortSignal;
  /** Told every piece of stdout as it comes. */
  readonly seen?: (text: string) => void;
  /** The same for stderr. */
  readonly told?: (text: string) => void;
}

export async function cutover(args: readonly string[], x: Terminal = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const { typed } = x;
  const io: Io = {
    out: (text) => { out += text; x.seen?.(text); },
    err: (text) => { err += text; x.told?.(text); },
    columns: x.columns ?? null,
    ask: typed === undefined ? null : (question) => { err += question; return Promise.resolve(typed); },
    interrupted: () => x.interrupted ?? new AbortController().signal,
  };
  const code = await runCli(args, io);
  return { code, out, err };
}
