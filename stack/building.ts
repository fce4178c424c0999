/** Puts a stack together: each part is prepared on disk, started and asked, as much as possible side by side. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createLogins, grantAccess } from './access.ts';
import type { Logins, User } from './access.ts';
import { prepareConnect } from './connect.ts';
import type { Household } from './household.ts';
import { bootstrapOf, newClusterId, prepareBroker } from './kafka.ts';
import { RunningPart, together } from './part.ts';
import type { Part, PartSpec } from './part.ts';
import type { ClusterChoices, StackCluster, StackConnect, StackOptions, StackTemporal, Variant } from './stack.ts';
import type { StatePart } from './state.ts';
import { prepareTemporal } from './temporal.ts';
import type { JarSetName, Tools, Wanted } from './tools.ts';

export const namespace = 'default';

export const absent = (what: string): never => { throw new Error(`This stack was started without ${what}.`); };

/** What a stack is made of while it is being put together. */
export class Building {
  readonly options: StackOptions;
  readonly variant: Variant;
  readonly tools: Tools;
  readonly folder: string;
  readonly logFolder: string;
  readonly household: Household;
  readonly parts: { readonly part: RunningPart; readonly kind: StatePart['kind'] }[] = [];
  readonly #freePorts: number[];
  #closed = false;

  constructor(options: StackOptions, from: { readonly tools: Tools; readonly folder: string; readonly household: Household; readonly ports: readonly number[] }) {
    this.options = options;
    this.variant = options.variant ?? 'plain';
    this.tools = from.tools;
    this.folder = from.folder;
    this.logFolder = join(from.folder, 'logs');
    this.household = from.household;
    this.#freePorts = [...from.ports];
    mkdirSync(this.logFolder, { recursive: true });
  }

