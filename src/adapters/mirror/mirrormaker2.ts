/** Mirrors as MirrorMaker 2 source connectors behind Kafka Connect's REST interface: the `Mirrors` port. */
import type { Catalog, SecretRef } from '../../domain/catalog.ts';
import { Failure } from '../../domain/failures.ts';
import type { Cluster, Mirrors, MirrorSpec, Until } from '../../domain/ports.ts';
import type { ConnectRest } from '../connect/rest.ts';
import { createConnectRest } from '../connect/rest.ts';
import { isAccess, renewAccess, tryRenewing } from './access.ts';
import { clusterOf, connectOf, connectorConfig, differing, syncsTopic, unmirrorable } from './connector.ts';
import { refuseOpposing } from './opposing.ts';
import type { Place } from './place.ts';
import { absent, patience, reading } from './place.ts';
import { check, prove } from './prospect.ts';
import { awaken, revive } from './revive.ts';
import { seed, storedNext } from './seeds.ts';
import { resume } from './resume.ts';
import { silence, writersOf } from './silence.ts';
import { awaitGone, awaitRunning, awaitStopped, health, statusNow, told, tracesOf } from './state.ts';
import { createSyncs, syncsEnd } from './syncs.ts';

export interface MirrorDeps { readonly catalog: Catalog; cluster(name: string): Cluster; secret(ref: SecretRef): Promise<string> }

/** Compaction would take away the anchors of lagging groups, and a migration may last months. */
const keepSyncsMs = 365 * 24 * 3_600_000;

export function createMirrors(deps: MirrorDeps): Mirrors {
  const rests = new Map<string, ConnectRest>();
  const restOf = (url: string): ConnectRest => rests.get(url) ?? rests.set(url, createConnectRest(url)).get(url) as ConnectRest;
  const syncs = createSyncs();
  const place = (spec: MirrorSpec): Place => {
    const connect = connectOf(deps.catalog, spec);
    clusterOf(deps.catalog, spec.from);
    return { spec, rest: restOf(connect.url), groupId: connect.groupId, from: deps.cluster(spec.from), to: deps.cluster(spec.to) };
  };
  const opposing = (p: Place, whenUnreachable: 'refuse' | 'accept', until: Until): Promise<void> =>
    refuseOpposing(p, { catalog: deps.catalog, restOf, whenUnreachable }, until);
  const named = (name: string): ConnectRest => {
    const connect = deps.catalog.connects[name];
    if (!connect) throw new Failure('BadCatalog', `The catalog has no Connect worker ${name}.`);
    return restOf(connect.url);
  };
  return {
    list: async (name, prefix) => (await named(name).list(reading)).map((c) => c.name).filter((n) => n.startsWith(prefix)).sort(),
    states: async (name) => [...await named(name).statuses(reading)].map(([connector, status]) => ({ name: connector, connector: status.connector.state, tasks: status.tasks.length, traces: tracesOf(status) })),
    check: async (spec) => {
      try {
        return await check(place(spec), deps);
      } catch (e) {
        if (e instanceof Failure) return [e.message];
        throw e;
      }
    },
    prove: async (spec) => prove(place(spec), deps),
    create: async (spec, until) => {
      const p = place(spec);
      const { partitions, state } = await prepare(p, deps, until);
      if (state === 'at-rest') {
        await opposing(p, 'refuse', until);
        await told(p, 'resume', until);
      }
      await awaitRunning(p, partitions, until);
    },
    health: async (spec) => health(place(spec), reading),
    progress: async (spec) => {
      const p = place(spec);
      const next = await storedNext(p.rest, spec, reading);
      if (next === null) throw absent(p);
      return next;
    },
    writers: async (spec) => writersOf(place(spec), reading),
    silence: async (spec, writers, until) => silence(place(spec), writers, until),
    halt: async (spec, until) => told(place(spec), 'stop', until),
    awaitStopped: async (spec, until) => awaitStopped(place(spec), until),
    resume: async (spec, until) => {
      const p = place(spec);
      const partitions = await partitionsOf(p);
      await opposing(p, 'accept', until);
      const renewal = await tryRenewing(p, deps, until);
      await resume(p, partitions, until);
      return renewal;
    },
    revive: async (spec, until) => {
      const p = place(spec);
      return revive(p, { deps, opposing: () => opposing(p, 'accept', until) }, until);
    },
    renew: async (spec, until) => {
      const p = place(spec);
      // Stopped or paused it was told not to run, and begins nothing.
      if ((await p.rest.status(spec.name, patience(until)))?.connector.state !== 'RUNNING') return [];
      await opposing(p, 'accept', until);
      return renewAccess(p, deps, until);
    },
    awaken: async (spec, until) => awaken(place(spec), deps, until),
    remove: async (spec, until) => {
      await remove(place(spec), until);
      syncs.forget(spec);
    },
    synced: async (spec) => syncsEnd(place(spec).to, spec),
    anchors: async (spec) => syncs.read(place(spec).to, spec),
  };
}

