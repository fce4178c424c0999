/** The stage of a rehearsal: shadows on both clusters, stand-ins in this process behind the catalog's fleet for them, and the way to be rid of all that. */
import type { Client } from '@temporalio/client';
import { loadCatalog } from '../adapters/catalog/load.ts';
import { openCluster, type KafkaCluster } from '../adapters/kafka/cluster.ts';
import { redact, resolveSecret } from '../adapters/secrets/secrets.ts';
import { StandIns } from '../adapters/standins/fleet.ts';
import { playOf, silenceOf, type Cast } from '../adapters/standins/play.ts';
import { serveStandIns, type Address } from '../adapters/standins/server.ts';
import { makeShadows, removeShadows, type Prepared } from '../adapters/standins/shadow.ts';
import { createLocks } from '../adapters/temporal/locks.ts';
import { assessed } from '../activities/clusters.ts';
import { tagOf } from '../activities/connect.ts';
import type { Catalog, ClusterConfig, FleetConfig } from '../domain/catalog.ts';
import { cutSets } from '../domain/cutsets.ts';
import { Failure } from '../domain/failures.ts';
import { workflowIdOf, type Inventory, type Migration } from '../domain/migration.ts';
import type { Ports, Until } from '../domain/ports.ts';
import { rehearsalKey, rehearsalOf, type Rehearsal } from '../domain/rehearsal.ts';
import type { Rehearsed } from '../domain/rehearsed.ts';
import { openPorts } from './ports.ts';

export interface RehearsalChoices {
  readonly catalogFile: string;
  /** Parsed for the scheme. */
  readonly migration: Migration;
  readonly scheme: string;
  /** The catalog's fleet that points to this process. */
  readonly fleet: string;
  /** Of each partition, at most so many of the last records are in the shadow before it starts. */
  readonly lastRecords: number;
  /** `host:port` to listen on where that is not the address in the fleet's URL. */
  readonly listen?: string;
}
export interface RehearsalStage extends AsyncDisposable {
  readonly rehearsal: Rehearsal;
  /** The stand-ins answer for their fleet; none of them is at work yet. */
  serve(): Promise<string>;
  /** Shadows with records and positions, stand-ins at work on the source. */
  prepare(): Promise<Prepared>;
  /** How long nobody wrote, by cut set of the shadows. */
  silences(): Readonly<Record<string, number | null>>;
  /** What stand-ins met. */
  troubles(): readonly string[];
  /** Records that stand-ins wrote. */
  written(): number;
  /** Stand-ins gone and shadows removed; answers what is left, in words. */
  remove(): Promise<readonly string[]>;
  /** What a shadow migration that could not be rolled back leaves besides: connectors and locks. */
  giveUp(of: { readonly client: Client; readonly taskQueue: string; readonly run: string }): Promise<readonly string[]>;
  /** In both ledgers; answers where it could not be written. */
  keep(result: Rehearsed): Promise<readonly string[]>;
}

const longestCallMs = 120_000;
const untilStopped = (signal: AbortSignal): Until => ({ untilMs: null, signal, check: () => { signal.throwIfAborted(); }, timeoutMs: (capMs) => capMs });
const mostTroubles = 20;

/** Looks at everything that can refuse it, and makes nothing. */
export async function openRehearsal(x: RehearsalChoices): Promise<RehearsalStage> {
  const catalog = await loadCatalog(x.catalogFile);
  const listening = await addressOf(catalog, x);
  const ports = openPorts(catalog);
  try {
    const { migration: real, inventory } = await assessed(ports, x.migration);
    return stageOf({ catalog, ports, listening, inventory, rehearsal: rehearsalOf(real, x.scheme, x.fleet), lastRecords: x.lastRecords });
  } catch (error) {
    await ports.close();
    throw error;
  }
}

const example = (name: string): string => `fleets: { ${name}: { kind: webhook, url: "http://<this host>:7077", beside: true, timeoutMs: 15000 } }`;
async function addressOf(catalog: Catalog, { fleet, listen }: RehearsalChoices): Promise<Address> {
  const config: FleetConfig | undefined = Object.hasOwn(catalog.fleets, fleet) ? catalog.fleets[fleet] : undefined;
  if (config?.kind !== 'webhook') throw new Failure('BadCatalog', `The catalog has ${config === undefined ? 'no fleet' : `a ${config.kind}`} called "${fleet}"; the workers reach the stand-ins of a rehearsal through a webhook that points to this process: ${example(fleet)}.`, 'Add it to the catalog of the workers, restart them, and try again.');
  const url = new URL(config.url);
  const at = listen === undefined ? url : new URL(`http://${listen}`);
  return { host: at.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(at.port || (url.protocol === 'https:' ? 443 : 80)), path: url.pathname, token: config.token === undefined ? null : await resolveSecret(config.token) };
}

interface Set_ { readonly catalog: Catalog; readonly ports: Ports & { close(): Promise<void> }; readonly listening: Address; readonly inventory: Inventory; readonly rehearsal: Rehearsal; readonly lastRecords: number }

