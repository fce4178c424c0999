/** Two clusters, a Connect worker on each, fleets and ledgers in memory: just enough behaviour for the activities to be tried on. */
import { createWork, type WorkOptions } from '../../src/activities/create.ts';
import type { Work } from '../../src/activities/work.ts';
import { limitBounds, type Limits, type Migration, type Presence } from '../../src/domain/migration.ts';
import { Failure } from '../../src/domain/failures.ts';
import { tpKey, type Anchor, type Cluster, type DenyRule, type Fleet, type GroupDenyRule, type GroupFacts, type GroupMember, type Hook, type LogEnds, type MirrorProof, type MirrorSpec, type Mirrors, type Ports, type Position, type SeenRecord, type TopicFacts, type TopicPartition, type Until } from '../../src/domain/ports.ts';
import type { Context } from '../../src/domain/scheme.ts';
import { FakeMirror } from './fake-mirror.ts';

export { FakeMirror } from './fake-mirror.ts';

export interface Log { logStart: bigint; next: bigint; open: bigint | null; readonly records: SeenRecord[]; /** Producer id by offset; applications have 77. */ readonly by: Map<bigint, bigint> }
export const applicationId = 77n;
interface Topic { id: string; replicationFactor: number; configs: Map<string, { value: string; source: 'topic' | 'default' }>; readonly logs: Log[] }

const defaults: Readonly<Record<string, string>> = {
  'cleanup.policy': 'delete', 'retention.ms': '604800000', 'retention.bytes': '-1', 'min.insync.replicas': '1', 'message.timestamp.type': 'CreateTime',
  'message.timestamp.before.max.ms': '9223372036854775807', 'message.timestamp.after.max.ms': '3600000', 'min.compaction.lag.ms': '0', 'compression.type': 'producer',
};
let ids = 0;

/** A cluster of one broker. What is public is the world a test arranges and looks at. */
export class FakeCluster {
  readonly name: string;
  clusterId: string;
  authorizer: Presence = 'none';
  brokers = 1;
  readonly topics = new Map<string, Topic>();
  readonly groups = new Map<string, { type: GroupFacts['type']; members: GroupMember[]; protocolType?: string; state?: GroupFacts['state'] }>();
  readonly positions = new Map<string, Map<string, Position>>();
  rules: DenyRule[] = [];
  groupRules: GroupDenyRule[] = [];
  principal: string | null = null;
  superUsers: readonly string[] | null = null;
  /** By transactional id; `open`: the partition its transaction is open on. */
  readonly transactions = new Map<string, { producerId: bigint; epoch: number; startedMs: number | null; open: TopicPartition | null }>();
  /** Members that do not leave when asked. */
  stubborn = false;
  readonly entries = new Map<string, string>();
  /** Called at the start of every call with its name; may throw or hang. */
  before: (call: string) => Promise<void> | void = () => undefined;
  readonly calls: string[] = [];

  constructor(name: string) {
    this.name = name;
    this.clusterId = `id-${name}`;
  }

