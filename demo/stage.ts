/** Sets the stage: the stack, topics on the source, the applications with live traffic, the Cutover worker, and a client of Temporal. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import type { Side } from '../src/domain/authority.ts';
import type { FleetConfig } from '../src/domain/catalog.ts';
import { createTopics } from '../stack/access.ts';
import type { Part } from '../stack/part.ts';
import { startStack, type Stack, type StackCluster, type Variant, type WorkerChoices } from '../stack/stack.ts';
import { apps, fleets, topics, type Pace } from './applications.ts';
import { Books } from './books.ts';
import { secondSet, type Watched } from './green.ts';
import { Supervisor, type SupervisorChoices } from './supervisor.ts';

export const names = ['billing', 'audit', 'enricher', 'shop'] as const;
const taskQueue = 'cutover-demo';
/** Orders a second of the whole shop: enough to hurt when something is wrong, little enough for a laptop. */
const defaultRatePerSecond = 1_000;

export interface Stage {
  readonly stack: Stack;
  /** Journals, logs and tokens of the applications. */
  readonly folder: string;
  /** Both sets where there are two. */
  readonly supervisor: Watched;
  readonly books: Books;
  readonly client: Client;
  readonly taskQueue: string;
  /** Cutover's own. */
  readonly worker: Part;
}
export interface StageChoices {
  readonly variant: Variant;
  readonly keep: boolean;
  /** A running stack that others use afterwards, and a folder of the stage's own. Default: a new stack, which ends with the stage. */
  readonly lent?: { readonly stack: Stack; readonly folder: string };
  readonly say: (line: string) => void;
  readonly stopped: (application: string) => Promise<void>;
  /** Default: a thousand orders a second. */
  readonly pace?: Pace;
  /** With a second (green) set of every application and a switch for traffic. */
  readonly second?: boolean;
  /** Further fleets of the catalog. */
  readonly fleets?: Readonly<Record<string, FleetConfig>>;
  /** Another worker than the shipped one. */
  readonly worker?: WorkerChoices;
  /** Everything that must be closed is put here as soon as it exists. */
  readonly resources: AsyncDisposableStack;
}

export async function setStage(x: StageChoices): Promise<Stage> {
  const { stack, folder } = x.lent ?? await ownStack(x);
  await createTopics({ bootstrap: stack.source.bootstrap, login: stack.source.login('admin') }, topics);
  const choices: SupervisorChoices = {
    apps: apps(x.pace ?? { ratePerSecond: defaultRatePerSecond }, (application, side) => credentials(clusterOn(stack, side), application)),
    bootstrap: { source: stack.source.bootstrap, target: stack.target.bootstrap },
    journalFolder: join(folder, 'journal'), logFolder: join(folder, 'applications'), env: stack.env, stopped: x.stopped,
  };
  const green = x.second ? await secondSet(choices, { resources: x.resources, keepToken: (name, token) => tokenFile(folder, name, token) }) : null;
  const supervisor = green?.first ?? x.resources.use(new Supervisor(choices));
  const url = await supervisor.listen();
  stack.writeCatalog({ fleets: { ...fleets(url, tokenFile(folder, 'fleet-token', supervisor.token)), ...green?.fleets, ...x.fleets }, ...(green ? { hooks: green.hooks } : {}), taskQueue });
  const [connection, worker] = await Promise.all([Connection.connect({ address: stack.temporal.address }), stack.startWorker(x.worker), startTraffic(supervisor, x.say)]);
  x.resources.defer(() => connection.close());
  if (x.lent) x.resources.defer(() => worker.stop());
  return { stack, folder, supervisor: green?.both ?? supervisor, books: new Books(join(folder, 'journal')), client: new Client({ connection, namespace: stack.temporal.namespace }), taskQueue, worker };
}

async function ownStack(x: StageChoices): Promise<{ readonly stack: Stack; readonly folder: string }> {
  const stack = await startStack({ variant: x.variant, say: x.say, keepFolder: x.keep });
  x.resources.defer(async () => { if (!x.keep) await stack.stop(); });
  return { stack, folder: stack.folder };
}

const clusterOn = (stack: Stack, side: Side): StackCluster => (side === 'source' ? stack.source : stack.target);

/** In a file, because the catalog takes credentials as references only. */
export function tokenFile(folder: string, name: string, token: string): string {
  mkdirSync(join(folder, 'secrets'), { recursive: true });
  const file = join(folder, 'secrets', name);
  writeFileSync(file, token, { mode: 0o600 });
  return file;
}

/** Each application logs in as itself; nothing on the plain stack. */
function credentials(cluster: StackCluster, application: string): Readonly<Record<string, string>> {
  const user = names.find((n) => n === application);
  const login = user === undefined ? null : cluster.login(user);
  return login === null ? {} : { KAFKA_USERNAME: login.username, KAFKA_PASSWORD: login.password, KAFKA_MECHANISM: login.mechanism };
}

/** Consumers first, as anybody would. */
async function startTraffic(supervisor: Supervisor, say: (line: string) => void): Promise<void> {
  for (const name of names) await supervisor.start(name, 'source');
  await Promise.all(names.map((name) => supervisor.ready(name)));
  say(`applications at work on the source: ${names.join(', ')}`);
}
