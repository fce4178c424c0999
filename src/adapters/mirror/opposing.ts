/**
 * No two mirrors may feed each other: with unchanged names MirrorMaker cannot see a loop, and copies every record for ever.
 * Asked of Connect itself right before a mirror is resumed.
 */
import type { Catalog } from '../../domain/catalog.ts';
import { Failure } from '../../domain/failures.ts';
import type { Until } from '../../domain/ports.ts';
import type { ConnectRest, ListedConnector } from '../connect/rest.ts';
import { mirrorClass } from './connector.ts';
import type { Place } from './place.ts';
import { patience } from './place.ts';

export interface OpposingDeps {
  readonly catalog: Catalog;
  restOf(url: string): ConnectRest;
  /** `accept` where a mirror goes on that was running already: an undo must not depend on yet another worker. */
  readonly whenUnreachable: 'refuse' | 'accept';
}

/** Throws `Drift` when a mirror that is not stopped copies any of these topics back, or forth a second time. */
export async function refuseOpposing(p: Place, deps: OpposingDeps, until: Until): Promise<void> {
  const workers = Object.values(deps.catalog.connects).filter((c) => c.cluster === p.spec.from || c.cluster === p.spec.to);
  await Promise.all(workers.map(async (worker) => {
    const towards = worker.cluster;
    const reads = deps.catalog.clusters[towards === p.spec.to ? p.spec.from : p.spec.to];
    const addresses = new Set([...(reads?.bootstrap ?? []), ...(reads?.connectBootstrap ?? [])]);
    const bad = (await listed(deps, worker.url, until)).find((c) => c.name !== p.spec.name && conflicts(p, c, addresses));
    if (!bad) return;
    const way = towards === p.spec.to ? `also copies topics of it to ${p.spec.to}` : `copies topics of it back to ${p.spec.from}`;
    throw new Failure('Drift', `Mirror ${p.spec.name} was not resumed: connector ${bad.name} on Connect at ${worker.url} ${way} and is ${bad.state}, wanted STOPPED.`, 'Stop that connector, then retry.');
  }));
}

async function listed(deps: OpposingDeps, url: string, until: Until): Promise<readonly ListedConnector[]> {
  try {
    return await deps.restOf(url).list(patience(until, 10_000));
  } catch (e) {
    if (deps.whenUnreachable === 'accept' && e instanceof Failure && e.type === 'Unreachable') return [];
    throw e;
  }
}

function conflicts(p: Place, c: ListedConnector, addresses: ReadonlySet<string>): boolean {
  if (c.config['connector.class'] !== mirrorClass || (c.state === 'STOPPED' && c.tasks === 0)) return false;
  const from = (c.config['source.cluster.bootstrap.servers'] ?? '').split(',').map((x) => x.trim());
  if (!from.some((address) => addresses.has(address))) return false;
  const patterns = (c.config['topics'] ?? '.*').split(',').map((x) => x.trim());
  return p.spec.topics.some((topic) => patterns.some((pattern) => matches(pattern, topic)));
}

/** A pattern that only Java understands counts as a match. */
function matches(pattern: string, topic: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`).test(topic);
  } catch {
    return true;
  }
}
