/** The applications of the demo, in the words of the supervisor, of the books, and of a Cutover migration. */
import type { Application, Migration } from '../src/domain/migration.ts';
import type { FleetConfig } from '../src/domain/catalog.ts';
import type { Side } from '../src/domain/authority.ts';
import { join } from 'node:path';
import type { Derived, Duty } from './books.ts';
import type { AppSpec } from './supervisor.ts';

export const topics = [
  { name: 'orders', partitions: 8, configs: { 'retention.ms': '259200000', 'max.message.bytes': '2097152' } },
  { name: 'enriched', partitions: 4, configs: { 'retention.ms': '86400000', 'segment.ms': '3600000' } },
] as const;
export const duties: readonly Duty[] = [
  { group: 'billing', topic: 'orders' }, { group: 'billing', topic: 'enriched' }, { group: 'audit', topic: 'orders' }, { group: 'enricher', topic: 'orders' },
];
export const derived: readonly Derived[] = [{ from: 'orders', to: 'enriched' }];
/** Writers of each cut set: the topics they write change their authority together. */
export const writers: Readonly<Record<string, readonly string[]>> = { orders: ['shop'], enriched: ['enricher'] };

/** How far the audit lags, ms. */
const usualLagMs = 2_000;

/** `ratePerSecond`: orders of the whole shop. `restMs`: the longest that a fetch waits for more; a request costs the same however little it carries. `auditLagMs`: by side. */
export interface Pace { readonly ratePerSecond: number; readonly restMs?: number; readonly auditLagMs?: Readonly<Record<Side, number>> }
/** `env`: credentials of an application on a side. */
export const apps = ({ ratePerSecond, restMs = 100, auditLagMs }: Pace, env: (application: string, side: Side) => Readonly<Record<string, string>>): readonly AppSpec[] => {
  const app = (application: string, x: Omit<AppSpec, 'application' | 'env'>): AppSpec => ({ application, ...x, args: [...x.args, '--rest-ms', String(restMs)], env: (side) => env(application, side) });
  return [
    app('shop', { script: 'producer.ts', instances: 2, args: ['--topic', 'orders', '--rate', String(ratePerSecond / 2)] }),
    app('billing', { script: 'consumer.ts', instances: 1, args: ['--group', 'billing', '--topics', 'orders,enriched'] }),
    app('audit', { script: 'consumer.ts', instances: 1, args: ['--group', 'audit', '--topics', 'orders'], argsOn: (side) => ['--behind-ms', String(auditLagMs?.[side] ?? usualLagMs)] }),
    app('enricher', { script: 'enricher.ts', instances: 1, args: ['--group', 'enricher', '--topic', 'orders', '--to', 'enriched'] }),
  ];
};

/** Two kinds of fleet side by side: a program for one reader, HTTP for the others; stop and start of writers are inside the write outage. */
export function fleets(supervisor: string, tokenFile: string): Readonly<Record<string, FleetConfig>> {
  const webhook: FleetConfig = { kind: 'webhook', url: supervisor, token: `file:${tokenFile}`, beside: true, timeoutMs: 15_000 };
  const program = (verb: string, ...how: readonly string[]): [string, ...string[]] => [process.execPath, join(import.meta.dirname, 'fleet-command.ts'), supervisor, tokenFile, verb, ...how];
  const sides = (verb: string) => ({ source: program(verb, 'beside'), target: program(verb, 'beside') });
  const command: FleetConfig = { kind: 'command', stop: program('stop'), start: { source: program('start'), target: program('start') }, ask: program('ask'), beside: { start: sides('start'), stop: sides('stop') }, timeoutMs: 15_000 };
  return { shop: webhook, enricher: webhook, billing: command, audit: webhook };
}

/** The workflow input; limits stay at their defaults. `principals`: only where the clusters have an authorizer, and so can fence. */
export function migration(x: { readonly copies: boolean; readonly principals: boolean; readonly budgetMs: number; /** Consent of every group; absent: none. */ readonly mayLose?: number; readonly second?: boolean }): Omit<Migration, 'limits'> {
  const application = (name: string, a: Pick<Application, 'writes' | 'reads'> & { readonly transactionalIds?: readonly string[] }): Application => ({
    name, fleet: name, transactionalIds: [], principals: x.principals && a.writes.length > 0 ? [`User:${name}`] : [], ...a,
  });
  const reading = (group: string, of: readonly string[]): Application['reads'][number] => ({ group, topics: of, isolation: 'read_committed', ...(x.mayLose === undefined ? {} : { mayLose: x.mayLose }) });
  return {
    name: 'demo', source: 'old', target: 'new', connect: x.copies ? 'forward' : null, connectBack: 'back',
    topics: ['orders', 'enriched'],
    applications: [
      application('shop', { writes: ['orders'], reads: [] }),
      application('enricher', { writes: ['enriched'], reads: [reading('enricher', ['orders'])], transactionalIds: ['enricher'] }),
      application('billing', { writes: [], reads: [reading('billing', ['enriched', 'orders'])] }),
      application('audit', { writes: [], reads: [reading('audit', ['orders'])] }),
    ],
    groups: {},
    ...(x.second ? { blueGreen: { fleets: { shop: 'shop-green', enricher: 'enricher-green', billing: 'billing-green', audit: 'audit-green' }, until: 'muted', traffic: 'traffic', live: 'live', validate: 'check' } } : {}),
    outage: { budgetMs: x.budgetMs, undoReserveMs: Math.floor(x.budgetMs / 3) },
  };
}
