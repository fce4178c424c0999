/** Whether positions can be proven, group by group; where the migration allows repeats, how many there would be. */
import { otherSide } from '../../domain/authority.ts';
import { consentsOf, groupsOf } from '../../domain/migration.ts';
import { applicationsOf, count, list, unique } from '../outside.ts';
import { positions } from '../positions.ts';
import type { PositionForecast } from '../work.ts';
import { claim, shown, type EvidenceAsk, type OfApplications, type Reach, type Shown } from './shown.ts';

/** Counted now, from where the groups stand now: a group that moves on is counted again when its position is set. */
export function provableShown({ ports, record }: Reach, x: EvidenceAsk, o: OfApplications): readonly Promise<Shown>[] {
  const applications = applicationsOf(x.m, o.applications);
  const [to, consents] = [otherSide(o.on), consentsOf(applications)];
  const [strict, lenient] = [unique(applications.flatMap(groupsOf)).filter((g) => !consents.some((c) => c.group === g)), consents];
  const find = async (groups: readonly string[]): Promise<readonly PositionForecast[]> => positions(ports, record).forecastPositions({ m: x.m, c: x.c, groups, to });
  // What is behind or open heals by itself while the mirror moves on.
  const fine = (f: PositionForecast, most: number): boolean => f.kind === 'exact' || f.kind === 'behind' || (f.kind === 'conservative' && f.repeats !== 'unknown' && f.repeats <= most);
  const said = (f: PositionForecast): string => `${f.group}: ${f.kind === 'exact' ? `exact on ${count(f.partitions, 'partition')}` : `${f.kind}${f.kind === 'conservative' ? `, ${typeof f.repeats === 'number' ? count(f.repeats, 'record') : 'an unknown number of records'} read again` : ''}: ${f.why}`}`;
  return [
    ...(strict.length === 0 ? [] : [shown(`The positions of ${list(strict)} can be proven on the ${to}.`, async () => {
      const found = await find(strict);
      return claim(`The positions of ${list(strict)} can be proven on the ${to}.`, found.every((f) => fine(f, 0)), ...found.map(said));
    })]),
    ...lenient.map(({ group, repeats }) => {
      const text = `Group ${group} reads at most ${count(repeats, 'record')} again on the ${to}, as the migration allows.`;
      return shown(text, async () => {
        const found = await find([group]);
        return claim(text, found.every((f) => fine(f, repeats)), ...found.map(said));
      });
    }),
  ];
}
