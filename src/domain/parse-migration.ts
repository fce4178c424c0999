/** From whatever a person typed into Temporal's form to a `Migration`, or to one message that tells every fault in it. */
import { pureReaders } from './cutsets.ts';
import { Failure } from './failures.ts';
import { readBlueGreen } from './parse-bluegreen.ts';
import { cutsOf, groundworkWave, leastOutage, limitBounds, type Application, type GroupPolicy, type Limits, type Migration, type Reading, type Tolerances } from './migration.ts';
import { readEstatePart } from './parse-estate-part.ts';
import { checkStarts, readStart } from './parse-starts.ts';
import { choice, entries, Faults, fields, list, show, text, twice, whole, yes, type At } from './shape.ts';
import { covering, isPattern, topicFault } from './topic-names.ts';

export { expand, isInternal, isPattern, matches, topicFault } from './topic-names.ts';

/** Names of people's things: clusters, fleets, groups, applications. */
const longestName = 200;
/** The migration's name becomes part of connector and topic names, which Kafka limits to 249. */
const longestMigrationName = 100;
/** The journal carries the whole migration from run to run and stays under 256 KB. */
const longestMigration = 131_072;
/** Schemes that copy nothing, or need not, and so need no Connect worker. */
const copiesNothing: readonly string[] = ['groundwork', 'producerFirst', 'dualConsume', 'stopWaitRestart', 'restartAllAtOnce'];
/** Schemes that take consumers in declared batches. */
export const inBatches: readonly string[] = ['consumerFirst', 'stopRestartRepeat'];
const longestBudgetMs = 3_600_000;

export const secrets = 'A migration is kept in Temporal in clear: credentials belong into the catalog of the worker, as env: or file:.';
export const catalogName = { pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/, words: 'letters, digits, ".", "_" and "-"' };
export const printable = { pattern: /^[^\p{Cc}]+$/u, words: 'without control characters' };

export const migrationFields: readonly string[] = ['name', 'source', 'target', 'connect', 'connectBack', 'topics', 'applications', 'batches', 'groups', 'cuts', 'quiet', 'outage', 'limits', 'blueGreen'];
type Fields = (key: string) => At;

/**
 * Shape and bounds; what is on the clusters is checked later by `assess`. Defaults are filled in, and the result parses
 * to itself. `scheme`: `null` where none is chosen yet; then nothing is asked that only a scheme asks. Throws one `BadMigration`
 * with all faults.
 */
export function parseMigration(input: unknown, scheme: string | null): Migration {
  const faults = new Faults();
  const top: At = { path: '', value: input, faults };
  const size = sizeOf(input);
  if (size === null) refuse(faults, 'The migration cannot be read as JSON: it refers to itself or holds a value that JSON has not.');
  if (size !== null && size > longestMigration)
    refuse(faults, `The migration has ${size} characters of JSON; at most ${longestMigration} are taken. Name topics by patterns such as "shop.*", or split it.`);
  if (input === null || typeof input !== 'object' || Array.isArray(input)) refuse(faults, notAnObject(input));
  // People are not told of a field that only estates write.
  const f = fields(top, { noun: 'a migration', known: Object.hasOwn(input, 'estate') ? [...migrationFields, 'estate'] : migrationFields, secrets });
  const migration = f ? readMigration(f, scheme) : null;
  if (migration === null || faults.count > 0) throw new Failure('BadMigration', faults.report('The migration'));
  return migration;
}

function refuse(faults: Faults, sentence: string): never {
  faults.add('', sentence);
  throw new Failure('BadMigration', faults.report('The migration'));
}

const sizeOf = (input: unknown): number | null => {
  try {
    return JSON.stringify(input)?.length ?? 0;
  } catch {
    return null; // a cycle or a BigInt: told to the operator as not being JSON
  }
};

