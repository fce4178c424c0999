/**
 * Starts the real parts for demo, tests and benchmarks: Temporal, a source and a target Kafka cluster, a Connect worker on each,
 * and on demand the Cutover worker. `await using stack = await startStack({ variant: 'plain' })`.
 *
 * Several stacks run side by side: each has its own folder and ports. When the owner dies, everything it started dies too.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Login, User } from './access.ts';
import { Building, absent, namespace, portsNeeded, startParts, toolsNeeded } from './building.ts';
import type { BuiltParts } from './building.ts';
import { catalogOf, writeCatalogFile } from './catalog.ts';
import type { CatalogChoices } from './catalog.ts';
import { openHousehold } from './household.ts';
import type { JvmAim } from './jvm.ts';
import type { Part } from './part.ts';
import { reservePorts } from './ports.ts';
import type { PortReservation } from './ports.ts';
import { claimFolder, writeState } from './state.ts';
import { ensureTools } from './tools.ts';

export type Variant = 'plain' | 'sasl';

export interface ClusterChoices {
  /** 1 when not given; replication factors follow, up to 3. */
  readonly brokers?: number;
  /** Broker settings on top of ours. */
  readonly settings?: Readonly<Record<string, string>>;
}
export interface StackOptions {
  readonly variant?: Variant;
  /** Data, logs, catalog and passwords. Default: a new one under the system's folder for temporary files. */
  readonly folder?: string;
  /** Whether the folder stays when the stack is gone. Default: a given folder stays, a temporary one is removed. */
  readonly keepFolder?: boolean;
  readonly temporal?: { readonly ui: boolean } | 'none';
  readonly connects?: 'both' | 'forward' | 'none';
  readonly source?: ClusterChoices | 'none';
  readonly target?: ClusterChoices | 'none';
  /** Connect workers in the forward group; 1 when not given. */
  readonly forwardWorkers?: number;
  /** Settings of all Connect workers on top of ours. */
  readonly connectSettings?: Readonly<Record<string, string>>;
  /** Default `start`; benchmarks say `throughput`. */
  readonly aim?: JvmAim;
  /** Told what happens, a line each. Default: nobody. */
  readonly say?: (line: string) => void;
}

export interface StackCluster extends Part {
  /** Catalog name: `old` or `new`. */
  readonly catalogName: string;
  readonly bootstrap: readonly string[];
  readonly clusterId: string;
  readonly brokers: readonly Part[];
  /** `null` on the plain variant: anybody may do anything. */
  login(user: User): Login | null;
}
export interface StackTemporal extends Part {
  /** host:port for SDK and CLI. */
  readonly address: string;
  readonly uiUrl: string | null;
  /** The server's own HTTP API, on loopback. */
  readonly httpPort: number;
  readonly namespace: string;
  /** The `temporal` CLI, the same binary as the server. */
  readonly binary: string;
}
export interface StackConnect extends Part {
  readonly url: string;
  readonly groupId: string;
  /** Catalog name of the cluster it is bootstrapped on. */
  readonly cluster: string;
}
export interface ProcessChoices {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Begins the line the process prints when it is ready; `null`: ready as soon as it runs. */
  readonly readyLine: string | null;
  readonly readyWithinMs?: number;
  readonly stopWithinMs?: number;
}
export interface WorkerChoices {
  readonly name?: string;
  readonly entry?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly catalogFile?: string;
  readonly readyWithinMs?: number;
}

export interface Stack extends AsyncDisposable {
  readonly variant: Variant;
  readonly folder: string;
  /** Present unless switched off; reading one that is off throws. */
  readonly temporal: StackTemporal;
  readonly source: StackCluster;
  readonly target: StackCluster;
  readonly connect: { readonly forward: StackConnect; readonly back: StackConnect; /** Further workers of the forward group. */ readonly more: readonly StackConnect[] };
  readonly catalogFile: string;
  /** Writes the catalog again, with fleets; returns its file. */
  writeCatalog(choices: CatalogChoices): string;
  /** For every process that shall find Temporal and end with the stack. */
  readonly env: Readonly<Record<string, string>>;
  startWorker(choices?: WorkerChoices): Promise<Part>;
  /** Any further process that belongs to the stack: demo applications, a registry. Its output goes to a log in the folder. */
  startProcess(choices: ProcessChoices): Promise<Part>;
  readonly parts: readonly Part[];
  /** Leaves everything running when this process ends; `npm run stack -- down --folder <folder>` stops it. Returns the file with pids and addresses. */
  detach(): string;
  stop(): Promise<void>;
}

const root = join(import.meta.dirname, '..');

/** Throws `MissingPrerequisites`, or an error that names the log of the part that did not start; nothing is left running then. */
export const startStack = async (options: StackOptions = {}): Promise<Stack> => {
  const tools = await ensureTools(toolsNeeded(options));
  const folder = claimFolder(options.folder);
  const keepFolder = options.keepFolder ?? options.folder !== undefined;
  const household = openHousehold({ folder, removeFolder: !keepFolder });
  const ports = await reservePorts(portsNeeded(options));
  const building = new Building(options, { tools, folder, household, ports: ports.ports });
  const life = lifeOf({ building, ports, keepFolder });
  try {
    return stackFrom(building, await startParts(building), life);
  } catch (error) {
    // The folder stays: the error points to a log in it.
    await life.stop('keep-folder');
    throw error;
  }
};