  topic(name: string, partitions: number, configs: Readonly<Record<string, string>> = {}): void {
    this.topics.set(name, {
      id: `topic-${++ids}`, replicationFactor: 1,
      configs: new Map<string, { value: string; source: 'topic' | 'default' }>([...Object.entries(defaults).map(([k, value]) => [k, { value, source: 'default' }] as const), ...Object.entries(configs).map(([k, value]) => [k, { value, source: 'topic' }] as const)]),
      logs: Array.from({ length: partitions }, () => ({ logStart: 0n, next: 0n, open: null, records: [], by: new Map() })),
    });
  }
  log(tp: TopicPartition): Log {
    const log = this.topics.get(tp.topic)?.logs[tp.partition];
    if (!log) throw new Failure('Unreachable', `Cluster ${this.name} has no partition ${tpKey(tp)}.`);
    return log;
  }
  write(topic: string, partition: number, ...texts: readonly string[]): void { this.writeAs(applicationId, topic, partition, ...texts); }
  writeAs(producerId: bigint, topic: string, partition: number, ...texts: readonly string[]): void {
    const log = this.log({ topic, partition });
    for (const fingerprint of texts) {
      log.by.set(log.next, producerId);
      log.records.push({ topic, partition, offset: log.next++, timestampMs: 0n, fingerprint });
    }
  }
  /** A transaction marker: takes an offset, shows nothing. */
  marker(topic: string, partition: number): void { this.log({ topic, partition }).next++; }
  trim(topic: string, partition: number, to: bigint): void {
    const log = this.log({ topic, partition });
    log.logStart = to;
    log.records.splice(0, log.records.length, ...log.records.filter((r) => r.offset >= to));
  }
  place(group: string, topic: string, partition: number, offset: bigint, metadata = ''): void {
    if (!this.groups.has(group)) this.groups.set(group, { type: 'classic', members: [] });
    const of = this.positions.get(group) ?? new Map<string, Position>();
    of.set(tpKey({ topic, partition }), { topic, partition, offset, metadata });
    this.positions.set(group, of);
  }
  placed(group: string): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.positions.get(group) ?? []].map(([key, p]) => [key, Number(p.offset)] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  join(group: string, clientId: string, instanceId: string | null = null): void {
    const g = this.groups.get(group) ?? { type: 'classic' as const, members: [] };
    g.members.push({ memberId: `${clientId}-1`, clientId, host: '/127.0.0.1', instanceId });
    this.groups.set(group, g);
  }
  leave(group: string): void { this.groups.get(group)?.members.splice(0); }

  /** An open transaction of that id with one record. */
  begin(transactionalId: string, producerId: bigint, tp: TopicPartition, startedMs: number): void {
    this.log(tp).open ??= this.log(tp).next;
    this.writeAs(producerId, tp.topic, tp.partition, `open by ${transactionalId}`);
    this.transactions.set(transactionalId, { producerId, epoch: 3, startedMs, open: tp });
  }

  ends(log: Log): Pick<LogEnds, 'logStart' | 'lso' | 'hw'> { return { logStart: log.logStart, lso: log.open ?? log.next, hw: log.next }; }
}

const called = async (c: FakeCluster, call: string): Promise<void> => {
  c.calls.push(call);
  await c.before(call);
};
const facts = (name: string, t: Topic): TopicFacts => ({ name, id: t.id, partitions: t.logs.length, replicationFactor: t.replicationFactor, internal: name.startsWith('__'), configs: Object.fromEntries(t.configs) });

