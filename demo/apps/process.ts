/** What every demo application is told (arguments and environment), how it reaches its cluster, and how it is stopped. */
import { parseArgs } from 'node:util';
import { Kafka, logLevel, type SASLOptions } from 'kafkajs';
import type { Side } from '../../src/domain/authority.ts';
import { Journal } from '../journal.ts';

export interface Told {
  readonly application: string;
  readonly instance: string;
  readonly side: Side;
  readonly bootstrap: readonly string[];
  readonly folder: string;
  readonly option: (name: string) => string;
}

const text = { type: 'string' } as const;
const options = {
  application: text, instance: { ...text, default: '0/1' }, side: text, bootstrap: text, journal: text,
  topic: { ...text, default: 'orders' }, topics: text, group: text, to: { ...text, default: 'enriched' },
  rate: { ...text, default: '500' }, traffic: { ...text, default: 'anywhere' }, live: { ...text, default: 'live' }, keys: { ...text, default: '64' }, 'behind-ms': { ...text, default: '0' }, 'rest-ms': { ...text, default: '100' },
} as const;

/** `--instance i/n`: the i-th of n. Journals name it `i-n`. */
export function told(argv: readonly string[] = process.argv.slice(2)): Told {
  const { values } = parseArgs({ args: [...argv], options, strict: true });
  const need = (name: string): string => {
    const value = (values as Readonly<Record<string, string | undefined>>)[name];
    if (value === undefined) throw new Error(`--${name} is missing.`);
    return value;
  };
  const side = need('side');
  if (side !== 'source' && side !== 'target') throw new Error(`--side is ${side}; wanted source or target.`);
  return { application: need('application'), instance: need('instance'), side, bootstrap: need('bootstrap').split(','), folder: need('journal'), option: need };
}

export const openJournal = (t: Told): Journal =>
  new Journal(t.folder, { application: t.application, instance: t.instance.replace('/', '-'), side: t.side, pid: process.pid, atMs: Date.now() });

/**
 * What a set of processes is told from outside while it runs: where traffic goes, and whether a set on the target has effect.
 * Without a switch (see `demo/green.ts`) traffic goes everywhere and everybody is live.
 */
export class Orders {
  readonly #side: Side;
  #traffic: string;
  #live: string;
  constructor(t: Told) {
    this.#side = t.side;
    [this.#traffic, this.#live] = [t.option('traffic'), t.option('live')];
    process.on('message', (m: unknown) => {
      const { id, traffic, live } = (m ?? {}) as Readonly<Record<string, string | undefined>>;
      if (traffic !== undefined) this.#traffic = traffic;
      if (live !== undefined) this.#live = live;
      process.send?.(id);
    });
  }
  /** Works without effect. */
  get muted(): boolean { return this.#side === 'target' && this.#live === 'muted'; }
  /** Requests come here. */
  get busy(): boolean { return !this.muted && (this.#traffic === 'anywhere' || this.#traffic === this.#side); }
}

/** Credentials come by environment: `KAFKA_USERNAME`, `KAFKA_PASSWORD`, `KAFKA_MECHANISM` (default scram-sha-512). */
export function kafka(t: Told): Kafka {
  const { KAFKA_USERNAME: username, KAFKA_PASSWORD: password, KAFKA_MECHANISM: mechanism = 'scram-sha-512' } = process.env;
  return new Kafka({
    clientId: `${t.application}-${t.instance.replace('/', '-')}`,
    brokers: [...t.bootstrap],
    logLevel: logLevel.WARN,
    // Short pauses: a fresh coordinator says "not yet" for some milliseconds, and a start is inside the outage.
    retry: { initialRetryTime: 30, maxRetryTime: 1_000, retries: 30, factor: 0.3, multiplier: 1.6 },
    connectionTimeout: 3_000,
    ...(username !== undefined && password !== undefined ? { sasl: { mechanism: mechanism.toLowerCase(), username, password } as SASLOptions } : {}),
  });
}

/** The wish to stop: SIGTERM, SIGINT, or the parent gone. */
export class Stopping {
  readonly #abort = new AbortController();
  constructor() {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => this.#abort.abort());
    if (process.channel) process.once('disconnect', () => this.#abort.abort()); // an orphan would go on writing
  }
  get asked(): boolean {
    return this.#abort.signal.aborted;
  }
  get wish(): Promise<void> {
    return new Promise((resolve) => {
      if (this.asked) resolve();
      else this.#abort.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }
  /** For what comes before any work: who is asked to stop meanwhile has nothing to finish, and its brokers may be away for long. */
  async before<T>(begun: Promise<T>): Promise<T> {
    let over = false;
    void this.wish.then(() => { if (!over) process.exit(0); });
    try { return await begun; } finally { over = true; }
  }
  /** Ends early when asked to stop. */
  async pause(ms: number): Promise<void> {
    if (this.asked || ms <= 0) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#abort.signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#abort.signal.addEventListener('abort', done, { once: true });
    });
  }
}

/** Tells the one who started us that we are connected. */
export const tellReady = (journal: Journal): void => {
  journal.write([{ is: 'ready', atMs: Date.now() }]);
  process.send?.('ready');
};

/** What a record of the demo carries. */
export interface Order { readonly seq: number; readonly by: string; readonly note: string }
export const seqOf = (value: Buffer | null): number => {
  const order = JSON.parse(value?.toString('utf8') ?? 'null') as Partial<Order> | null;
  if (typeof order?.seq !== 'number') throw new Error('A record without a sequence number: not one of the demo.');
  return order.seq;
};
