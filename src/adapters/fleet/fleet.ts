/** Opens the fleet a catalog entry describes: the processes of one application, however they are run. */
import type { FleetConfig, SecretRef } from '../../domain/catalog.ts';
import type { Fleet } from '../../domain/ports.ts';
import { commandFleet } from './command.ts';
import { manualFleet } from './manual.ts';
import { webhookFleet } from './webhook.ts';

export interface FleetDeps {
  /** Resolves a credential reference; called for each request, so that a rotated token is used at once. */
  secret(ref: SecretRef): string | Promise<string>;
}

/** `name` is the catalog's name of the fleet and appears in every error. */
export function openFleet(name: string, config: FleetConfig, deps: FleetDeps): Fleet {
  switch (config.kind) {
    case 'command': return commandFleet(name, config);
    case 'webhook': return webhookFleet(name, config, deps);
    case 'manual': return manualFleet(name, config);
  }
}