function clusterPort(c: FakeCluster): Cluster {
  const parts = (of: readonly string[] | readonly TopicPartition[]): readonly TopicPartition[] => of.flatMap((x) => (typeof x === 'string' ? Array.from({ length: c.topics.get(x)?.logs.length ?? 0 }, (_, partition) => ({ topic: x, partition })) : [{ topic: x.topic, partition: x.partition }]));
  /** As the real reader: nothing comes from past the end of a log, however long one waits. */
  const written = (tp: TopicPartition, from: bigint, to: bigint): readonly SeenRecord[] => {
    const log = c.log(tp);
    if (to > log.next) throw new Failure('Unreachable', `Cluster ${c.name} ends ${tpKey(tp)} at ${log.next}, asked for up to ${to}.`);
    return log.records.filter((r) => r.offset >= from && r.offset < to);
  };
  const isAborted = (r: SeenRecord): boolean => r.fingerprint.startsWith('aborted ');
  const visible = (tp: TopicPartition, from: bigint, to: bigint): readonly SeenRecord[] => written(tp, from, to).filter((r) => !isAborted(r));
  const write = async (call: string, until: Until, act: () => void): Promise<void> => {
    await called(c, call);
    until.check();
    act();
  };
  const state = (group: string): GroupFacts => {
    const g = c.groups.get(group);
    return g ? { group, type: g.type, state: g.state ?? (g.members.length > 0 ? 'Stable' : 'Empty'), members: [...g.members], ...(g.protocolType === undefined ? {} : { protocolType: g.protocolType }) } : { group, type: 'none', state: 'Dead', members: [] };
  };
  return {
    name: c.name,
    facts: async () => { await called(c, 'facts'); return { clusterId: c.clusterId, brokers: Array.from({ length: c.brokers }, (_, id) => ({ id, host: 'localhost', port: 9092 })), release: '4.3', authorizer: c.authorizer, ...(c.principal === null ? {} : { principal: c.principal }), ...(c.superUsers === null ? {} : { superUsers: c.superUsers }) }; },
    topics: async (names) => { await called(c, 'topics'); return [...c.topics].filter(([n]) => names === 'all' || names.includes(n)).map(([n, t]) => facts(n, t)).sort((a, b) => (a.name < b.name ? -1 : 1)); },
    createTopics: (topics, until) => write('createTopics', until, () => { for (const t of topics) if (!c.topics.has(t.name)) c.topic(t.name, t.partitions, t.configs); }),
    deleteTopics: (names, until) => write('deleteTopics', until, () => { for (const n of names) c.topics.delete(n); }),
    setTopicConfigs: (changes, until) => write('setTopicConfigs', until, () => {
      for (const x of changes) {
        for (const [k, value] of Object.entries(x.set)) c.topics.get(x.topic)?.configs.set(k, { value, source: 'topic' });
        for (const k of x.unset) c.topics.get(x.topic)?.configs.set(k, { value: defaults[k] ?? '', source: 'default' });
      }
    }),
    ends: async (of) => { await called(c, 'ends'); return parts(of).map((tp) => ({ ...tp, ...c.ends(c.log(tp)) })); },
    offsetsFrom: async (of) => { await called(c, 'offsetsFrom'); return new Map(of.map((x) => [tpKey(x), x.timestampMs < 0n ? c.log(x).next : (c.log(x).records.find((r) => r.timestampMs >= x.timestampMs)?.offset ?? null)])); },
    groups: async (names) => { await called(c, 'groups'); return (names === 'all' ? [...c.groups.keys()] : names).map(state); },
    committed: async (groups) => { await called(c, 'committed'); return new Map(groups.map((g) => [g, [...c.positions.get(g)?.values() ?? []]])); },
    commit: (of, until) => write('commit', until, () => {
      for (const [group, list] of of) {
        if ((c.groups.get(group)?.members.length ?? 0) > 0) throw new Failure('GroupActive', `Group ${group} has active members.`);
        for (const p of list) c.place(group, p.topic, p.partition, p.offset, p.metadata);
      }
    }),
    uncommit: (of, until) => write('uncommit', until, () => { for (const [group, list] of of) for (const tp of list) c.positions.get(group)?.delete(tpKey(tp)); }),
    producers: async () => [
      { topic: 'orders', partition: 0, producerId: applicationId, epoch: 0, lastSequence: 1, lastTimestampMs: 1, openFrom: null },
      ...[...c.transactions.values()].flatMap((t) => (t.open === null ? [] : [{ ...t.open, producerId: t.producerId, epoch: t.epoch, lastSequence: 1, lastTimestampMs: 1, openFrom: c.log(t.open).open }])),
    ],
    transaction: async (id) => { const t = c.transactions.get(id); return t === undefined ? null : { producerId: t.producerId, epoch: t.epoch, state: t.open === null ? 'CompleteCommit' : 'Ongoing' }; },
    transactionsOf: async (ids) => [...c.transactions].filter(([, t]) => ids.includes(t.producerId)).map(([transactionalId, t]) => ({ transactionalId, producerId: t.producerId, epoch: t.epoch, state: t.open === null ? 'CompleteCommit' : 'Ongoing', startedMs: t.startedMs, timeoutMs: 60_000 })),
    fenceTransactionalId: async (id, until) => {
      await write('fenceTransactionalId', until, () => undefined);
      const t = c.transactions.get(id) ?? { producerId: 1n, epoch: 0, startedMs: null, open: null };
      if (t.open !== null) c.log(t.open).open = null;
      c.transactions.set(id, { ...t, epoch: t.epoch + 1, startedMs: null, open: null });
      return { producerId: t.producerId, epoch: t.epoch + 1 };
    },
    removeMembers: (group, members, until) => write('removeMembers', until, () => { const g = c.groups.get(group); if (g && !c.stubborn) g.members = g.members.filter((m) => !members.some((x) => x.memberId === m.memberId)); }),
    /** As the broker: who comes later fences who came before, so behind the fence nobody comes in between. */
    writeOnce: async (what, until) => {
      await write('writeOnce', until, () => undefined);
      await what.ours?.();
      for (const r of what.records) c.writeAs(1_000n, r.topic, r.partition, r.content.toString());
      for (const p of what.upTo) c.place(what.group, p.topic, p.partition, p.offset, p.metadata);
    },
    denyRules: async (topics) => { await called(c, 'denyRules'); return c.rules.filter((r) => topics.includes(r.topic)); },
    groupDenyRules: async (groups) => { await called(c, 'groupDenyRules'); return c.groupRules.filter((r) => groups.includes(r.group)); },
    deny: (rules, until) => write('deny', until, () => {
      for (const r of rules) if ('topic' in r) { if (!c.rules.some((o) => o.topic === r.topic && o.principal === r.principal)) c.rules.push(r); } else if (!c.groupRules.some((o) => o.group === r.group && o.principal === r.principal)) c.groupRules.push(r);
    }),
    allow: (rules, until) => write('allow', until, () => {
      c.rules = c.rules.filter((r) => !rules.some((o) => 'topic' in o && o.topic === r.topic && o.principal === r.principal));
      c.groupRules = c.groupRules.filter((r) => !rules.some((o) => 'group' in o && o.group === r.group && o.principal === r.principal));
    }),
    records: {
      async *range(of) { await called(c, 'range'); yield* visible(of, of.from, of.to); },
      tails: async (ends, n) => { await called(c, 'tails'); return new Map(distinct(ends).map((e) => [tpKey(e), visible(e, e.logStart, e.lso).slice(-n)])); },
      firsts: async (of) => { await called(c, 'firsts'); return new Map(distinct(of).map((x) => [tpKey(x), visible(x, x.from, x.to)[0] ?? null])); },
      async *contents() { /* nobody reads contents through the activities */ },
      async *originals(of) { for (const r of visible(of, of.from, c.log(of).open ?? of.to)) if (r.offset < of.to) yield { ...r, producerId: c.log(of).by.get(r.offset) ?? -1n, content: Buffer.from(r.fingerprint) }; },
      aborted: async (of) => { await called(c, 'aborted'); return new Map(distinct(of).map((x) => [tpKey(x), written(x, x.from, x.to).filter(isAborted).map((r) => ({ firstOffset: r.offset, records: 1 }))])); },
      writers: async (of, options) => {
        await called(c, `writers ${tpKey(of)} ${of.from} ${of.to}`);
        return [...Map.groupBy(written(of, of.from, of.to).filter((r) => options?.isolation !== 'read_committed' || !isAborted(r)), (r) => c.log(r).by.get(r.offset) ?? -1n)].map(([producerId, all]) => ({
          producerId, records: all.length, firstOffset: all[0]?.offset ?? 0n, lastOffset: all.at(-1)?.offset ?? 0n, firstTimestampMs: all[0]?.timestampMs ?? 0n, lastTimestampMs: all.at(-1)?.timestampMs ?? 0n,
          runs: all.map((r) => ({ firstOffset: r.offset, lastOffset: r.offset })),
        }));
      },
    },
    close: async () => undefined,
  };
}

