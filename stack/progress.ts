/** Shows long set-up work on stderr: one line that renews itself on a terminal, a line every 15 seconds elsewhere. */

export interface Task {
  /** What it is doing now, e.g. `312 of 1480 packages compiled`. */
  say(now: string): void;
  end(how: string): void;
}

export interface Output { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown }

const everyMs = { terminal: 250, plain: 15_000 };

interface Running { readonly name: string; readonly sinceMs: number; now: string }

export class Progress {
  readonly #out: Output;
  readonly #running = new Set<Running>();
  #timer: NodeJS.Timeout | null = null;

  constructor(out: Output = process.stderr) { this.#out = out; }

  begin(name: string, now = 'begins'): Task {
    const task: Running = { name, sinceMs: Date.now(), now };
    this.#running.add(task);
    if (this.#out.isTTY !== true) this.#line(task);
    this.#timer ??= setInterval(() => this.#show(), this.#out.isTTY === true ? everyMs.terminal : everyMs.plain);
    return {
      say: (text) => { task.now = text; },
      end: (how) => {
        task.now = how;
        this.#running.delete(task);
        this.#clearLine();
        this.#line(task);
        if (this.#running.size > 0) return;
        if (this.#timer !== null) clearInterval(this.#timer);
        this.#timer = null;
      },
    };
  }

  #text(task: Running): string {
    const seconds = Math.round((Date.now() - task.sinceMs) / 1000);
    return `${task.name}: ${task.now}${seconds > 0 ? ` (${seconds} s)` : ''}`;
  }
  #line(task: Running): void { this.#out.write(`set-up · ${this.#text(task)}\n`); }
  #clearLine(): void { if (this.#out.isTTY === true) this.#out.write('\r\u001b[K'); }

  #show(): void {
    if (this.#out.isTTY !== true) {
      for (const task of this.#running) this.#line(task);
      return;
    }
    const line = `set-up · ${[...this.#running].map((task) => this.#text(task)).join(' · ')}`;
    this.#out.write(`\r\u001b[K${line.slice(0, (this.#out.columns ?? 120) - 1)}`);
  }
}
