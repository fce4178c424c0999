/**
 * A fleet that people run. The hold before a move tells them what to do (`tell`); whether they did it is read from the
 * brokers, because nobody here can know.
 */
import type { FleetConfig } from '../../domain/catalog.ts';
import type { Fleet, FleetState } from '../../domain/ports.ts';

export function manualFleet(name: string, config: FleetConfig & { readonly kind: 'manual' }): Fleet {
  const state: FleetState = { source: 'unknown', target: 'unknown', say: `${name} is run by people (${config.tell}); the brokers are asked instead` };
  return {
    kind: 'manual',
    beside: true,
    stop: (_application, until) => checked(() => until.check()),
    start: (_application, _on, until) => checked(() => until.check()),
    ask: async () => state,
  };
}

/** Returns at once; a passed budget is still refused, as with every other fleet. */
const checked = async (check: () => void): Promise<void> => check();
