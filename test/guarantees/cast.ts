/**
 * The demo's applications under names of their own, so that one stack serves many migrations one after the other: fresh topics,
 * groups and transactional ids for each, its own supervisor and its own Cutover worker.
 */
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { apps, duties, fleets, topics } from '../../demo/applications.ts';
import { Books } from '../../demo/books.ts';
import { until } from '../../demo/ending.ts';
import { tokenFile, type Stage } from '../../demo/stage.ts';
import { secondSet, type SecondSet, type Watched } from '../../demo/green.ts';
import { Supervisor, type SupervisorChoices } from '../../demo/supervisor.ts';
import type { Side } from '../../src/domain/authority.ts';
import type { FleetConfig } from '../../src/domain/catalog.ts';
import type { Migration } from '../../src/domain/migration.ts';
import type { SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { createTopics, users } from '../../stack/access.ts';
import { startStack, type Stack } from '../../stack/stack.ts';
import { Gate } from './gate.ts';
import { migrationOf, renamed, renaming, type Named } from './naming.ts';
import { Accounts } from './tally.ts';

/** Orders a second of all shops together, on whichever stack, and the longest that a fetch waits for more, ms: few requests, so that the machine is there for what strikes. */
export const ratePerSecond = 300;
export const restMs = 300;
/** Of each of so many migrations on each of so many stacks. */
export const rateOf = (migrations: number, stacks = 1): number => Math.round(ratePerSecond / migrations / stacks);
/** So many, and its applications are at work. */
const firstOrders = 100;
/** One queue for all: the locks of the clusters live there. */
const taskQueue = 'guarantees';
export type Application = 'shop' | 'enricher' | 'billing' | 'audit';
/** Readers first, as anybody would. */
export const applications: readonly Application[] = ['billing', 'audit', 'enricher', 'shop'];

/** A running stack, one of so many at work side by side. */
export interface House { readonly stack: Stack; readonly client: Client; readonly opened: { casts: number }; readonly stacks: number; close(): Promise<void> }

/** `lent`: a stack with logins that others use afterwards. */
export async function openHouse({ lent, stacks = 1 }: { readonly lent?: Stack; readonly stacks?: number } = {}): Promise<House> {
  const stack = lent ?? await startStack({ variant: 'sasl' });
  try {
    const connection = await Connection.connect({ address: stack.temporal.address });
    return {
      stack, client: new Client({ connection, namespace: stack.temporal.namespace }), opened: { casts: 0 }, stacks,
      close: async () => { await connection.close(); if (!lent) await stack.stop(); },
    };
  } catch (e) {
    if (!lent) await stack.stop();
    throw e;
  }
}

export interface Cast {
  readonly stage: Stage;
  readonly gate: Gate;
  readonly accounts: Accounts;
  /** The name a word of the demo bears here. */
  readonly named: Named;
  readonly supervisor: Watched;
  readonly input: (scheme: SchemeName) => Omit<Migration, 'limits'>;
}

/** What one migration moves: applications with topics, groups and books of their own. */
interface Ensemble extends Pick<Cast, 'named' | 'supervisor' | 'accounts' | 'input'> {
  readonly row: string;
  readonly folder: string;
  readonly books: Books;
  readonly fleets: Readonly<Record<string, FleetConfig>>;
  readonly hooks: SecondSet['hooks'];
}

/** `second`: with a second (green) set of every application and a switch for traffic. */
export async function openCasts(house: House, resources: AsyncDisposableStack, wanted: readonly { readonly second: boolean }[]): Promise<readonly Cast[]> {
  const { stack, client } = house;
  const all = await Promise.all(wanted.map(({ second }) => gather(house, resources, { second, rate: rateOf(wanted.length, house.stacks) })));
  const gates = join(stack.folder, `gates-${house.opened.casts}`);
  const casts = all.map((e) => ({ ...e, gate: new Gate(join(gates, e.row)) }));
  stack.writeCatalog({ fleets: Object.assign({}, ...all.map((e) => e.fleets)), hooks: Object.assign({}, ...all.map((e) => e.hooks)), taskQueue });
  const worker = await stack.startWorker({ entry: join(import.meta.dirname, 'gate-worker.ts'), env: { CUTOVER_GATE: gates } });
  resources.defer(() => worker.stop());
  await Promise.all(casts.map(flowing));
  return casts.map((e) => ({ ...e, stage: { stack, folder: e.folder, supervisor: e.supervisor, books: e.books, client, taskQueue, worker } }));
}

async function gather({ stack, opened }: House, resources: AsyncDisposableStack, { second, rate }: { readonly second: boolean; readonly rate: number }): Promise<Ensemble> {
  const row = `r${++opened.casts}`;
  const named = renaming(row);
  const folder = join(stack.folder, row);
  const journals = join(folder, 'journal');
  await createTopics({ bootstrap: stack.source.bootstrap, login: stack.source.login('admin') }, topics.map((t) => ({ ...t, name: named(t.name) })));
  const choices: SupervisorChoices = {
    apps: apps({ ratePerSecond: rate, restMs }, credentials(stack)).map((a) => ({ ...a, application: named(a.application), args: a.args.map(named) })),
    bootstrap: { source: stack.source.bootstrap, target: stack.target.bootstrap },
    journalFolder: journals, logFolder: join(folder, 'applications'), env: stack.env,
  };
  const keepToken = (name: string, token: string): string => tokenFile(folder, name, token);
  const green = second ? await secondSet(choices, { resources, keepToken }) : null;
  const first = green?.first ?? resources.use(new Supervisor(choices));
  return {
    row, folder, named, supervisor: green?.both ?? first, books: new Books(journals), hooks: renamed(green?.hooks ?? {}, named),
    fleets: { ...renamed(fleets(await first.listen(), keepToken('fleet-token', first.token)), named), ...green?.fleets },
    // What the enricher made of the orders is measured by the orders: a transaction whose end a kill hid from it counts as well.
    accounts: new Accounts(journals, duties.filter((d) => d.group !== 'enricher').map((d) => ({ group: named(d.group), topic: named(d.topic), measuredBy: named('orders') }))),
    input: (scheme) => migrationOf(scheme, named),
  };
}

async function flowing({ supervisor, named, books }: Ensemble): Promise<void> {
  for (const name of applications) await supervisor.start(named(name), 'source');
  await Promise.all(applications.map((name) => supervisor.ready(named(name))));
  await until('the first orders flow', 30_000, async () => { await books.refresh(); return books.acknowledged(named('orders')) >= firstOrders; });
}

const credentials = (stack: Stack) => (application: string, side: Side): Readonly<Record<string, string>> => {
  const user = users.find((u) => u === application);
  const login = user === undefined ? null : stack[side].login(user);
  return login === null ? {} : { KAFKA_USERNAME: login.username, KAFKA_PASSWORD: login.password, KAFKA_MECHANISM: login.mechanism };
};
