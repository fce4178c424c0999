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
import { pause } from '../connect/http.ts';

export interface OpposingDeps {
  readonly catalog: Catalog;
  restOf(url: string): ConnectRest;
  /** `accept` where a mirror goes on that was running already: an undo must not depend on yet another worker. */
  readonly whenUnreachable: 'refuse' | 'accept';
}

/** Tasks of a mirror that was just silenced for a cut end by themselves within this time. */
const endingMs = 15_000;

/** Throws `Drift` when a mirror that is not stopped copies any of these topics back, or forth a second time. */
export async function refuseOpposing(p: Place, deps: OpposingDeps, until: Until): Promise<void> {
  for (const endMs = Date.now() + until.timeoutMs(endingMs); ; await pause(250, until.signal)) {
    const found = await opposing(p, deps, until);
    const [first] = found;
    if (!first) return;
    if (found.every((o) => o.connector.state === 'STOPPED') && Date.now() < endMs) continue;
    throw new Failure('Drift', `Mirror ${p.spec.name} was not resumed: connector ${first.connector.name} on Connect at ${first.url} ${first.way} and is ${first.connector.state} with ${first.connector.tasks} tasks, wanted STOPPED without any.`, 'Stop that connector, then retry.');
  }
}

interface Opposing { readonly connector: ListedConnector; readonly url: string; readonly way: string }
async function opposing(p: Place, deps: OpposingDeps, until: Until): Promise<readonly Opposing[]> {
  const workers = Object.values(deps.catalog.connects).filter((c) => c.cluster === p.spec.from || c.cluster === p.spec.to);
  return (await Promise.all(workers.map(async (worker) => {
    const back = worker.cluster !== p.spec.to;
    const reads = deps.catalog.clusters[back ? p.spec.to : p.spec.from];
    const addresses = new Set([...(reads?.bootstrap ?? []), ...(reads?.connectBootstrap ?? [])]);
    const way = back ? `copies topics of it back to ${p.spec.from}` : `also copies topics of it to ${p.spec.to}`;
    return (await listed(deps, worker.url, until)).filter((c) => c.name !== p.spec.name && conflicts(p, c, addresses)).map((connector) => ({ connector, url: worker.url, way }));
  }))).flat();
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
  // Brokers may have moved since it was made: one of the same run is known by its name.
  if (!from.some((address) => addresses.has(address)) && (ownOf(c.name) === null || ownOf(c.name) !== ownOf(p.spec.name))) return false;
  const patterns = (c.config['topics'] ?? '.*').split(',').map((x) => x.trim());
  return p.spec.topics.some((topic) => patterns.some((pattern) => matches(pattern, topic)));
}

/** What the names of all mirrors of one set and run have in common; `null`: not a mirror of ours. */
function ownOf(name: string): string | null {
  const [, set, tag] = /^(cutover-.+)-(?:fwd|back)-([^-]+)-\d+$/.exec(name) ?? [];
  return set === undefined || tag === undefined ? null : `${set} ${tag}`;
}

/** A pattern that only Java understands counts as a match. */
function matches(pattern: string, topic: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`).test(topic);
  } catch {
    return true;
  }
}
