/**
 * An application that reads one topic and writes another, whose two addresses can be switched apart: one process, two fleets. It
 * sends a batch, waits until it is acknowledged and commits then; while its writing is stopped its reading holds on to the batch.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { Kafka, logLevel, type Consumer, type EachBatchPayload, type Producer } from 'kafkajs';
import { z } from 'zod';
import type { FleetConfig } from '../../src/domain/catalog.ts';
import type { Side } from '../../src/domain/authority.ts';

export interface Address { readonly bootstrap: Readonly<Record<Side, readonly string[]>>; readonly from: string; readonly to: string; readonly group: string }
interface Half<T> { readonly on: Side; readonly client: T }
const call = z.object({ application: z.string(), on: z.enum(['source', 'target']).optional(), untilMs: z.number().nullish() });

export class Forwarder implements AsyncDisposable {
  /** What each half was told, in order: `reads on target`. */
  readonly told: string[] = [];
  readonly token = randomUUID();
  readonly #x: Address;
  #reads: Half<Consumer> | null = null;
  #writes: Half<Producer> | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #batch: Promise<unknown> = Promise.resolve();
  #sending: Promise<unknown> = Promise.resolve();
  #busyMs = Date.now();
  readonly #server = createServer((q, s) => { void this.#serve(q, s); });
  constructor(x: Address) { this.#x = x; }

  /** Since it last had something to forward. */
  get quietMs(): number { return Date.now() - this.#busyMs; }
  get reads(): Side | null { return this.#reads?.on ?? null; }
  get writes(): Side | null { return this.#writes?.on ?? null; }

  /** Serves both fleets; the name of the application says which half is meant. `tokenFile` holds the token. */
  async listen(tokenFile: string): Promise<Readonly<Record<string, FleetConfig>>> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const fleet: FleetConfig = { kind: 'webhook', url: `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`, token: `file:${tokenFile}`, timeoutMs: 15_000 };
    return { 'forwarder-reads': fleet, 'forwarder-writes': fleet };
  }
  async start(half: string, on: Side): Promise<void> {
    await (half === 'forwarder-reads' ? this.#startReading(on) : this.#startWriting(on));
    this.told.push(`${half} on ${on}`);
  }
  async stop(half: string): Promise<void> {
    await (half === 'forwarder-reads' ? this.#stopReading() : this.#stopWriting());
    this.told.push(`${half} stopped`);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await this.#stopReading();
    await this.#stopWriting();
  }

  #kafka(on: Side): Kafka { return new Kafka({ clientId: 'forwarder', brokers: [...this.#x.bootstrap[on]], logLevel: logLevel.NOTHING, retry: { retries: 20, maxRetryTime: 1_000 } }); }
  async #startReading(on: Side): Promise<void> {
    if (this.#reads?.on === on) return;
    await this.#stopReading();
    const client = this.#kafka(on).consumer({ groupId: this.#x.group, readUncommitted: false, allowAutoTopicCreation: false, maxWaitTimeInMs: 300 });
    this.#reads = { on, client };
    await client.connect();
    await client.subscribe({ topics: [this.#x.from], fromBeginning: true });
    await client.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: (x) => {
      const batch = this.#forward(client, x);
      this.#batch = batch.catch(() => undefined); // its error is the consumer's
      return batch;
    } });
  }
  async #stopReading(): Promise<void> {
    const half = this.#reads;
    this.#reads = null;
    // Its commit needs the member.
    await this.#batch;
    await half?.client.disconnect();
  }
  async #startWriting(on: Side): Promise<void> {
    if (this.#writes?.on === on) return;
    await this.#stopWriting();
    const client = this.#kafka(on).producer({ idempotent: true, allowAutoTopicCreation: false });
    await client.connect();
    this.#writes = { on, client };
  }
  async #stopWriting(): Promise<void> {
    const half = this.#writes;
    this.#writes = null;
    await this.#sending;
    await half?.client.disconnect();
  }

  /** A batch that was sent is committed, also when reading is stopped meanwhile; one that was not sent comes again. */
  async #forward(client: Consumer, x: EachBatchPayload): Promise<void> {
    const { batch } = x;
    const isOver = (): boolean => this.#reads?.client !== client || !x.isRunning() || x.isStale();
    for (; this.#writes === null; await new Promise((r) => setTimeout(r, 25))) {
      if (isOver()) return;
      await x.heartbeat();
    }
    if (isOver()) return;
    const sending = this.#writes.client.send({ topic: this.#x.to, acks: -1, messages: batch.messages.map(({ key, value }) => ({ key, value })) });
    this.#sending = sending.catch(() => undefined); // its error is the batch's
    await sending;
    this.#busyMs = Date.now();
    const last = batch.messages.at(-1)?.offset ?? '0';
    await client.commitOffsets([{ topic: batch.topic, partition: batch.partition, offset: String(BigInt(last) + 1n) }]);
    x.resolveOffset(last);
  }

  async #serve(q: IncomingMessage, s: ServerResponse): Promise<void> {
    const answer = (status: number, body: object): void => { s.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)); };
    try {
      const url = new URL(q.url ?? '/', 'http://loopback');
      if (q.headers.authorization !== `Bearer ${this.token}`) { answer(401, { error: 'The token is another one.' }); return; }
      if (q.method === 'GET') { answer(200, this.#state(url.searchParams.get('application') ?? '')); return; }
      const { application, on, untilMs } = call.parse(await json(q));
      // One call after the other, and none that comes to its turn too late.
      const turn = this.#turn.then(async () => {
        if (untilMs && Date.now() >= untilMs) { answer(409, { error: 'The time of this call has passed.' }); return; }
        await (url.pathname === '/start' ? this.start(application, on ?? 'source') : this.stop(application));
        answer(200, this.#state(application));
      });
      this.#turn = turn.catch(() => undefined); // told to whoever called
      await turn;
    } catch (e) {
      answer(500, { error: e instanceof Error ? e.message : String(e) });
    }
  }
  #state(application: string): { readonly source: number; readonly target: number } {
    const on = application === 'forwarder-reads' ? this.reads : this.writes;
    return { source: Number(on === 'source'), target: Number(on === 'target') };
  }
}
