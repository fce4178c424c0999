/**
 * The wall around every activity: it keeps the clock of the outage, the heartbeat and the cancel, ends the activity at
 * `untilMs` even when a call hangs, and lets only failures out that Temporal and an operator can act on, without secrets.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Context as Activity } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { Failure, failures } from '../domain/failures.ts';
import type { Until } from '../domain/ports.ts';
import type { Context } from '../domain/scheme.ts';

/** What Temporal gives an activity; tests bring their own. */
export interface Surroundings {
  /** With what was seen last, for whoever looks at the pending activity. */
  heartbeat(seen: string): void;
  /** Aborts on cancel and on worker shutdown; its reason is what Temporal wants to see thrown. */
  readonly signal: AbortSignal;
  now(): number;
}
export const temporalSurroundings = (): Surroundings => {
  const activity = Activity.current();
  return { heartbeat: (seen) => { activity.heartbeat(seen); }, signal: activity.cancellationSignal, now: () => Date.now() };
};

/** What a piece of work is given besides its arguments. */
export interface At {
  readonly until: Until;
  now(): number;
  /** Waits; ends early by throwing when the work is to stop. */
  pause(ms: number): Promise<void>;
  /** Remembers what was seen last: a budget that passes says it. */
  seen(say: string): void;
  /** What an error says, without secrets: for results, which nobody cleans. */
  words(error: unknown): string;
}

/** `read`: left at once on a cancel. `write`: waited for, so that an undo never begins beside a write that goes on. */
export type Manner = 'read' | 'write';

export interface BoundaryOptions {
  readonly surroundings?: () => Surroundings;
  /** Takes secrets out of a text. */
  readonly redact?: (text: string) => string;
  /** Below every heartbeat timeout; a cancel arrives with the answer to a heartbeat. */
  readonly heartbeatMs?: number;
  /** How long a cancelled write may take to come to rest. */
  readonly settleMs?: number;
}

const defaultHeartbeatMs = 200;
/** A heartbeat five times a second carries no essay. */
const longestSeen = 500;
const defaultSettleMs = 10_000;
/** Temporal keeps at most 4 KB of a failure's message. */
const longestMessageBytes = 4_000;

export type Enclose = <R>(name: string, x: { readonly c?: Context }, manner: Manner, body: (at: At) => Promise<R>) => Promise<R>;

export function boundary(options: BoundaryOptions = {}): Enclose {
  const { surroundings = temporalSurroundings, redact = (text) => text, heartbeatMs = defaultHeartbeatMs, settleMs = defaultSettleMs } = options;
  return async (name, x, manner, body) => {
    const s = surroundings();
    const watch = new Watch(name, x.c?.untilMs ?? null, { ...s, redact });
    const heart = setInterval(() => { s.heartbeat(redact(watch.last).slice(0, longestSeen)); }, heartbeatMs);
    try {
      s.heartbeat('');
      watch.until.check();
      const work = body(watch);
      work.catch(() => undefined); // when the race is lost, what it says later is of no interest
      return await Promise.race([work, watch.end(manner === 'read' ? 0 : settleMs)]);
    } catch (error) {
      throw toTemporal(watch.verdict(error), redact);
    } finally {
      clearInterval(heart);
      watch.close();
    }
  };
}

class Watch implements At {
  readonly until: Until;
  readonly #name: string;
  readonly #s: Surroundings & { readonly redact: (text: string) => string };
  readonly #untilMs: number | null;
  readonly #abort = new AbortController();
  readonly #startedMs: number;
  readonly #timers: NodeJS.Timeout[] = [];
  #onCancel: (() => void) | null = null;
  #seen = '';