const notAnObject = (input: unknown): string => {
  const wanted = `it must be one JSON object with ${migrationFields.join(', ')}`;
  if (input === undefined) return `Nothing was given; ${wanted}.`;
  if (typeof input === 'string' && /^\s*\{/.test(input)) return `It is a text that holds JSON; ${wanted}. Take away the quotes around it.`;
  return `It is ${show(input)}; ${wanted}.`;
};

function readMigration(f: Fields, scheme: string | null): Migration {
  const estate = f('estate').value === undefined ? undefined : readEstatePart(f('estate'));
  const base: Migration = {
    name: text(f('name'), {
      noun: 'the name of the migration', most: longestMigrationName, secrets,
      form: { pattern: /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, words: 'lower-case letters, digits and inner dashes' },
    }),
    source: text(f('source'), { noun: 'a cluster of the catalog', most: longestName, form: catalogName, secrets }),
    target: text(f('target'), { noun: 'a cluster of the catalog', most: longestName, form: catalogName, secrets }),
    connect: readConnect(f('connect'), scheme),
    connectBack: readConnectBack(f('connectBack')),
    topics: readTopics(f('topics'), { noun: 'topics or patterns', least: 1, most: 2_000 }),
    applications: list(f('applications'), { noun: 'applications', least: estate?.wave === groundworkWave ? 0 : 1, most: 500 }).map((at) => readApplication(at, scheme)),
    ...readBatches(f('batches'), scheme),
    groups: readGroups(f('groups')),
    ...readCuts(f('cuts'), scheme),
    ...readQuiet(f('quiet')),
    outage: readOutage(f('outage')),
    limits: readLimits(f('limits')),
    ...(estate === undefined ? {} : { estate }),
  };
  const migration = { ...base, ...readBlueGreen(f('blueGreen'), { scheme: scheme ?? '', applications: base.applications, secrets }) };
  checkAcross(migration, f);
  if (scheme !== null) checkStarts(migration, f('applications'), scheme);
  return migration;
}

function readConnect(x: At, scheme: string | null): string | null {
  const noun = 'a Connect worker of the catalog';
  if (x.value !== undefined && x.value !== null) return text(x, { noun, most: longestName, form: catalogName, secrets });
  if (scheme !== null && !copiesNothing.includes(scheme)) x.faults.add(x.path, `is missing; ${scheme} copies records and needs ${noun} that runs the mirror.`);
  return null;
}

function readConnectBack(x: At): string | null {
  if (x.value === undefined || x.value === null) return null;
  return text(x, { noun: 'a Connect worker of the catalog', most: longestName, form: catalogName, secrets });
}

/** Faulty names become `''`, so that positions in the list stay true for the checks that follow. */
export function readTopics(x: At, o: { readonly noun: string; readonly least?: number; readonly most: number }): readonly string[] {
  const places = list(x, o).map((at) => {
    const name = text(at, { noun: 'a topic or a pattern', most: 1_000, secrets });
    const fault = name === '' ? null : topicFault(name);
    if (fault !== null) at.faults.add(at.path, fault);
    return { name: fault === null ? name : '', at };
  });
  twice(places, 'topic');
  return places.map((p) => p.name);
}

const nothing: Application = { name: '', fleet: '', writes: [], reads: [], principals: [], transactionalIds: [] };
/** `scheme`: `null` where it is not known yet; `also`: further fields that the caller reads. */
export function readApplication(x: At, scheme: string | null, also: readonly string[] = []): Application {
  const f = fields(x, { noun: 'an application', known: [...also, 'name', 'fleet', 'writes', 'reads', 'principals', 'transactionalIds', 'tolerates'], secrets });
  if (!f) return nothing;
  const names = (key: string, noun: string, form = printable): readonly string[] => {
    const places = list(f(key), { noun: `${noun}s`, most: 200 }).map((at) => ({ name: text(at, { noun: `a ${noun}`, most: longestName, form, secrets }), at }));
    twice(places, noun);
    return places.map((p) => p.name);
  };
  const application: Application = {
    name: text(f('name'), { noun: 'the name of an application', most: longestName, form: catalogName, secrets }),
    fleet: text(f('fleet'), { noun: 'a fleet of the catalog', most: longestName, form: catalogName, secrets }),
    writes: readTopics(f('writes'), { noun: 'topics or patterns', most: 2_000 }),
    reads: list(f('reads'), { noun: 'readings, each with a group and topics', most: 200 }).map((at) => readReading(at, scheme)),
    principals: names('principals', 'principal', { pattern: /^[A-Za-z]+:.+$/, words: 'such as User:shop' }),
    transactionalIds: names('transactionalIds', 'transactional id'),
    ...readTolerances(f('tolerates')),
  };
  const idle = [f('writes').value, f('reads').value].every((v) => v === undefined || (Array.isArray(v) && v.length === 0));
  if (idle) x.faults.add(x.path, `${show(application.name || 'the application')} reads nothing and writes nothing. Say what it does in "writes" or "reads", or leave it out.`);
  return application;
}

const longestOutageMs = 30 * 24 * 3_600_000;
export function readTolerances(x: At): Pick<Application, 'tolerates'> {
  if (x.value === undefined) return {};
  const f = fields(x, { noun: 'what is tolerated', known: ['loss', 'repeats', 'disorder', 'writeOutageMs', 'readOutageMs'], secrets });
  if (!f) return {};
  const ms = (key: 'writeOutageMs' | 'readOutageMs'): Partial<Tolerances> => {
    const found = f(key).value === undefined ? null : whole(f(key), { least: 0, most: longestOutageMs, unit: 'ms' });
    return found === null ? {} : { [key]: found };
  };
  return { tolerates: { loss: yes(f('loss')), repeats: yes(f('repeats')), disorder: yes(f('disorder')), ...ms('writeOutageMs'), ...ms('readOutageMs') } };
}

function readReading(x: At, scheme: string | null): Reading {
  const f = fields(x, { noun: 'a reading', known: ['group', 'topics', 'isolation', 'mayRepeat', 'start', 'mayLose'], secrets });
  if (!f) return { group: '', topics: [], isolation: 'read_uncommitted' };
  const mayRepeat = f('mayRepeat').value === undefined ? null : whole(f('mayRepeat'), { least: 1, most: 1_000_000_000, unit: 'records' });
  const mayLose = f('mayLose').value === undefined ? null : whole(f('mayLose'), { least: 0, most: 1_000_000_000, unit: 'records' });
  return {
    group: text(f('group'), { noun: 'a consumer group', most: longestName, form: printable, secrets }),
    topics: readTopics(f('topics'), { noun: 'topics or patterns', least: 1, most: 2_000 }),
    isolation: choice(f('isolation'), ['read_committed', 'read_uncommitted'], 'read_uncommitted'),
    ...(mayRepeat === null ? {} : { mayRepeat }),
    ...readStart(f('start'), scheme),
    ...(mayLose === null ? {} : { mayLose }),
  };
}

function readBatches(x: At, scheme: string | null): Pick<Migration, 'batches'> {
  if (x.value === undefined) return {};
  if (scheme !== null && !inBatches.includes(scheme)) x.faults.add(x.path, `is for ${inBatches.join(', ')}; ${scheme} moves its applications in an order of its own. Leave it out.`);
  return { batches: list(x, { noun: 'batches, each a list of applications', most: 500 }).map((batch) =>
    list(batch, { noun: 'names of applications', least: 1, most: 500 }).map((at) => text(at, { noun: 'the name of an application', most: longestName, form: catalogName, secrets }))) };
}

export function readGroups(x: At): Readonly<Record<string, GroupPolicy>> {
  return Object.fromEntries(entries(x, { noun: 'groups, each "leave" or "abandon"', most: 2_000 }).map(([group, at]) => {
    text({ ...at, value: group }, { noun: 'a consumer group', most: longestName, form: printable, secrets });
    return [group, choice(at, ['leave', 'abandon'])] as const;
  }));
}

/** Filled in from the scheme; somebody who types it for another one would not get what he expects. */
function readCuts(x: At, scheme: string | null): Pick<Migration, 'cuts'> {
  if (scheme === null) return {};
  const cuts = cutsOf(scheme);
  if (x.value !== undefined && x.value !== cuts.cuts) x.faults.add(x.path, cuts.cuts === undefined ? `is not for ${scheme}, which cuts each set of topics by itself. Leave it out.` : `must be ${show(cuts.cuts)} with ${scheme}, or left out.`);
  return cuts;
}

function readQuiet(x: At): Pick<Migration, 'quiet'> {
  const quiet = entries(x, { noun: 'topics with the ms without a new record after which they count as run dry', most: 2_000 }).map(([topic, at]) => {
    const fault = topicFault(topic);
    if (fault !== null || isPattern(topic)) at.faults.add(at.path, fault ?? 'must be the name of a topic, not a pattern.');
    return [topic, whole(at, { least: 1, most: longestBudgetMs, unit: 'ms' }) ?? 1] as const;
  });
  return quiet.length === 0 ? {} : { quiet: Object.fromEntries(quiet) };
}

export function readOutage(x: At): Migration['outage'] {
  const missing = { budgetMs: 0, undoReserveMs: 0 };
  if (x.value === undefined) {
    x.faults.add(x.path, 'is missing; it must say the longest write outage you accept, such as {"budgetMs": 10000}.');
    return missing;
  }
  const f = fields(x, { noun: 'an outage', known: ['budgetMs', 'undoReserveMs'], secrets });
  if (!f) return missing;
  const budgetMs = whole(f('budgetMs'), { least: leastOutage.forwardMs + leastOutage.reserveMs, most: longestBudgetMs, unit: 'ms' });
  const otherwise = Math.max(leastOutage.reserveMs, Math.round((budgetMs ?? 0) / 4));
  const undoReserveMs = whole(f('undoReserveMs'), { least: leastOutage.reserveMs, most: longestBudgetMs, unit: 'ms', otherwise });
  if (budgetMs !== null && undoReserveMs !== null && budgetMs - undoReserveMs < leastOutage.forwardMs)
    x.faults.add(x.path, `a budget of ${budgetMs} ms less the undo reserve of ${undoReserveMs} ms leaves ${budgetMs - undoReserveMs} ms for the cut; at least ${leastOutage.forwardMs} ms are needed. Raise budgetMs or lower undoReserveMs.`);
  return { budgetMs: budgetMs ?? 0, undoReserveMs: undoReserveMs ?? 0 };
}

const unitOf = (limit: string): string => (limit.endsWith('Ms') ? 'ms' : limit.endsWith('Records') ? 'records' : 'events');
export function readLimits(x: At): Limits {
  const names = Object.keys(limitBounds) as (keyof Limits)[];
  const f = x.value === undefined ? (key: string): At => ({ ...x, path: key }) : fields(x, { noun: 'limits', known: names, secrets });
  const limit = (name: keyof Limits): number => {
    const { default: otherwise, min, max } = limitBounds[name];
    return (f ? whole(f(name), { least: min, most: max, unit: unitOf(name), otherwise }) : null) ?? otherwise;
  };
  return Object.fromEntries(names.map((name) => [name, limit(name)])) as unknown as Limits;
}

/** What only shows when several fields are looked at together. Fields with a fault of their own are empty and left out. */
function checkAcross(m: Migration, f: Fields): void {
  const { faults, path } = f('target');
  if (m.source !== '' && m.source === m.target) faults.add(path, `source and target are both ${show(m.source)}; a migration needs two clusters.`);
  const application = (i: number, key: string): At => ({ path: `applications[${i}].${key}`, value: undefined, faults });
  twice(m.applications.map((a, i) => ({ name: a.name, at: application(i, 'name') })), 'application');
  const readings = m.applications.flatMap((a, i) => a.reads.map((r, j) => ({ name: r.group, at: application(i, `reads[${j}].group`) })));
  checkShared(m, application);
  const reading = new Map(readings.map((r) => [r.name, r.at.path]));
  for (const group of Object.keys(m.groups)) {
    const where = reading.get(group);
    if (where !== undefined) faults.add(`groups[${JSON.stringify(group)}]`, `the group moves with its application (${where}); it cannot also be left or abandoned. Take it out here.`);
  }
  checkBatches(m, f('batches'));
  checkQuiet(m, f);
  checkCovered(m, application);
}

/** Applications may share a group, which is one thing: read one way, with one consent. */
function checkShared(m: Migration, at: (i: number, key: string) => At): void {
  const first = new Map<string, { readonly i: number; readonly path: string; readonly reading: Reading }>();
  m.applications.forEach((a, i) => { a.reads.forEach((reading, j) => {
    const { path, faults } = at(i, `reads[${j}]`);
    const before = first.get(reading.group);
    if (reading.group === '') return;
    if (!before) { first.set(reading.group, { i, path, reading }); return; }
    if (before.i === i) { faults.add(`${path}.group`, `group ${show(reading.group)} is there already, at ${before.path}.group.`); return; }
    const said = (r: Reading) => ({ ...r, start: r.start ?? 'translated' });
    for (const key of ['isolation', 'start', 'mayRepeat', 'mayLose'] as const)
      if (said(before.reading)[key] !== said(reading)[key]) faults.add(`${path}.${key}`, `differs from ${before.path}.${key}, and both are group ${show(reading.group)}: what is said of a group is said alike by all its applications.`);
  }); });
}

function checkBatches(m: Migration, x: At): void {
  const places = (m.batches ?? []).flatMap((batch, i) => batch.map((name, j) => ({ name, at: { ...x, path: `${x.path}[${i}][${j}]` } })));
  twice(places, 'application');
  const readers = pureReaders(m);
  for (const { name, at } of places) {
    const found = m.applications.find((a) => a.name === name);
    if (name === '' || m.applications.every((a) => a.name === '')) continue;
    if (!found) at.faults.add(at.path, `no application is called ${show(name)}.`);
    else if (found.writes.length > 0) at.faults.add(at.path, `${show(name)} writes as well: it moves with the cut of what it writes, not in a batch. Take it out here.`);
    else if (!readers.includes(found)) at.faults.add(at.path, `${show(name)} shares a group with an application that writes: it moves with the cut of what that one writes, not in a batch. Take it out here.`);
  }
}

/** The silence that a loop needs is part of the outage. */
function checkQuiet(m: Migration, f: Fields): void {
  const { faults } = f('quiet');
  const covered = covering(m.topics.filter((t) => t !== ''));
  const most = m.outage.budgetMs - m.outage.undoReserveMs;
  for (const [topic, ms] of Object.entries(m.quiet ?? {})) {
    if (!covered(topic)) faults.add(`quiet.${topic}`, 'is not covered by "topics".');
    if (m.outage.budgetMs > 0 && ms >= most) faults.add(`quiet.${topic}`, `${ms} ms of silence do not fit into the ${most} ms of the outage that are not kept for the undo. Raise outage.budgetMs.`);
  }
}

function checkCovered(m: Migration, application: (i: number, key: string) => At): void {
  if (m.topics.every((t) => t === '')) return; // reported already; everything would count as not covered
  const covered = covering(m.topics.filter((t) => t !== ''));
  m.applications.forEach((a, i) => {
    const uses = [
      ...a.writes.map((topic, k) => ({ topic, at: application(i, `writes[${k}]`) })),
      ...a.reads.flatMap((r, j) => r.topics.map((topic, k) => ({ topic, at: application(i, `reads[${j}].topics[${k}]`) }))),
    ];
    for (const { topic, at } of uses)
      if (topic !== '' && !covered(topic))
        at.faults.add(at.path, `${isPattern(topic) ? 'the pattern ' : ''}${show(topic)} is not covered by "topics". Add it there: an application moves with all topics it uses.`);
  });
}
