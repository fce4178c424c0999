/** Fleets of many applications in one process: what one of them does on a side is given, and is closed when it is stopped. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Side } from '../src/domain/authority.ts';

export interface SimulatedApplication { readonly name: string; readonly writes: readonly string[]; readonly reads: readonly { readonly group: string; readonly topics: readonly string[] }[] }
export type Close = () => Promise<void>;
/** Starts an application on a side. */
export type Runs = (a: SimulatedApplication, side: Side) => Promise<Close>;
interface State { source: number; target: number; close: Close | null; /** One call at a time: a repeated one must see what the first did. */ turn: Promise<unknown> }

export class SimulatedFleets implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  readonly #runs: Runs;
  readonly #applications: ReadonlyMap<string, SimulatedApplication>;
  readonly #states = new Map<string, State>();

  private constructor(x: { readonly applications: readonly SimulatedApplication[]; readonly runs: Runs }, server: Server) {
    this.#runs = x.runs;
    this.#applications = new Map(x.applications.map((a) => [a.name, a]));
    for (const a of x.applications) this.#states.set(a.name, { source: 0, target: 0, close: null, turn: Promise.resolve() });
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** All of them at work on the source. */
  static async start(x: { readonly applications: readonly SimulatedApplication[]; readonly runs: Runs }): Promise<SimulatedFleets> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const fleets = new SimulatedFleets(x, server);
    server.on('request', (request, response) => {
      let body = '';
      request.on('data', (d: Buffer) => { body += d.toString(); });
      request.on('end', () => {
        const [, name = '', call = ''] = (request.url ?? '').split('?')[0]?.split('/') ?? [];
        fleets.call(name, call, body).then(
          (state) => { response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(state)); },
          (e: unknown) => { response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify({ error: String(e) })); });
      });
    });
    const starts = await Promise.allSettled(x.applications.map((a) => fleets.call(a.name, 'start', '{"on":"source"}')));
    const failed = starts.find((s) => s.status === 'rejected');
    if (failed === undefined) return fleets;
    // All of them have come up by now, or will not: nobody stays behind.
    await fleets[Symbol.asyncDispose]();
    throw failed.reason;
  }

  count(name: string): Readonly<Record<Side, number>> {
    const { source, target } = this.#of(name).state;
    return { source, target };
  }

  async call(name: string, call: string, body: string): Promise<Readonly<Record<Side, number>>> {
    const { state } = this.#of(name);
    const turn = state.turn.then(() => this.#serve(name, call, body));
    state.turn = turn.catch(() => undefined);
    await turn;
    return this.count(name);
  }

  #of(name: string): { readonly state: State; readonly application: SimulatedApplication } {
    const [state, application] = [this.#states.get(name), this.#applications.get(name)];
    if (!state || !application) throw new Error(`no application ${name}`);
    return { state, application };
  }

  async #serve(name: string, call: string, body: string): Promise<void> {
    const { state, application } = this.#of(name);
    const { on } = (body === '' ? {} : JSON.parse(body)) as { on?: Side };
    if (call === 'stop') await stop(state);
    if (call !== 'start' || on === undefined || state[on] > 0) return;
    await stop(state);
    state.close = await this.#runs(application, on);
    state[on] = 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await Promise.all([...this.#states.values()].map((s) => stop(s).catch(() => undefined)));
  }
}

async function stop(state: State): Promise<void> {
  const { close } = state;
  state.close = null;
  await close?.();
  Object.assign(state, { source: 0, target: 0 });
}
