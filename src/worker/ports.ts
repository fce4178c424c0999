/** Adapters for everything the catalog names, opened on first use and closed together. */
import { openFleet } from '../adapters/fleet/fleet.ts';
import { openHook } from '../adapters/hooks/hook.ts';
import { openCluster, type KafkaCluster } from '../adapters/kafka/cluster.ts';
import { createLedger } from '../adapters/ledger/ledger.ts';
import { createMirrors } from '../adapters/mirror/mirrormaker2.ts';
import { resolveSecret } from '../adapters/secrets/secrets.ts';
import type { Catalog } from '../domain/catalog.ts';
import { Failure } from '../domain/failures.ts';
import type { Fleet, Ports } from '../domain/ports.ts';

function lookup<T>(kind: string, all: Readonly<Record<string, T>>, name: string): T {
  const found = Object.hasOwn(all, name) ? all[name] : undefined;
  if (found === undefined) throw new Failure('BadMigration', `The catalog has no ${kind} called "${name}"; it has ${Object.keys(all).sort().join(', ') || 'none'}.`);
  return found;
}

export function openPorts(catalog: Catalog): Ports & { close(): Promise<void> } {
  const clusters = new Map<string, KafkaCluster>();
  const fleets = new Map<string, Fleet>();
  const cluster = (name: string): KafkaCluster => {
    const open = clusters.get(name) ?? openCluster(name, lookup('cluster', catalog.clusters, name));
    clusters.set(name, open);
    return open;
  };
  const fleet = (name: string): Fleet => {
    const open = fleets.get(name) ?? openFleet(name, lookup('fleet', catalog.fleets, name), { secret: resolveSecret });
    fleets.set(name, open);
    return open;
  };
  return {
    cluster, fleet,
    hook: (name) => openHook(name, lookup('hook', catalog.hooks ?? {}, name), { secret: resolveSecret }),
    mirrors: createMirrors({ catalog, cluster, secret: resolveSecret }),
    ledger: createLedger(cluster),
    close: async () => { await Promise.all([...clusters.values()].map((c) => c.close())); },
  };
}
