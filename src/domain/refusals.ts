/** Why a migration is not begun, every kind of reason at once: told by the workflow before it writes anything, and by `cutover plan` without a cluster. */
import { closures } from './cutsets.ts';
import { groundworkWave, type Migration } from './migration.ts';
import { unkept } from './offers.ts';
import { endless } from './stopping.ts';

/** One sentence or list for each kind; what the safety model finds in the plan comes besides (`checkPlan`). */
export const refusals = (m: Migration, scheme: string): readonly string[] =>
  [unkept(m, scheme) ?? [], orphans(m), endless(m, scheme)].flat();

function orphans(m: Migration): readonly string[] {
  if (m.estate?.wave === groundworkWave) return [];
  const topics = closures(m).filter((s) => s.writers.length === 0).flatMap((s) => s.topics);
  return topics.length === 0 ? [] : [`No declared application writes ${topics.join(', ')}: declare the writers, or leave these topics out.`];
}
