/**
 * The second (green) set of the demo and what switches to it: a supervisor of its own, and a small server on loopback that
 * says where traffic goes, whether green has effect, and whether green is fine (the hook contract of docs/schemes.md).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { FleetConfig, HookConfig } from '../src/domain/catalog.ts';
import type { Side } from '../src/domain/authority.ts';
import { writers } from './applications.ts';
import { Supervisor, type SupervisorChoices } from './supervisor.ts';

/** What the demo asks of whoever runs the applications. */
export type Watched = Pick<Supervisor, 'count' | 'pids' | 'stop' | 'start' | 'ready' | 'events'>;
export interface SecondSet {
  readonly first: Supervisor;
  readonly both: Watched;
  readonly fleets: Readonly<Record<string, FleetConfig>>;
  readonly hooks: Readonly<Record<string, HookConfig>>;
}
export interface Around {
  readonly resources: AsyncDisposableStack;
  /** Where the token of a server is kept, as an absolute path. */
  readonly keepToken: (name: string, token: string) => string;
}

export async function secondSet(choices: SupervisorChoices, x: Around): Promise<SecondSet> {
  const state = { traffic: 'source', live: 'muted' };
  const orders = (): readonly string[] => ['--traffic', state.traffic, '--live', state.live];
  const [first, green] = [x.resources.use(new Supervisor({ ...choices, orders })), x.resources.use(new Supervisor({ ...choices, orders, stopped: async () => undefined }))];
  const [url, switchUrl] = [await green.listen(), await listen({ state, first, green }, x.resources)];
  const fleet: FleetConfig = { kind: 'webhook', url, token: `file:${x.keepToken('green-token', green.token)}`, timeoutMs: 15_000 };
  const hook = (name: string): HookConfig => ({ kind: 'webhook', url: `${switchUrl}/${name}`, token: `file:${x.keepToken('switch-token', green.token)}`, timeoutMs: 5_000 });
  return {
    first, both: watched(first, green),
    fleets: Object.fromEntries(choices.apps.map((a) => [`${a.application}-green`, fleet])),
    hooks: { traffic: hook('traffic'), live: hook('live'), check: hook('check') },
  };
}

function watched(first: Supervisor, green: Supervisor): Watched {
  return {
    count: (a) => {
      const [b, g] = [first.count(a), green.count(a)];
      return { source: b.source + g.source, target: b.target + g.target };
    },
    pids: (a) => [...first.pids(a), ...green.pids(a)],
    start: (a, side, untilMs) => (side === 'source' ? first : green).start(a, side, untilMs),
    stop: async (a, untilMs) => { await Promise.all([first.stop(a, untilMs), green.stop(a, untilMs)]); },
    ready: async (a, withinMs) => { await Promise.all([first.ready(a, withinMs), green.ready(a, withinMs)]); },
    get events() { return [...first.events, ...green.events].sort((p, q) => p.atMs - q.atMs); },
  };
}

interface Switched { readonly state: { traffic: string; live: string }; readonly first: Supervisor; readonly green: Supervisor }
async function listen(s: Switched, resources: AsyncDisposableStack): Promise<string> {
  const server = createServer((q, r) => {
    // Unanswered, the hook would only say that it waited.
    serve(s, q, r).catch((e: unknown) => { r.writeHead(500).end(JSON.stringify({ error: e instanceof Error ? e.message : String(e) })); });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  resources.defer(() => { server.closeAllConnections(); server.close(); });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const words: Readonly<Record<string, readonly string[]>> = { traffic: ['source', 'target'], live: ['muted', 'live'] };
async function serve(s: Switched, q: IncomingMessage, r: ServerResponse): Promise<void> {
  const answer = (status: number, body: object): void => { r.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)); };
  const name = (q.url ?? '/').slice(1);
  if (q.headers.authorization !== `Bearer ${s.green.token}`) return answer(401, { error: 'The token is not the one of this demo.' });
  if (name === 'check') return answer(200, check(s.green));
  if (name !== 'traffic' && name !== 'live') return answer(404, { error: `There is no ${name}.` });
  if (q.method === 'PUT') {
    const { state, untilMs } = JSON.parse(await text(q)) as { readonly state?: string; readonly untilMs?: number };
    if (state === undefined || !words[name]?.includes(state)) return answer(400, { error: `${name} is ${words[name]?.join(' or ')}.` });
    if (untilMs !== undefined && Date.now() >= untilMs) return answer(409, { error: 'Too late.' });
    await change(s, name, state);
  }
  answer(200, { state: s.state[name], say: name === 'traffic' ? `orders go to the ${s.state.traffic}` : `the second set is ${s.state.live}` });
}

/** Answered when every process heeds it; whoever starts later is told at its start. */
async function change({ state, first, green }: Switched, name: 'traffic' | 'live', to: string): Promise<void> {
  if (state[name] === to) return;
  state[name] = to;
  await Promise.all([first.tell({ [name]: to }), green.tell({ [name]: to })]);
  if (name !== 'traffic') return;
  // For the books of outages: from here on the writers of that side may write.
  for (const application of Object.values(writers).flat()) (to === 'source' ? first : green).note(application, 'told to start', to as Side);
}

/** What a real check would compare over some time, this one takes from the processes: none died just now. */
const quietMs = 10_000;
function check(green: Supervisor): object {
  const just = green.events.filter((e) => e.what === 'died' && Date.now() - e.atMs < quietMs).map((e) => `${e.application} died at ${new Date(e.atMs).toISOString()}`);
  return just.length === 0 ? { state: 'fine', say: `no process of the second set died in the last ${quietMs / 1_000} s` } : { state: 'broken', say: just.join('; ') };
}
