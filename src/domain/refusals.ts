/** Why a migration is not begun, every kind of reason at once: told by the workflow before it writes anything, and by `cutover plan` without a cluster. */
import { closures } from './cutsets.ts';
import { groundworkWave, type Migration } from './migration.ts';
import { unkept } from './offers.ts';
import { endless } from './stopping.ts';
import { isPattern } from './topic-names.ts';

/** One sentence or list for each kind; what the safety model finds in the plan comes besides (`checkPlan`). */
export const refusals = (m: Migration, scheme: string): readonly string[] =>
  [unkept(m, scheme) ?? [], orphans(m), endless(m, scheme)].flat();

function orphans(m: Migration): readonly string[] {
  if (m.estate?.wave === groundworkWave) return [];
  const all = closures(m).filter((s) => s.writers.length === 0).flatMap((s) => s.topics);
  const [patterns, topics] = [all.filter(isPattern), all.filter((t) => !isPattern(t))];
  return [
    ...(topics.length === 0 ? [] : [`No declared application writes ${topics.join(', ')}: declare the writers, or leave these topics out.`]),
    // Without a cluster a pattern stands for itself. Whatever it matches there, nobody is declared who writes it.
    ...patterns.map((p) => `No application of the migration writes a topic that ${p} covers, and whether it matches any is known only to cutover check: declare the writers, or leave it out.`),
  ];
}