  constructor(name: string, untilMs: number | null, s: Surroundings & { readonly redact: (text: string) => string }) {
    this.#name = name;
    this.#s = s;
    this.#untilMs = untilMs;
    this.#startedMs = s.now();
    const { signal } = this.#abort;
    this.until = {
      untilMs, signal,
      check: () => {
        if (this.#late()) throw this.#budget();
        signal.throwIfAborted();
        s.signal.throwIfAborted();
      },
      timeoutMs: (capMs) => Math.max(1, Math.min(capMs, (untilMs ?? Infinity) - s.now())),
    };
  }

  now(): number { return this.#s.now(); }
  seen(say: string): void { this.#seen = say; }
  words(error: unknown): string { return shorten(this.#s.redact(sayError(error))); }
  get last(): string { return this.#seen; }
  async pause(ms: number): Promise<void> {
    await sleep(this.until.timeoutMs(ms), undefined, { signal: this.until.signal }).catch(() => undefined);
    this.until.check();
  }

  /** Rejects when the time is up, and some time after a cancel. */
  end(settleMs: number): Promise<never> {
    return new Promise((_resolve, reject) => {
      const leave = (reason: unknown): void => reject(reason instanceof Error ? reason : new Error(String(reason)));
      if (this.#untilMs !== null) this.#after(this.#untilMs - this.#s.now(), () => {
        const spent = this.#budget();
        this.#abort.abort(spent);
        leave(spent);
      });
      this.#onCancel = () => {
        this.#abort.abort(this.#s.signal.reason);
        if (settleMs === 0) leave(this.#s.signal.reason);
        else this.#after(settleMs, () => { leave(this.#s.signal.reason); });
      };
      if (this.#s.signal.aborted) this.#onCancel();
      else this.#s.signal.addEventListener('abort', this.#onCancel, { once: true });
    });
  }

  /** Whatever a call said when the time was up or the cancel had come: that is the reason, not its words. */
  verdict(error: unknown): unknown {
    if (this.#late()) return this.#budget();
    return this.#s.signal.aborted ? this.#s.signal.reason : error;
  }

  /** Nothing begun by this work may write afterwards. */
  close(): void {
    for (const t of this.#timers) clearTimeout(t);
    if (this.#onCancel) this.#s.signal.removeEventListener('abort', this.#onCancel);
    this.#abort.abort(new Failure('BudgetExceeded', `${this.#name} has ended; nothing may be written for it any more.`));
  }

  #late(): boolean { return this.#untilMs !== null && this.#s.now() >= this.#untilMs; }
  #after(ms: number, then: () => void): void { this.#timers.push(setTimeout(then, Math.max(0, ms))); }
  #budget(): Failure {
    const seen = this.#seen === '' ? '' : ` Last seen: ${this.#seen}`;
    return new Failure('BudgetExceeded', `${this.#name} did not end before ${new Date(this.#untilMs ?? 0).toISOString()}, where the budget less the undo reserve ends (it had ${Math.max(0, (this.#untilMs ?? 0) - this.#startedMs)} ms).${seen}`);
  }
}

/** Total: a `Failure` keeps its type, anything else may pass by itself and is retried. Cancellation passes unchanged. */
function toTemporal(error: unknown, redact: (text: string) => string): unknown {
  if (error instanceof Failure) {
    const out = ApplicationFailure.create({ type: error.type, nonRetryable: failures[error.type].retry === 'ask', message: shorten(redact(error.message)) });
    out.stack = ''; // an operator's failure: our call stack would only fill the history
    return out;
  }
  // Only the SDK's own failures (CancelledFailure above all) may leave as they are.
  if (error instanceof Error && ['CancelledFailure', 'ApplicationFailure'].includes(error.name)) return error;
  const out = ApplicationFailure.create({ type: 'Unexpected', nonRetryable: false, message: shorten(redact(sayError(error))) });
  out.stack = error instanceof Error ? shorten(redact(error.stack ?? '')) : '';
  return out;
}

const sayError = (error: unknown): string => (error instanceof Failure ? error.message : error instanceof Error ? `${error.name}: ${error.message}` : String(error));

function shorten(text: string): string {
  if (Buffer.byteLength(text) <= longestMessageBytes) return text;
  return `${Buffer.from(text).subarray(0, longestMessageBytes - 4).toString('utf8').replace(/\uFFFD+$/u, '')}…`;
}