/** As the adapter refuses it. */
function distinct<T extends TopicPartition>(of: readonly T[]): readonly T[] {
  for (const [key, same] of Map.groupBy(of, tpKey)) if (same.length > 1) throw new RangeError(`${key} is asked for twice in one call.`);
  return of;
}

const workers = ['connect-new', 'connect-back'];

export class FakeWorld {
  readonly source = new FakeCluster('old');
  readonly target = new FakeCluster('new');
  readonly connectors = new Map<string, FakeMirror>();
  /** Application → processes per side. */
  readonly fleets = new Map<string, { source: number | 'unknown'; target: number | 'unknown' }>();
  /** Whether its fleets can run two sets. */
  beside = true;
  /** State per hook; a hook that is `deaf` answers well and changes nothing. */
  readonly hooks = new Map<string, { state: string; deaf?: true }>();
  hookOf(name: string): Hook {
    const hook = this.hooks.get(name) ?? { state: 'unknown' };
    this.hooks.set(name, hook);
    return { ask: async () => ({ state: hook.state, say: '' }), set: async (state, until) => { until.check(); if (hook.deaf !== true) hook.state = state; } };
  }
  fleetCall: (call: string) => Promise<void> | void = () => undefined;
  readonly locks = new Map<string, string>();
  heartbeats = 0;
  readonly cancel = new AbortController();
  secrets: readonly string[] = [];
  /** What a mirror's check and proof answer. */
  checked: readonly string[] = [];
  proof: MirrorProof = { faults: [], shown: ['everything'], unknown: [] };
  readonly proved: MirrorSpec[] = [];

