/** Small migrations to try things on: the one of the demo, and shapes that are easy to get wrong. */
import type { Application, BlueGreen, Limits, Migration, Reading } from '../../src/domain/migration.ts';
import { cutsOf, limitBounds } from '../../src/domain/migration.ts';

const limits = Object.fromEntries(Object.entries(limitBounds).map(([name, b]) => [name, b.default])) as unknown as Limits;

type Reads = Readonly<Record<string, readonly string[]>>;
/** An application by what it writes and what each of its groups reads; its fleet has its name. */
export const application = (name: string, x: { readonly writes?: readonly string[]; readonly reads?: Reads; readonly isolation?: Reading['isolation'] }): Application => ({
  name, fleet: name, writes: x.writes ?? [], principals: [`User:${name}`], transactionalIds: [],
  reads: Object.entries(x.reads ?? {}).map(([group, topics]) => ({ group, topics, isolation: x.isolation ?? 'read_committed' })),
});

export const migration = (name: string, applications: readonly Application[], more: Partial<Migration> = {}): Migration => ({
  name, source: 'old', target: 'new', connect: 'connect-new', connectBack: null, applications, groups: {}, limits: { ...limits, lagRecords: 5 },
  topics: [...new Set(applications.flatMap((a) => [...a.writes, ...a.reads.flatMap((r) => r.topics)]))].sort(),
  outage: { budgetMs: 20_000, undoReserveMs: 5_000 }, ...more,
});

/** One producer, a consumer of everything, a consumer that lags, and an application that reads one topic and writes another. */
export const demo = migration('demo', [
  application('shop', { writes: ['orders'] }),
  application('billing', { reads: { billing: ['orders', 'enriched'] } }),
  application('audit', { reads: { audit: ['orders'] } }),
  application('enricher', { writes: ['enriched'], reads: { enricher: ['orders'] } }),
]);
/** No principals: no fence can be set. */
export const unfenced = { ...demo, name: 'unfenced', applications: demo.applications.map((a) => ({ ...a, principals: [] })) };
export const twoWriters = migration('two-writers', [
  application('web', { writes: ['clicks', 'visits'] }),
  application('app', { writes: ['clicks'] }),
  application('stats', { reads: { stats: ['clicks', 'visits'] } }),
]);
/** a–b, b–c and c–d share a topic each: four writers, one cut. */
export const chain = migration('chain', [
  application('a', { writes: ['one', 'two'] }),
  application('b', { writes: ['two', 'three'] }),
  application('c', { writes: ['three', 'four'] }),
  application('lone', { writes: ['five'] }),
  application('reader', { reads: { reader: ['one', 'four', 'five'] } }),
]);
/** Three applications in a row: each reads what the one before writes. */
export const pipeline = migration('pipeline', [
  application('collect', { writes: ['raw'] }),
  application('clean', { writes: ['clean'], reads: { clean: ['raw'] } }),
  application('join', { writes: ['joined'], reads: { join: ['clean', 'raw'] } }),
  application('show', { reads: { show: ['joined'] } }),
]);
/** Each feeds the other: neither topic could be cut before the other. */
export const loop = migration('loop', [
  application('start', { writes: ['ping'] }),
  application('ping-pong', { writes: ['pong'], reads: { pinger: ['ping'] } }),
  application('pong-ping', { writes: ['ping'], reads: { ponger: ['pong'] } }),
]);
/** Nobody declared writes `facts`. */
export const readerOnly = migration('reader-only', [application('lookup', { reads: { lookup: ['facts'] } })]);
export const writerOnly = migration('writer-only', [application('sensor', { writes: ['measures'] })]);
/** Two applications that only read, in one group. */
export const sharedGroup = migration('shared-group', [
  application('source-app', { writes: ['events'] }),
  application('left', { reads: { workers: ['events'] } }),
  application('right', { reads: { workers: ['events'] } }),
]);
/** Somebody who only reads is in the group of somebody who writes: both move at one moment. */
export const mixedGroup = migration('mixed-group', [
  application('feed', { writes: ['raw'] }),
  application('refine', { writes: ['fine'], reads: { refiners: ['raw'] } }),
  application('peek', { reads: { refiners: ['raw'] } }),
  application('show', { reads: { showing: ['fine'] } }),
]);
/** One application with two groups, of which one reads what it writes itself (a retry topic). */
export const ownReader = migration('own-reader', [
  application('intake', { writes: ['jobs'] }),
  application('work', { writes: ['retries'], reads: { work: ['jobs'], again: ['retries'] } }),
]);

export const fixtures: readonly Migration[] = [demo, unfenced, twoWriters, chain, pipeline, loop, readerOnly, writerOnly, sharedGroup, mixedGroup, ownReader];

/** Nothing is copied. */
export const bare = (m: Migration): Migration => ({ ...m, name: `${m.name}-bare`, connect: null });
/** Every group may lose so many records, and nothing is copied. */
export const losing = (m: Migration, mayLose = 10_000): Migration => ({ ...bare(m), name: `${m.name}-losing`, applications: m.applications.map((a) => ({ ...a, reads: a.reads.map((r) => ({ ...r, mayLose })) })) });
/** One group begins again, one behind everything, the others where they were. */
export const starts: Migration = {
  ...demo, name: 'starts', applications: demo.applications.map((a) => ({ ...a, reads: a.reads.map((r) => ({
    ...r, ...(r.group === 'billing' ? { start: 'earliest' as const, mayRepeat: 10_000 } : r.group === 'audit' ? { start: 'latest' as const, mayLose: 10_000 } : {}),
  })) })),
};
/** Loops that say when they have run dry. */
export const quietLoop: Migration = { ...loop, name: 'quiet-loop', quiet: { ping: 400, pong: 400 } };
export const quietRetries: Migration = { ...ownReader, name: 'quiet-retries', quiet: { retries: 400 } };
/** A second set of everybody, muted until the switch; one of its own stays as it is. */
export const greened = (m: Migration, until: BlueGreen['until'] = 'muted'): Migration => ({
  ...m, blueGreen: m.blueGreen ?? { fleets: Object.fromEntries(m.applications.map((a) => [a.name, `${a.name}-green`])), until, traffic: 'traffic', live: 'live', validate: 'validate' },
});
/** What the parser fills in for a scheme. */
export const shapedFor = (scheme: string, m: Migration): Migration => ({ ...(scheme === 'blueGreen' ? greened(m) : m), ...cutsOf(scheme) });
