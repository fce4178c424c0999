/** The webhook contract of `docs/fleets.md`, served for the stand-ins while a rehearsal runs. */
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import * as z from 'zod';
import { Failure } from '../../domain/failures.ts';
import type { StandIns } from './fleet.ts';

export interface StandInServer extends AsyncDisposable { readonly url: string }
/** `token`: what every request must bear; `null`: none. */
export interface Address { readonly host: string; readonly port: number; readonly path: string; readonly token: string | null }

const said = z.object({ application: z.string(), on: z.enum(['source', 'target']).optional(), beside: z.boolean().optional(), untilMs: z.number().nullish() });

export async function serveStandIns(standIns: StandIns, x: Address): Promise<StandInServer> {
  const server = createServer((request, response) => {
    answer(standIns, x, request).then(
      ([status, body]) => { send(response, status, body); },
      (error: unknown) => { send(response, 500, { error: error instanceof Error ? error.message : String(error) }); });
  });
  server.listen(x.port, x.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new Failure('BadCatalog', `The stand-ins cannot listen on ${x.host}:${x.port}, the address of their fleet in the catalog: ${error instanceof Error ? error.message : String(error)}.`, 'Free the port, run this where the fleet points to, or name another address (--listen).');
  }
  const at = server.address();
  return {
    url: `http://${x.host}:${at !== null && typeof at === 'object' ? at.port : x.port}${x.path}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

type Answer = readonly [status: number, body: object];
const send = (response: ServerResponse, status: number, body: object): void => { response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)); };

function admitted(token: string | null, header: string | undefined): boolean {
  if (token === null) return true;
  const [wanted, seen] = [Buffer.from(`Bearer ${token}`), Buffer.from(header ?? '')];
  return wanted.length === seen.length && timingSafeEqual(wanted, seen);
}

async function answer(standIns: StandIns, x: Address, request: IncomingMessage): Promise<Answer> {
  if (!admitted(x.token, request.headers.authorization)) return [401, { error: 'The token is missing or wrong.' }];
  const url = new URL(request.url ?? '/', 'http://stand-ins');
  const call = `${request.method} ${url.pathname.slice(x.path.replace(/\/+$/, '').length)}`;
  if (call === 'GET /ask') return known(standIns, url.searchParams.get('application') ?? '', async (a) => standIns.ask(a));
  if (call !== 'POST /stop' && call !== 'POST /start') return [404, { error: `There is no ${call} here.` }];
  const body = said.safeParse(await json(request));
  if (!body.success) return [400, { error: 'Wanted {"application", "on"?, "beside"?, "untilMs"?}.' }];
  const { application, on, beside, untilMs } = body.data;
  if (typeof untilMs === 'number' && Date.now() >= untilMs) return [409, { error: `untilMs passed ${Date.now() - untilMs} ms ago.` }];
  if (call === 'POST /stop') return known(standIns, application, (a) => standIns.stop(a, on));
  if (on === undefined) return [400, { error: 'A start needs "on": "source" or "target".' }];
  return known(standIns, application, (a) => standIns.start(a, on, beside === true ? 'beside' : undefined));
}

const known = async (standIns: StandIns, application: string, act: (application: string) => Promise<object>): Promise<Answer> =>
  (standIns.knows(application) ? [200, await act(application)] : [404, { error: `No stand-in is called ${application}: another rehearsal listens here.` }]);
