/** What a command talks to: two streams, a person when there is a terminal, and the exit codes. */
import { createInterface } from 'node:readline/promises';

/** 0: done. 1: it failed, was refused, or found something wrong. 2: the command or a file given to it is wrong. */
export type ExitCode = 0 | 1 | 2;

export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Columns of the terminal that `out` writes to; `null`: no terminal. */
  readonly columns: number | null;
  /** Asks the person at the terminal; `null`: nobody can be asked. */
  readonly ask: ((question: string) => Promise<string>) | null;
  /** From the first call on Ctrl-C no longer ends the process: it aborts this signal, with a `Stop`. */
  readonly interrupted: () => AbortSignal;
}

/** Ends a command with one clear message. */
export class Stop extends Error {
  readonly exitCode: ExitCode;
  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Either one JSON document or text for people: never both on one stream. */
export function print(io: Io, json: boolean, x: { readonly json: unknown; readonly text: string }): void {
  io.out(json ? `${JSON.stringify(x.json, null, 2)}\n` : x.text === '' || x.text.endsWith('\n') ? x.text : `${x.text}\n`);
}

export function processIo(): Io {
  let stop: AbortController | null = null;
  const interrupted = (): AbortSignal => {
    if (stop !== null) return stop.signal;
    const controller = new AbortController();
    stop = controller;
    process.once('SIGINT', () => { controller.abort(new Stop(1, 'No longer watching. The migration goes on by itself.')); });
    return controller.signal;
  };
  return {
    out: (text) => { process.stdout.write(text); },
    err: (text) => { process.stderr.write(text); },
    columns: process.stdout.isTTY ? process.stdout.columns : null,
    ask: process.stdin.isTTY && process.stderr.isTTY ? askOnTerminal : null,
    interrupted,
  };
}

/** On stderr, so that stdout stays clean for `--json`. */
async function askOnTerminal(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}
