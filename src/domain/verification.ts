/** What `cutover verify` is asked and answers: two clusters, topics, a pace; counts, hashes, differences. */
import type { Beginning } from './diff/begin.ts';
import { added, noCounts, type Counts, type Difference } from './diff/difference.ts';
import type { Rate } from './diff/port.ts';
import { Failure } from './failures.ts';
import { limitBounds } from './migration.ts';
import { migrationFields } from './parse-migration.ts';
import { Faults, fields, list, show, text, twice, whole, type At } from './shape.ts';
import { topicFault } from './topic-names.ts';

export interface Verification {
  readonly source: string;
  readonly target: string;
  /** Names, or patterns with `*`. */
  readonly topics: readonly string[];
  /** Of both sides together. */
  readonly rate: Rate;
  /** Most differences listed, over all partitions; all are counted. */
  readonly cap: number;
  /** `until-stopped`: behind a running mirror, what has been copied, again and again. `once`: up to the ends of both logs at the start. */
  readonly live: 'once' | 'until-stopped';
  /** Events in Temporal's history after which the workflow continues as new. */
  readonly limits: { readonly historyEvents: number };
}
export const capBounds = { default: 1_000, most: 5_000 } as const;

export type PartitionResult = {
  readonly partition: string;
  readonly counts: Counts;
  /** SHA-256 over the source's records compared; `null`: not compared to its end. */
  readonly hash: string | null;
  /** Next offsets, first and last. */
  readonly from: { readonly origin: string; readonly copy: string } | null;
  readonly to: { readonly origin: string; readonly copy: string } | null;
  /** How the place was found at which the logs correspond. */
  readonly beginning: Beginning['how'] | 'unknown';
  /** Records before that place which only one side still holds. */
  readonly skipped: { readonly origin: number; readonly copy: number };
};
export interface VerifyResult {
  /** True only when nothing differs and every partition was compared: to its end, or (live) as far as it came. */
  readonly same: boolean;
  readonly say: string;
  readonly run: string;
  readonly source: string;
  readonly target: string;
  readonly counts: Counts;
  readonly partitions: readonly PartitionResult[];
  /** Left out of `partitions` because the answer would be too long; the ledger has all. */
  readonly partitionsOmitted: number;
  readonly differences: readonly (Difference & { readonly partition: string })[];
  readonly listed: 'all' | 'up-to-cap';
}
/** Exact, from offsets. */
export interface VerifyProgress {
  readonly state: 'comparing' | 'waiting' | 'stopping' | 'completed';
  /** Offsets of the source's logs between where comparing began and where it ends; `unknown` before the first look. */
  readonly total: number | 'unknown';
  readonly done: number;
  readonly perSecond: number | 'unknown';
  readonly etaMs: number | 'unknown';
  readonly partitions: number;
  readonly partitionsDone: number;
  readonly counts: Counts;
  /** Completed passes of a live comparison. */
  readonly passes: number;
  readonly say: string;
}
export const sumOf = (all: Iterable<Counts>): Counts => [...all].reduce((sum, one) => added(sum, one), noCounts);

const name = { pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/, words: 'letters, digits, ".", "_" and "-"' };
const secrets = 'A verification is kept in Temporal in clear: credentials belong into the catalog of the worker.';
const own = ['source', 'target', 'topics', 'rate', 'cap', 'live', 'limits'];
/** A whole migration may be given, also that of a wave; what a comparison does not need is not looked at. */
const ofMigrations = [...migrationFields, 'estate'].filter((key) => !own.includes(key));

/** Throws one `BadMigration` with all faults; the result parses to itself. */
export function parseVerification(input: unknown): Verification {
  const faults = new Faults();
  const given = isObject(input) ? Object.fromEntries(Object.entries(input).filter(([key]) => !ofMigrations.includes(key))) : input;
  const f = fields({ path: '', value: given, faults }, { noun: 'a verification', known: own, secrets });
  if (f === null) throw refused(faults);
  const cluster = (key: string): string => text(f(key), { noun: 'a cluster of the catalog', most: 200, form: name, secrets });
  const found: Verification = {
    source: cluster('source'), target: cluster('target'), topics: readTopics(f('topics')), rate: readRate(f('rate')),
    cap: whole(f('cap'), { least: 0, most: capBounds.most, unit: 'differences', otherwise: capBounds.default }) ?? capBounds.default,
    live: readLive(f('live')), limits: readLimits(f('limits')),
  };
  if (found.source !== '' && found.source === found.target) faults.add('target', `is ${show(found.target)}, as the source; two clusters are compared.`);
  if (faults.count > 0) throw refused(faults);
  return found;
}
const refused = (faults: Faults): Failure => new Failure('BadMigration', faults.report('The verification'), 'Correct what is named and compare again; nothing was read.');
const isObject = (x: unknown): x is Record<string, unknown> => x !== null && typeof x === 'object' && !Array.isArray(x);

function readTopics(x: At): readonly string[] {
  const places = list(x, { noun: 'topics or patterns', least: 1, most: 2_000 }).map((at) => {
    const topic = text(at, { noun: 'a topic or a pattern', most: 1_000, secrets });
    const fault = topic === '' ? null : topicFault(topic);
    if (fault !== null) at.faults.add(at.path, fault);
    return { name: fault === null ? topic : '', at };
  });
  twice(places, 'topic');
  return places.map((p) => p.name);
}
function readRate(x: At): Rate {
  if (x.value === undefined || x.value === null) return { bytesPerSecond: null, recordsPerSecond: null };
  const f = fields(x, { noun: 'a rate', known: ['bytesPerSecond', 'recordsPerSecond'], secrets });
  const limit = (key: string, unit: string): number | null => (f === null || f(key).value === undefined || f(key).value === null ? null : whole(f(key), { least: 1, most: Number.MAX_SAFE_INTEGER, unit }));
  return { bytesPerSecond: limit('bytesPerSecond', 'bytes'), recordsPerSecond: limit('recordsPerSecond', 'records') };
}
function readLimits(x: At): Verification['limits'] {
  const otherwise = 2_000;
  const f = x.value === undefined ? null : fields(x, { noun: 'limits', known: Object.keys(limitBounds), secrets });
  return { historyEvents: f === null ? otherwise : (whole(f('historyEvents'), { least: 10, most: limitBounds.historyEvents.max, unit: 'events', otherwise }) ?? otherwise) };
}
function readLive(x: At): Verification['live'] {
  if (x.value === undefined || x.value === false || x.value === 'once') return 'once';
  if (x.value === true || x.value === 'until-stopped') return 'until-stopped';
  x.faults.add(x.path, `must be true or false; it is ${show(x.value)}.`);
  return 'once';
}
