/** Fleets of many applications in one process: on the target a real consumer or producer each, on the source only a number. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Kafka, Partitioners, logLevel, type Consumer, type Producer } from 'kafkajs';

interface Application { readonly name: string; readonly writes: readonly string[]; readonly reads: readonly { readonly group: string; readonly topics: readonly string[] }[] }
interface State { source: number; target: number; readonly clients: (() => Promise<void>)[] }
type Side = 'source' | 'target';

export class SimulatedFleets implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  readonly #kafka: Kafka;
  readonly #applications: ReadonlyMap<string, Application>;
  readonly #states = new Map<string, State>();
  #producer: Promise<Producer> | null = null;

  private constructor(x: { readonly target: readonly string[]; readonly applications: readonly Application[] }, server: Server) {
    this.#kafka = new Kafka({ brokers: [...x.target], logLevel: logLevel.NOTHING });
    this.#applications = new Map(x.applications.map((a) => [a.name, a]));
    for (const a of x.applications) this.#states.set(a.name, { source: 1, target: 0, clients: [] });
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(x: { readonly target: readonly string[]; readonly applications: readonly Application[] }): Promise<SimulatedFleets> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const fleets = new SimulatedFleets(x, server);
    server.on('request', (request, response) => {
      let body = '';
      request.on('data', (d: Buffer) => { body += d.toString(); });
      request.on('end', () => {
        const [, name = '', call = ''] = (request.url ?? '').split('?')[0]?.split('/') ?? [];
        fleets.#serve(name, call, body).then(
          (state) => { response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(state)); },
          (e: unknown) => { response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify({ error: String(e) })); });
      });
    });
    return fleets;
  }

  async #serve(name: string, call: string, body: string): Promise<Readonly<Record<Side, number>>> {
    const state = this.#states.get(name);
    const application = this.#applications.get(name);
    if (!state || !application) throw new Error(`no application ${name}`);
    const { on } = (body === '' ? {} : JSON.parse(body)) as { on?: Side };
    if (call === 'stop') await this.#stop(state);
    if (call === 'start' && on !== undefined && state[on] === 0) {
      await this.#stop(state);
      state[on] = 1;
      if (on === 'target') await this.#run(application, state);
    }
    return { source: state.source, target: state.target };
  }

  async #stop(state: State): Promise<void> {
    Object.assign(state, { source: 0, target: 0 });
    await Promise.all(state.clients.splice(0).map((close) => close()));
  }

  async #run(a: Application, state: State): Promise<void> {
    for (const r of a.reads) {
      const consumer: Consumer = this.#kafka.consumer({ groupId: r.group, allowAutoTopicCreation: false, maxWaitTimeInMs: 5_000, sessionTimeout: 60_000, heartbeatInterval: 10_000 });
      await consumer.connect();
      await consumer.subscribe({ topics: [...r.topics], fromBeginning: true });
      await consumer.run({ autoCommitInterval: 1_000, eachMessage: async () => undefined });
      state.clients.push(() => consumer.disconnect());
    }
    if (a.writes.length === 0) return;
    const producer = await (this.#producer ??= connected(this.#kafka));
    const timer = setInterval(() => { void producer.sendBatch({ acks: -1, topicMessages: a.writes.slice(0, 3).map((topic) => ({ topic, messages: [{ key: a.name, value: 'at work' }] })) }).catch(() => undefined); }, 500);
    state.clients.push(async () => { clearInterval(timer); });
  }

  /** The small data of the source: so many records in each partition. */
  static async write(bootstrap: readonly string[], topics: readonly { readonly name: string; readonly partitions: number }[], records: number): Promise<void> {
    const producer = await connected(new Kafka({ brokers: [...bootstrap], logLevel: logLevel.NOTHING }));
    try {
      for (let i = 0; i < topics.length; i += 50)
        await producer.sendBatch({ acks: -1, topicMessages: topics.slice(i, i + 50).map((t) => ({ topic: t.name, messages: Array.from({ length: t.partitions * records }, (_, n) => ({ partition: n % t.partitions, key: `${n}`, value: `record ${n}` })) })) });
    } finally {
      await producer.disconnect();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await Promise.all([...this.#states.values()].map((s) => this.#stop(s).catch(() => undefined)));
    if (this.#producer !== null) await (await this.#producer).disconnect();
  }
}

async function connected(kafka: Kafka): Promise<Producer> {
  const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  return producer;
}