/** Partitions of the topics, equal on both sides; `topic/partition`. */
async function partitionsOf(p: Place): Promise<readonly string[]> {
  const [from, to] = await Promise.all([p.from.topics(p.spec.topics), p.to.topics(p.spec.topics)]);
  const count = (facts: typeof from, topic: string): number => facts.find((t) => t.name === topic)?.partitions ?? 0;
  const off = p.spec.topics.filter((t) => count(from, t) === 0 || count(from, t) !== count(to, t));
  if (off.length > 0)
    throw new Failure('Drift', `Mirror ${p.spec.name} needs the same partitions on both sides; ${off.map((t) => `${t} has ${count(from, t)} on ${p.spec.from} and ${count(to, t)} on ${p.spec.to}`).join('; ')}.`);
  return p.spec.topics.flatMap((t) => Array.from({ length: count(from, t) }, (_x, i) => `${t}/${i}`));
}

/** Everything up to the point where the mirror may run: the connector is there, and running already or seeded and at rest. */
async function prepare(p: Place, deps: MirrorDeps, until: Until): Promise<{ readonly partitions: readonly string[]; readonly state: 'running' | 'at-rest' }> {
  const unfit = p.spec.topics.map(unmirrorable).filter((f) => f !== null);
  if (unfit.length > 0) throw new Failure('Unsupported', unfit.join(' '), 'Leave these topics out, or move them with a scheme that copies nothing.');
  const [partitions, facts] = await Promise.all([partitionsOf(p), p.to.facts()]);
  const replicationFactor = Math.min(3, facts.brokers.length);
  const config = await connectorConfig(p.spec, { partitions: partitions.length, replicationFactor }, deps);
  const seen = await p.rest.config(p.spec.name, patience(until));
  const copied = await syncsReady(p, replicationFactor, until);
  if (seen === null) {
    if (copied) throw new Failure('Drift', `Topic ${syncsTopic(p.spec)} on cluster ${p.spec.to} holds offset syncs of an earlier mirror of the same name.`, 'Remove that mirror first, or start a new attempt.');
    await p.rest.createStopped(p.spec.name, config, patience(until));
  } else {
    const off = differing(config, seen).filter((k) => !isAccess(k));
    if (off.length > 0) throw new Failure('Drift', `Connector ${p.spec.name} exists with other settings than wanted: ${off.join(', ')}.`, 'Remove it, or start a new attempt.');
    await renewAccess(p, deps, until);
  }
  const { state } = (await statusNow(p, until)).connector;
  if (state !== 'STOPPED' && state !== 'PAUSED') return { partitions, state: 'running' };
  // A mirror that has copied something stands where it stands: seeding it again would copy twice.
  if (state === 'STOPPED' && !copied) {
    await awaitStopped(p, until);
    const ran = seen !== null && (await writersOf(p, patience(until))).some((w) => w.producerId !== null);
    await seed(p.rest, p.spec, { ran, patience: () => patience(until, 60_000) });
  }
  return { partitions, state: 'at-rest' };
}

/** Whether anything was ever copied, told by the syncs topic, which is created here under the name MirrorMaker will use. */
async function syncsReady(p: Place, replicationFactor: number, until: Until): Promise<boolean> {
  const name = syncsTopic(p.spec);
  const [there] = await p.to.topics([name]);
  if (!there) {
    await p.to.createTopics([{ name, partitions: 1, replicationFactor, configs: { 'cleanup.policy': 'compact', 'min.compaction.lag.ms': String(keepSyncsMs) } }], until);
    return false;
  }
  if (there.partitions !== 1) throw new Failure('Drift', `Topic ${name} on cluster ${p.spec.to} has ${there.partitions} partitions instead of 1.`);
  const [end] = await p.to.ends([name]);
  return (end?.hw ?? 0n) > 0n;
}

/** Safe to repeat at any point: what is gone already is passed over. */
async function remove(p: Place, until: Until): Promise<void> {
  if ((await p.rest.stop(p.spec.name, patience(until))) === 'accepted') {
    await awaitStopped(p, until);
    await p.rest.resetOffsets(p.spec.name, patience(until, 60_000));
    await p.rest.remove(p.spec.name, patience(until));
    await awaitGone(p, until);
  }
  const name = syncsTopic(p.spec);
  if ((await p.to.topics([name])).length > 0) await p.to.deleteTopics([name], until);
}