interface Life { stop(folder?: 'keep-folder'): Promise<void>; detach(parts: BuiltParts, catalogFile: string): string }

const lifeOf = (of: { readonly building: Building; readonly ports: PortReservation; readonly keepFolder: boolean }): Life => {
  const { building, ports, keepFolder } = of;
  let over: Promise<void> | null = null;
  const end = async (folder?: 'keep-folder'): Promise<void> => {
    const goes = !keepFolder && folder === undefined;
    await building.stopAll(goes ? 'all goes' : 'orderly');
    building.household.close();
    ports.release();
    if (goes) rmSync(building.folder, { recursive: true, force: true, maxRetries: 5 });
  };
  return {
    stop: (folder) => (over ??= end(folder)),
    detach: (parts, catalogFile) => {
      const running = building.parts.flatMap(({ part, kind }) => (part.id === null ? [] : [{ ...part.id, name: part.name, logFile: part.logFile, kind }]));
      const file = writeState({
        version: 1, variant: building.variant, mark: building.household.mark, folder: building.folder, keepFolder, catalogFile,
        temporal: parts.temporal === null ? null : { address: parts.temporal.address, uiUrl: parts.temporal.uiUrl, namespace, httpPort: parts.temporal.httpPort },
        clusters: Object.fromEntries([parts.source, parts.target].flatMap((cluster) => (cluster === null ? [] : [[cluster.catalogName, cluster.bootstrap]]))),
        connects: Object.fromEntries([parts.forward, parts.back].flatMap((connect) => (connect === null ? [] : [[connect.groupId, connect.url]]))),
        parts: running, portFiles: ports.files,
      });
      if (running[0] !== undefined) ports.handTo({ pid: running[0].pid, started: running[0].started });
      building.household.close();
      over = Promise.resolve();
      return file;
    },
  };
};

const stackFrom = (b: Building, parts: BuiltParts, life: Life): Stack => {
  const { temporal, source, target, forward, back } = parts;
  const catalogFile = join(b.folder, 'catalog.yaml');
  const writeCatalog = (choices: CatalogChoices): string => {
    const clusters = [source, target].flatMap((one) => (one === null ? [] : [[one.catalogName, one] as const]));
    const connects = ([['forward', forward], ['back', back]] as const).flatMap(([name, one]) => (one === null ? [] : [[name, one] as const]));
    writeCatalogFile(catalogFile, catalogOf({ clusters: Object.fromEntries(clusters), connects: Object.fromEntries(connects) }, choices));
    return catalogFile;
  };
  writeCatalog({});
  const env = { ...b.household.env, ...(temporal === null ? {} : { TEMPORAL_ADDRESS: temporal.address, TEMPORAL_NAMESPACE: temporal.namespace }) };
  const startProcess = (choices: ProcessChoices): Promise<Part> => runProcess(b, { ...choices, env: { ...env, ...choices.env } });
  return {
    variant: b.variant, folder: b.folder, catalogFile, writeCatalog, env, startProcess,
    get temporal() { return temporal ?? absent('Temporal'); },
    get source() { return source ?? absent('a source cluster'); },
    get target() { return target ?? absent('a target cluster'); },
    connect: {
      get forward() { return forward ?? absent('a Connect worker on the target'); },
      get back() { return back ?? absent('a Connect worker on the source'); },
      more: parts.more,
    },
    startWorker: (choices = {}) => startProcess(workerProcess(choices, catalogFile)),
    get parts() { return b.parts.map(({ part }) => part); },
    detach: () => life.detach(parts, catalogFile),
    stop: () => life.stop(),
    [Symbol.asyncDispose]: () => life.stop(),
  };
};

/** As in `deploy/Dockerfile`: without a limit Node collects late on a large machine, and the worker holds memory it does not need. */
const workerHeap = ['--max-old-space-size=256', '--max-semi-space-size=4'] as const;
const workerProcess = (choices: WorkerChoices, catalogFile: string): ProcessChoices => ({
  name: choices.name ?? 'worker', command: process.execPath, cwd: root,
  args: [...workerHeap, choices.entry ?? 'src/worker/main.ts', '--catalog', choices.catalogFile ?? catalogFile, ...(choices.args ?? [])],
  env: { MALLOC_ARENA_MAX: '2', ...choices.env }, readyLine: 'ready', readyWithinMs: choices.readyWithinMs ?? 120_000,
});

const runProcess = async (b: Building, choices: ProcessChoices): Promise<Part> => {
  const { readyLine, name, ...how } = choices;
  const logFile = freeLogFile(b, name);
  const part = b.part('process', {
    ...how, name, logFile,
    isReady: ({ log }) => Promise.resolve(readyLine === null || log().split('\n').some((line) => line.startsWith(readyLine))),
  });
  try {
    await b.start(part, '');
  } catch (error) {
    await part.kill();
    throw error;
  }
  return part;
};

/** Two workers may bear the same name; their logs must not. */
const freeLogFile = (b: Building, name: string): string => {
  const taken = new Set(b.parts.map(({ part }) => part.logFile));
  for (let n = 1; ; n++) {
    const file = join(b.logFolder, n === 1 ? `${name}.log` : `${name}-${n}.log`);
    if (!taken.has(file)) return file;
  }
};