function stageOf(x: Set_): RehearsalStage {
  const { rehearsal: r, ports } = x;
  const stop = new AbortController();
  const open = new AsyncDisposableStack();
  open.defer(() => ports.close());
  const { cast, troubles } = castOf(x, open, untilStopped(stop.signal));
  const standIns = new StandIns(r.standIns, playOf(cast));
  return {
    rehearsal: r,
    async serve() { return open.use(await serveStandIns(standIns, x.listening)).url; },
    async prepare() {
      const copier = cast.clusters.source.copier();
      const prepared = await makeShadows({ source: cast.clusters.source, copy: (records, until) => copier.copy(records, until), rehearsal: r, lastRecords: x.lastRecords, nowMs: Date.now(), until: cast.until });
      for (const [key, at] of prepared.marks) cast.marks.set(key, at);
      for (const [group, ms] of prepared.behindMs) cast.behindMs.set(group, ms);
      await Promise.all(r.standIns.map((s) => standIns.start(s.application, 'source')));
      return prepared;
    },
    silences: () => Object.fromEntries(cutSets(r.migration).map((s) => [s.name, silenceOf(cast.acknowledged, s.writers)])),
    troubles: () => [...troubles],
    written: () => cast.acknowledged.reduce((n, a) => n + a.records, 0),
    async remove() {
      await standIns.stopAll();
      return removeShadows(ports, r, untilStopped(AbortSignal.timeout(longestCallMs)));
    },
    giveUp: (of) => giveUp(x, of),
    keep: (result) => keep(x, result),
    async [Symbol.asyncDispose]() {
      await standIns.stopAll();
      stop.abort(new Failure('Unreachable', 'The rehearsal has ended.', ''));
      await open.disposeAsync();
    },
  };
}

/** With connections of its own: the copying must not stand before a look at the clusters. */
function castOf({ catalog, rehearsal }: Set_, open: AsyncDisposableStack, until: Until): { readonly cast: Stocked; readonly troubles: ReadonlySet<string> } {
  const troubles = new Set<string>();
  const own = (name: string): KafkaCluster => {
    const cluster = openCluster(name, configOf(catalog, name), { clientId: 'cutover-rehearsal' });
    open.defer(() => cluster.close());
    return cluster;
  };
  const { source, target } = rehearsal.real;
  return {
    troubles,
    cast: {
      rehearsal, until, clusters: { source: own(source), target: own(target) }, configs: { source: configOf(catalog, source), target: configOf(catalog, target) },
      secret: resolveSecret, marks: new Map(), behindMs: new Map(), acknowledged: [],
      failed: (said) => { if (troubles.size < mostTroubles) troubles.add(redact(said)); },
    },
  };
}
type Stocked = Cast & { readonly behindMs: Map<string, number> };

function configOf(catalog: Catalog, name: string): ClusterConfig {
  const found = catalog.clusters[name];
  if (found === undefined) throw new Failure('BadMigration', `The catalog has no cluster called "${name}".`);
  return found;
}

/** Every one is tried; what could not be done is said. */
async function trying(what: string, act: () => Promise<void>): Promise<readonly string[]> {
  try {
    await act();
    return [];
  } catch (error) {
    return [`${what}: ${redact(error instanceof Error ? error.message : String(error))}`];
  }
}

async function giveUp({ ports, rehearsal: { migration: m }, inventory }: Set_, of: { readonly client: Client; readonly taskQueue: string; readonly run: string }): Promise<readonly string[]> {
  const until = untilStopped(AbortSignal.timeout(longestCallMs));
  const left: string[] = [];
  for (const connect of new Set([m.connect, m.connectBack].filter((c) => c !== null))) {
    left.push(...await trying(`mirrors on Connect worker ${connect}`, async () => {
      const names = (await ports.mirrors.list(connect, 'cutover-')).filter((n) => n.includes(`-${tagOf(of.run)}-`));
      for (const name of names) {
        const [from, to] = name.includes(`-fwd-${tagOf(of.run)}-`) ? [m.source, m.target] : [m.target, m.source];
        await ports.mirrors.remove({ connect, name, from, to, topics: m.topics, seed: [] }, until);
      }
    }));
  }
  const { source, target } = inventory.clusterIds;
  return [...left, ...await trying('the lock on the shadow topics', () => createLocks(of.client, of.taskQueue).release({ owner: workflowIdOf(m), run: of.run }, [source, target]))];
}

async function keep({ ports, rehearsal: { real } }: Set_, result: Rehearsed): Promise<readonly string[]> {
  const until = untilStopped(AbortSignal.timeout(longestCallMs));
  const each = await Promise.all([real.source, real.target].map((name) => trying(`the ledger on ${name}`, async () => {
    await ports.ledger.prepare(name, until);
    await ports.ledger.write(name, [{ key: rehearsalKey(real), value: JSON.stringify(result) }], until);
  })));
  return each.flat();
}