  port(): number { return this.#freePorts.shift() ?? absent('enough ports'); }

  part(kind: StatePart['kind'], spec: PartSpec): RunningPart {
    if (this.#closed) throw new Error(`The stack in ${this.folder} is being stopped; ${spec.name} is not started any more.`);
    const part = new RunningPart(spec, this.household);
    this.parts.push({ part, kind });
    return part;
  }

  async start(part: Part, place: string): Promise<void> {
    const since = Date.now();
    await part.start();
    this.options.say?.(`${part.name} ready after ${((Date.now() - since) / 1000).toFixed(1)} s${place === '' ? '' : ` on ${place}`}`);
  }

  /**
   * What depends on others goes first, so that it can say goodbye to them. Nothing starts afterwards. `all goes`: nobody will
   * read what the servers have on disk, so only what may have processes of its own gets the time to end them.
   */
  async stopAll(how: 'orderly' | 'all goes'): Promise<void> {
    this.#closed = true;
    const end = (kind: StatePart['kind'], stop: (part: RunningPart) => Promise<void>): Promise<unknown> => Promise.all(this.parts.filter((one) => one.kind === kind).map(({ part }) => stop(part)));
    await end('process', (part) => part.stop());
    if (how === 'all goes') await Promise.all([end('connect', (part) => part.kill()), end('server', (part) => part.kill())]);
    else for (const kind of ['connect', 'server'] as const) await end(kind, (part) => part.stop());
    await this.household.endAll();
  }
}

export const toolsNeeded = (options: StackOptions): Wanted => ({
  temporal: options.temporal !== 'none',
  kafka: options.source !== 'none' || options.target !== 'none',
});

/** Temporal takes four, each broker two, each Connect worker one. */
export const portsNeeded = (options: StackOptions): number => {
  const brokers = [options.source ?? {}, options.target ?? {}].map((choice) => (choice === 'none' ? 0 : (choice.brokers ?? 1)));
  return 4 + 1 + (options.forwardWorkers ?? 1) + 2 * brokers.reduce((a, b) => a + b, 0);
};

const startTemporal = async (b: Building): Promise<StackTemporal | null> => {
  const choice = b.options.temporal ?? { ui: true };
  if (choice === 'none') return null;
  const ports = { grpc: b.port(), http: b.port(), metrics: b.port(), ui: choice.ui ? b.port() : null };
  const binary = b.tools.temporal ?? absent('the temporal binary');
  const part = b.part('server', prepareTemporal({ binary, folder: join(b.folder, 'temporal'), logFolder: b.logFolder, ports, namespace }));
  const address = `127.0.0.1:${ports.grpc}`;
  await b.start(part, address);
  return Object.assign(part, { address, uiUrl: ports.ui === null ? null : `http://127.0.0.1:${ports.ui}`, httpPort: ports.http, namespace, binary });
};

const startCluster = async (b: Building, of: { readonly catalogName: string; readonly jars: JarSetName; readonly choices: ClusterChoices | 'none' }): Promise<StackCluster | null> => {
  const { catalogName, choices } = of;
  if (choices === 'none') return null;
  const logins: Logins | null = b.variant === 'sasl' ? createLogins(join(b.folder, 'secrets'), catalogName) : null;
  const ports = Array.from({ length: choices.brokers ?? 1 }, () => ({ client: b.port(), controller: b.port() }));
  const { java, jars } = b.tools.kafka ?? absent("Kafka's jars");
  const plan = {
    java, jars: jars[of.jars], aim: b.options.aim ?? 'start', name: catalogName, ports, logins, clusterId: newClusterId(),
    folder: join(b.folder, `kafka-${catalogName}`), logFolder: b.logFolder, settings: choices.settings ?? {},
  } as const;
  const specs = await Promise.all(ports.map((_, i) => prepareBroker(plan, i)));
  const [first = absent('a broker'), ...more] = specs.map((spec) => b.part('server', spec));
  const cluster = together(`kafka-${catalogName}`, [first, ...more]);
  const bootstrap = bootstrapOf(ports);
  await b.start(cluster, bootstrap.join(','));
  if (logins !== null) await grantAccess({ bootstrap, login: logins.admin });
  return Object.assign(cluster, { catalogName, bootstrap, clusterId: plan.clusterId, brokers: [first, ...more], login: (user: User) => logins?.[user] ?? null });
};

const startConnect = async (b: Building, on: StackCluster | null, groupId: string, member = 1): Promise<StackConnect | null> => {
  if (on === null) return null;
  const port = b.port();
  const url = `http://127.0.0.1:${port}`;
  const { java, jars } = b.tools.kafka ?? absent("Kafka's jars");
  const part = b.part('connect', prepareConnect({
    java, jars: jars.connect, aim: b.options.aim ?? 'start', groupId, member, port, bootstrap: on.bootstrap,
    replicationFactor: Math.min(3, on.brokers.length), login: on.login('mm2'), folder: join(b.folder, `connect-${groupId}${member === 1 ? '' : `-${member}`}`), logFolder: b.logFolder,
    settings: b.options.connectSettings ?? {},
  }));
  await b.start(part, url);
  return Object.assign(part, { url, groupId, cluster: on.catalogName });
};

export interface BuiltParts {
  readonly temporal: StackTemporal | null;
  readonly source: StackCluster | null;
  readonly target: StackCluster | null;
  readonly forward: StackConnect | null;
  readonly back: StackConnect | null;
  readonly more: readonly StackConnect[];
}

/** One after the other: the first one makes the group's topics. */
const startForward = async (b: Building, on: StackCluster | null): Promise<readonly StackConnect[]> => {
  const started: StackConnect[] = [];
  for (let member = 1; member <= (b.options.forwardWorkers ?? 1); member += 1) {
    const one = await startConnect(b, on, 'fwd', member);
    if (one !== null) started.push(one);
  }
  return started;
};

/** Fails as soon as one part fails; the caller stops the others. */
export const startParts = async (b: Building): Promise<BuiltParts> => {
  const connects = b.options.connects ?? 'both';
  const sourceStarts = startCluster(b, { catalogName: 'old', jars: 'broker-source', choices: b.options.source ?? {} });
  const targetStarts = startCluster(b, { catalogName: 'new', jars: 'broker-target', choices: b.options.target ?? {} });
  const [temporal, source, target, [forward = null, ...more], back] = await Promise.all([
    startTemporal(b), sourceStarts, targetStarts,
    targetStarts.then((on) => (connects === 'none' ? [] : startForward(b, on))),
    sourceStarts.then((on) => (connects === 'both' ? startConnect(b, on, 'back') : null)),
  ]);
  return { temporal, source, target, forward, back, more };
};
