/** What one of many migrations on a stack calls the demo's topics, groups and applications, and what is said of it without those names. */
import type { Migration } from '../../src/domain/migration.ts';
import type { SchemeName } from '../../src/workflows/schemes/schemes.ts';
import { demoMigration, switches } from './places.ts';
import type { Tally } from './tally.ts';

/** The name that a word of the demo bears; what is no word of it stays. */
export type Named = (word: string) => string;
interface Whose { readonly named: Named }

const words = ['orders', 'enriched', 'shop', 'enricher', 'billing', 'audit'] as const;
const isOneOf = (list: readonly string[], word: string): boolean => list.includes(word);

/** Names within lists separated by commas too. */
export const renaming = (row: string): Named => (text) => text.split(',').map((w) => {
  // The fleet of a second set bears the name of its application.
  const [, word = w, green = ''] = /^(.*?)(-green)?$/.exec(w) ?? [];
  return `${isOneOf([...words, ...switches], word) ? `${word}-${row}` : word === 'demo' ? row : word}${green}`;
}).join(',');

export const renamed = <T>(all: Readonly<Record<string, T>>, named: Named): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(all).map(([name, one]) => [named(name), one]));

/** The demo's migration under its names. */
export function migrationOf(scheme: SchemeName, named: Named): Omit<Migration, 'limits'> {
  const within = (x: unknown): unknown => {
    if (typeof x === 'string') return named(x);
    if (Array.isArray(x)) return x.map(within);
    // Switches are fields of a migration too.
    return typeof x === 'object' && x !== null ? Object.fromEntries(Object.entries(x).map(([k, v]) => [isOneOf(switches, k) ? k : named(k), within(v)])) : x;
  };
  return within(demoMigration(scheme)) as Omit<Migration, 'limits'>;
}

export const plain = ({ named }: Whose, text: string): string => text.replaceAll(`-${named('demo')}`, '');
export const plainTally = (whose: Whose, t: Tally): Tally => ({
  ...t, duties: t.duties.map((d) => ({ ...d, group: plain(whose, d.group), topic: plain(whose, d.topic) })), examples: t.examples.map((e) => plain(whose, e)),
});
