/** From a migration file that may also say how things are (`copied`, `translation`, `measured`) to what `recommend` takes. */
import { Failure } from './failures.ts';
import type { Migration } from './migration.ts';
import { parseMigration } from './parse-migration.ts';
import type { Circumstances, Measured } from './recommend.ts';
import { entries, Faults, fields, whole, yes, type At } from './shape.ts';

const secrets = 'Nothing here needs a credential.';
const own = ['copied', 'translation', 'measured'] as const;
/** Taken when the file has no "outage": tolerances are held against it. */
const usualBudgetMs = 10_000;
const most = 1_000_000_000_000_000;

/** Throws one `BadMigration` with all faults. No scheme is known yet: what only one of them asks is not asked. */
export function parseCircumstances(input: unknown): { readonly migration: Migration; readonly circumstances: Circumstances } {
  const faults = new Faults();
  const isObject = input !== null && typeof input === 'object' && !Array.isArray(input);
  const given: Readonly<Record<string, unknown>> = isObject ? { ...input } : {};
  const at = (key: (typeof own)[number]): At => ({ path: key, value: given[key], faults });
  const flag = (key: 'copied' | 'translation'): Circumstances => (given[key] === undefined ? {} : { [key]: yes(at(key)) });
  const circumstances: Circumstances = { ...flag('copied'), ...flag('translation'), ...(given['measured'] === undefined ? {} : { measured: readMeasured(at('measured')) }) };
  const rest = Object.fromEntries(Object.entries(given).filter(([key]) => !own.some((k) => k === key)));
  const told = faults.count === 0 ? [] : [faults.report('What is said around the migration')];
  try {
    const migration = parseMigration(isObject ? { outage: { budgetMs: usualBudgetMs }, ...rest } : input, null);
    if (told.length === 0) return { migration, circumstances };
  } catch (error) {
    if (told.length === 0 || !(error instanceof Failure)) throw error;
    told.push(error.message);
  }
  throw new Failure('BadMigration', told.join(''));
}

function readMeasured(x: At): Measured {
  const f = fields(x, { noun: 'what was measured', known: ['topics', 'groups', 'copyBytesPerSecond'], secrets });
  if (!f) return {};
  const numbers = (key: string, noun: string, known: readonly [string, string][]): Readonly<Record<string, Readonly<Record<string, number>>>> =>
    Object.fromEntries(entries(f(key), { noun, most: 10_000 }).map(([name, at]) => {
      const g = fields(at, { noun: `what was measured of ${name}`, known: known.map(([k]) => k), secrets });
      return [name, Object.fromEntries(known.flatMap(([k, unit]) => {
        const value = g && g(k).value !== undefined ? whole(g(k), { least: 0, most, unit }) : null;
        return value === null ? [] : [[k, value] as const];
      }))];
    }));
  const rate = f('copyBytesPerSecond').value === undefined ? null : whole(f('copyBytesPerSecond'), { least: 1, most, unit: 'bytes a second' });
  return {
    topics: numbers('topics', 'topics by name', [['recordsPerSecond', 'records a second'], ['bytes', 'bytes']]),
    groups: numbers('groups', 'groups by name', [['lagRecords', 'records'], ['recordsPerSecond', 'records a second']]),
    ...(rate === null ? {} : { copyBytesPerSecond: rate }),
  };
}
