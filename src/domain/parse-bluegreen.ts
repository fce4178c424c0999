/** The part of a migration that only `blueGreen` needs: the second set of every application and the hooks that switch. */
import type { Application, BlueGreen } from './migration.ts';
import { choice, didYouMean, entries, fields, show, text, type At } from './shape.ts';

const known = ['fleets', 'until', 'traffic', 'live', 'validate'];
const catalogName = { pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/, words: 'letters, digits, ".", "_" and "-"' };

/** Faults are told whatever the scheme; kept only where the scheme is `blueGreen`, so that the plans of others do not depend on it. */
export function readBlueGreen(x: At, o: { readonly scheme: string; readonly applications: readonly Application[]; readonly secrets: string }): { readonly blueGreen?: BlueGreen } {
  const { scheme, applications, secrets } = o;
  if (x.value === undefined) {
    if (scheme === 'blueGreen') x.faults.add(x.path, 'is missing; blueGreen needs the second set of every application and the hook that switches traffic, such as {"fleets": {"shop": "shop-green"}, "until": "muted", "traffic": "traffic", "live": "live"}.');
    return {};
  }
  const f = fields(x, { noun: 'a blue/green switch', known, secrets });
  if (!f) return {};
  const name = (at: At, noun: string): string => text(at, { noun, most: 200, form: catalogName, secrets });
  const maybe = (key: string): string | null => (f(key).value === undefined || f(key).value === null ? null : name(f(key), 'a hook of the catalog'));
  const until = choice(f('until'), ['muted', 'shadow', 'doubling']);
  const fleets = Object.fromEntries(entries(f('fleets'), { noun: 'fleets of the catalog by application', most: 500 }).map(([application, at]) => [application, name(at, 'a fleet of the catalog')] as const));
  const blueGreen = { fleets, until, traffic: name(f('traffic'), 'a hook of the catalog'), live: maybe('live'), validate: maybe('validate') };
  checkSets(f, blueGreen, applications);
  return scheme === 'blueGreen' ? { blueGreen } : {};
}

function checkSets(f: (key: string) => At, b: BlueGreen, applications: readonly Application[]): void {
  const [at, names] = [f('fleets'), applications.map((a) => a.name).filter((n) => n !== '')];
  // Without an application that could be read, why has been told: nothing can be held against them.
  if (names.length > 0) for (const a of Object.keys(b.fleets)) if (!names.includes(a)) at.faults.add(at.path, `${show(a)} is none of the applications (${names.map(show).join(', ')}).${didYouMean(a, names)}`);
  const without = names.filter((n) => !Object.hasOwn(b.fleets, n));
  if (without.length > 0) at.faults.add(at.path, `lacks ${without.map(show).join(', ')}: every application needs a second set, or it would be left behind by the switch.`);
  for (const a of applications) if (a.name !== '' && b.fleets[a.name] === a.fleet) at.faults.add(at.path, `${show(a.name)} has the same fleet ${show(a.fleet)} for both sets; the second set needs a fleet of its own.`);
  if (b.until !== 'doubling' && b.live === null) f('live').faults.add(f('live').path, `is missing; green is ${b.until === 'muted' ? 'muted' : 'kept apart'} until the switch, and a hook of the catalog must say and end it.`);
  if (b.until === 'doubling') {
    const writing = applications.filter((a) => a.writes.length > 0).map((a) => a.name);
    if (writing.length > 0 && b.live === null) f('live').faults.add(f('live').path, `is missing; ${writing.map(show).join(', ')} ${writing.length === 1 ? 'writes' : 'write'} topics that are mirrored until the switch: what only reads may double, what writes is muted until then.`);
  }
}