  cluster(name: string): FakeCluster {
    const found = [this.source, this.target].find((c) => c.name === name);
    if (!found) throw new Failure('BadMigration', `The catalog has no cluster called "${name}".`);
    return found;
  }
  ports(): Ports {
    const fleetOf = (set: '' | ' green'): Fleet => ({
      kind: 'command',
      beside: this.beside,
      stop: async (a, until, only) => { await this.fleetCall(`stop ${a}${set}`); until.check(); this.fleets.set(`${a}${set}`, only === undefined ? { source: 0, target: 0 } : { source: 0, target: 0, ...this.fleets.get(`${a}${set}`), [only]: 0 }); },
      start: async (a, on, until, how) => { await this.fleetCall(`start ${a}${set}`); until.check(); this.fleets.set(`${a}${set}`, { source: 0, target: 0, ...(how === 'beside' ? this.fleets.get(`${a}${set}`) : {}), [on]: 1 }); },
      ask: async (a) => { await this.fleetCall(`ask ${a}${set}`); const s = this.fleets.get(`${a}${set}`) ?? { source: 0, target: 0 }; return { ...s, say: `${s.source} on source, ${s.target} on target` }; },
    });
    const [fleet, green] = [fleetOf(''), fleetOf(' green')];
    return {
      cluster: (name) => clusterPort(this.cluster(name)),
      hook: (name) => this.hookOf(name),
      fleet: (name) => { if (name === 'nowhere') throw new Failure('BadMigration', 'The catalog has no fleet called "nowhere".'); return name.endsWith('-green') ? green : fleet; },
      mirrors: this.#mirrors(),
      ledger: {
        prepare: async (name) => { if (!this.cluster(name).topics.has('__cutover.ledger')) this.cluster(name).topic('__cutover.ledger', 1); return []; },
        write: async (name, entries, until) => { const c = this.cluster(name); await called(c, 'ledger.write'); until.check(); for (const e of entries) c.entries.set(e.key, e.value); },
        read: async (name, prefix) => { const c = this.cluster(name); await called(c, 'ledger.read'); return new Map([...c.entries].filter(([k]) => k.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1))); },
      },
    };
  }
  /** Connect workers that do not answer when asked for all they have, and how often any was. */
  readonly deaf = new Set<string>();
  asked = 0;
  /** So many renewals are answered with a rebalance. */
  rebalances = 0;
  /** A removal of a mirror ends after its stored places are gone, and before its connector is. */
  removalInterrupted = false;
  #mirrors(): Mirrors {
    const of = (spec: MirrorSpec): FakeMirror | undefined => this.connectors.get(spec.name);
    const must = (spec: MirrorSpec): FakeMirror => { const m = of(spec); if (!m) throw new Failure('MirrorStuck', `no connector ${spec.name}`); return m; };
    return {
      list: async (connect, prefix) => { if (!workers.includes(connect)) throw new Failure('BadMigration', `The catalog has no Connect worker called "${connect}".`); return [...this.connectors.values()].filter((c) => c.spec.connect === connect && c.spec.name.startsWith(prefix)).map((c) => c.spec.name).sort(); },
      states: async (connect) => { this.asked++; if (this.deaf.has(connect)) throw new Failure('Unreachable', `Connect worker ${connect} does not answer.`); return [...this.connectors.values()].filter((c) => c.spec.connect === connect).map((c) => ({ name: c.spec.name, connector: c.state, tasks: c.idle ? 0 : 1, traces: c.state === 'FAILED' ? [c.trace] : [] })); },
      check: async () => this.checked,
      prove: async (spec) => { this.proved.push(spec); return this.proof; },
      create: async (spec, until) => { until.check(); this.#refuseOpposing(spec); const there = of(spec); if (there) there.state = 'RUNNING'; else this.connectors.set(spec.name, new FakeMirror(spec)); },
      health: async (spec) => { const m = of(spec); const all = spec.topics.flatMap((t) => Array.from({ length: this.cluster(spec.from).topics.get(t)?.logs.length ?? 0 }, (_, p) => `${t}/${p}`)); return m ? { connector: m.state, assigned: m.state === 'RUNNING' && !m.idle ? all : [], tasks: m.idle ? 0 : 1, traces: m.state === 'FAILED' ? [m.trace] : [] } : { connector: 'absent', assigned: [], tasks: 0, traces: [] }; },
      progress: async (spec) => must(spec).next,
      writers: async (spec) => [{ transactionalId: `connect-${spec.name}-0`, producerId: must(spec).forgotten ? null : must(spec).producerId }],
      silence: async (spec, _writers, until) => { until.check(); if (must(spec).forgotten) throw new Failure('MirrorStuck', `Cluster ${spec.to} does not know the transactional ids of ${spec.name}.`); must(spec).state = 'STOPPED'; return { fromMs: 0, toMs: 12 }; },
      halt: async (spec, until) => { until.check(); must(spec).state = 'STOPPED'; }, awaitStopped: async (spec) => { if (must(spec).state !== 'STOPPED') throw new Failure('MirrorStuck', 'still running'); },
      resume: async (spec, until) => { until.check(); must(spec).state = 'RUNNING'; return { renewed: must(spec).outdated.splice(0), failed: null }; },
      revive: async (spec, until) => { until.check(); const m = must(spec); const found = m.idle ? ['it runs without a task'] : m.state === 'FAILED' ? [m.trace] : []; if (m.heals && found.length > 0) [m.state, m.idle] = ['RUNNING', false]; return { found, renewed: found.length > 0 ? m.outdated.splice(0) : [], failed: null }; },
      renew: async (spec, until) => { until.check(); if (this.rebalances-- > 0) throw new Failure('Unreachable', 'Connect is busy with a rebalance.'); return must(spec).state === 'RUNNING' ? must(spec).outdated.splice(0) : []; },
      awaken: async (spec, until) => { until.check(); const m = must(spec); if (m.state !== 'RUNNING' || !m.forgotten) return []; m.forgotten = false; m.producerId++; return [`connect-${spec.name}-0`]; },
      remove: async (spec, until) => {
        until.check();
        of(spec)?.next.clear();
        if (this.removalInterrupted) throw new Failure('Unreachable', `Connect worker ${spec.connect} did not answer.`);
        this.connectors.delete(spec.name);
      },
      synced: async (spec) => { const m = must(spec); return m.mute ?? BigInt([...m.anchors.values()].reduce((n, all) => n + all.length, 0)); },
      anchors: async (spec) => of(spec)?.anchors ?? new Map<string, Anchor[]>(),
    };
  }
  #refuseOpposing(spec: MirrorSpec): void {
    const other = [...this.connectors.values()].find((c) => c.spec.name !== spec.name && c.state !== 'STOPPED' && c.spec.topics.some((t) => spec.topics.includes(t)));
    if (other) throw new Failure('Drift', `Mirror ${spec.name} was not resumed: ${other.spec.name} is ${other.state}.`);
  }
  /** Lets every running mirror copy. */
  copy(atMost = Infinity): void {
    for (const m of this.connectors.values()) {
      if (m.state !== 'RUNNING') continue;
      for (const topic of m.spec.topics) for (const [partition, log] of this.cluster(m.spec.from).topics.get(topic)?.logs.entries() ?? []) {
        const key = tpKey({ topic, partition });
        const fresh = log.records.filter((r) => r.offset >= (m.next.get(key) ?? log.logStart)).slice(0, atMost);
        const to = this.cluster(m.spec.to);
        for (const r of fresh) {
          m.anchors.set(key, [...(m.anchors.get(key) ?? []), { from: r.offset, to: to.log(r).next }]);
          to.writeAs(m.producerId, topic, partition, r.fingerprint);
          m.next.set(key, r.offset + 1n);
        }
        if (fresh.length > 0) to.marker(topic, partition);
      }
    }
  }
  /**
   * Whenever somebody asks where the logs of that side end, `copies` runs first: a mirror at work that does not depend on the
   * clock, which on a machine without time for this process leaves no room for a timer.
   */
  async whileCopying<T>(side: 'source' | 'target', act: () => Promise<T>, copies: () => void = () => { this.copy(); }): Promise<T> {
    const to = this[side];
    const before = to.before;
    to.before = (call) => { if (call === 'ends') copies(); return before(call); };
    try { return await act(); } finally { to.before = before; }
  }
  work(more: Partial<WorkOptions> = {}): Work {
    return createWork(this.ports(), {
      registeredSearchAttributes: async () => ['CutoverState'],
      locks: {
        acquire: async ({ owner }, topics) => { for (const id of Object.keys(topics)) this.locks.set(id, owner); },
        release: async (_owner, clusterIds) => { for (const id of clusterIds) this.locks.delete(id); },
      },
      redact: (text) => this.secrets.reduce((t, s) => t.replaceAll(s, '[secret]'), text),
      surroundings: () => ({ heartbeat: () => { this.heartbeats++; }, signal: this.cancel.signal, now: () => Date.now() }),
      heartbeatMs: 10, settleMs: 150, looking: { pollMs: 5, outagePollMs: 2 }, ...more,
    });
  }
}

const limits = Object.fromEntries(Object.entries(limitBounds).map(([name, b]) => [name, b.default])) as unknown as Limits;
export const run = '0198aaaa-0000-7000-8000-000000000001';
export const context = (key: string, more: Partial<Context> = {}): Context => ({ untilMs: null, limits, run, mode: 'plain', key: `${run}/${key}/1`, ...more });
export const looking = (key: string, more: Partial<Context> = {}): Context & { readonly before: string | null } => ({ ...context(key, more), before: null });
export type { Migration };
