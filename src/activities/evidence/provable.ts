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
  const [to, accepted] = [otherSide(o.on), Object.entries(x.c.mayRepeat ?? {}).map(([group, repeats]) => ({ group, repeats }))];
  const groups = unique(applications.flatMap(groupsOf));
  const consents = [...accepted.filter((c) => groups.includes(c.group)), ...consentsOf(applications).filter((c) => !accepted.some((a) => a.group === c.group))];
  const [strict, lenient] = [groups.filter((g) => !consents.some((c) => c.group === g)), consents];
  const find = async (groups: readonly string[]): Promise<readonly PositionForecast[]> => positions(ports, record).forecastPositions({ m: x.m, c: x.c, groups, to });
  // What is behind or open heals by itself while the mirror moves on.
  const fine = (f: PositionForecast, most: number): boolean => f.kind === 'exact' || f.kind === 'behind' || (f.kind === 'conservative' && f.repeats !== 'unknown' && f.repeats <= most);
  const said = (f: PositionForecast): string => `${f.group}: ${f.kind === 'exact' ? `exact on ${count(f.partitions, 'partition')}` : `${f.kind}${f.kind === 'conservative' ? `, ${typeof f.repeats === 'number' ? count(f.repeats, 'record') : 'an unknown number of records'} read again` : ''}: ${f.why}`}`;
  return [
    ...(strict.length === 0 ? [] : [shown(`The positions of ${list(strict)} can be proven on the ${to}.`, async () => {
      const found = await find(strict);
      return asking(claim(`The positions of ${list(strict)} can be proven on the ${to}.`, found.every((f) => fine(f, 0)), ...found.map(said)), found);
    })]),
    ...lenient.map(({ group, repeats }) => {
      const text = `Group ${group} reads at most ${count(repeats, 'record')} again on the ${to}, as ${accepted.some((c) => c.group === group) ? 'was consented to' : 'the migration allows'}.`;
      return shown(text, async () => {
        const found = await find([group]);
        return asking(claim(text, found.every((f) => fine(f, repeats)), ...found.map(said)), found);
      });
    }),
  ];
}

/** A claim that only a consent is missing for says so: by group, how many records would be read again. */
function asking(of: Shown, found: readonly PositionForecast[]): Shown {
  if (of.claims.every((c) => c.holds) || found.some((f) => f.kind === 'refused' || f.repeats === 'unknown' && f.kind === 'conservative')) return of;
  const unless = Object.fromEntries(found.flatMap((f) => (f.kind === 'conservative' && typeof f.repeats === 'number' && f.repeats > 0 ? [[f.group, f.repeats] as const] : [])));
  return { ...of, claims: of.claims.map((c) => (c.holds ? c : { ...c, unless })) };
}
