/** Readers that move while what they read is mirrored: stopped, proven gone, set to the exact place on the target, started, seen at work. */
import type { Application } from '../../domain/migration.ts';
import type { Step } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';

export function moved(use: Use, batch: readonly Application[]): readonly Step[] {
  const names = batch.map((a) => a.name);
  return [
    use.fleets.stop(names, 'source'),
    ...use.guards.leftovers(batch, 'source'),
    use.fleets.quiet(names, 'source'),
    ...use.guards.readFence(batch, 'source'),
    use.groups.move(batch, 'target', 'translated'),
    use.fleets.start(names, 'target'),
    use.fleets.running(names, 'target'),
  ];
}
