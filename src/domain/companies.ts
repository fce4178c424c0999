/** Who shares a consumer group with whom: members of one group move at one moment, or the group would stand at two places. */
import { groupsOf, type Application, type Migration } from './migration.ts';

/** These, and whoever is in a group with one of them, and so on; in the order of `all`. */
export function sharing(all: readonly Application[], seed: readonly Application[]): readonly Application[] {
  const groups = new Set(seed.flatMap(groupsOf));
  const more = all.filter((a) => seed.includes(a) || groupsOf(a).some((g) => groups.has(g)));
  return more.length === seed.length ? more : sharing(all, more);
}

/** Groups of these applications that nobody else is in, sorted. */
export function groupsWith(m: Pick<Migration, 'applications'>, applications: readonly string[]): readonly string[] {
  const [those, others] = [m.applications.filter((a) => applications.includes(a.name)), m.applications.filter((a) => !applications.includes(a.name))];
  const elsewhere = new Set(others.flatMap(groupsOf));
  return [...new Set(those.flatMap(groupsOf))].filter((g) => !elsewhere.has(g)).sort();
}

/** Application → the topics with whose cut it moves: those it writes, and those that whoever it shares a group with writes. */
export function boundTo(m: Pick<Migration, 'applications'>): ReadonlyMap<string, readonly string[]> {
  const companies = new Map<string, ReadonlySet<Application>>();
  for (const a of m.applications) {
    const company = new Set([a, ...groupsOf(a).flatMap((g) => [...companies.get(g) ?? []])]);
    for (const b of company) for (const g of groupsOf(b)) companies.set(g, company);
  }
  return new Map(m.applications.map((a) => {
    const [group] = groupsOf(a);
    const company = group === undefined ? [a] : [...companies.get(group) ?? [a]];
    return [a.name, [...new Set(company.flatMap((b) => b.writes))]];
  }));
}
