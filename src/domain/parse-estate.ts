/** From an estate file (JSON or YAML, as read) to an `Estate`, or to one message that tells every fault in it. */
import type { Copies, DeclaredWave, Estate, EstateApplication, Observed } from './estate.ts';
import { some, sorted } from './estate.ts';
import { Failure } from './failures.ts';
import { groupsOf } from './migration.ts';
import { catalogName, printable, readApplication, readGroups, readLimits, readOutage, readTopics, secrets } from './parse-migration.ts';
import { choice, didYouMean, Faults, fieldOf, fields, list, show, text, twice, whole, type At } from './shape.ts';
import { expand, isPattern, topicFault } from './topic-names.ts';

const longestName = 200;
/** Estate, wave and number become the name of a migration, which has at most 100 characters. */
const longestEstateName = 50;
const longestWaveName = 40;
const defaultWaveSize = 25;
const mostApplications = 2_000;
const mostAtOnce = 100;
const plainName = { pattern: /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, words: 'lower-case letters, digits and inner dashes' };
const estateFields = ['name', 'environment', 'source', 'target', 'connect', 'connectBack', 'scheme', 'applications', 'groups', 'waves', 'waveSize', 'atOnce', 'outage', 'limits'];
const applicationFields = ['owner', 'libraries', 'streams', 'scheme', 'wave', 'hint', 'after'];
type Fields = (key: string) => At;

/** Shape, bounds and references inside the file; what is on the clusters is checked when the estate starts. Throws one `BadMigration` with all faults. */
export function parseEstate(input: unknown, copies: Copies): Estate {
  const faults = new Faults();
  const f = fields({ path: '', value: input, faults }, { noun: 'an estate', known: estateFields, secrets });
  const estate = f ? readEstate(f, copies) : null;
  if (estate === null || faults.count > 0) throw new Failure('BadMigration', faults.report('The estate'), 'Correct the estate file and start again; nothing was written.');
  return estate;
}

function readEstate(f: Fields, copies: Copies): Estate {
  const scheme = choice(f('scheme'), schemesOf(copies));
  const applications = list(f('applications'), { noun: 'applications', least: 1, most: mostApplications }).map((x) => readOne(x, copies));
  const estate: Estate = {
    name: text(f('name'), { noun: 'the name of the estate', most: longestEstateName, form: plainName, secrets }),
    environment: f('environment').value === undefined ? 'unnamed' : text(f('environment'), { noun: 'the environment, such as staging', most: 60, form: printable, secrets }),
    source: text(f('source'), { noun: 'a cluster of the catalog', most: longestName, form: catalogName, secrets }),
    target: text(f('target'), { noun: 'a cluster of the catalog', most: longestName, form: catalogName, secrets }),
    connect: readConnect(f('connect')),
    connectBack: text(f('connectBack'), { noun: 'the Connect worker of the catalog for the way back (a settled wave waits with its way back open)', most: longestName, form: catalogName, secrets }),
    scheme, applications,
    groups: readGroups(f('groups')),
    waves: list(f('waves'), { noun: 'waves, each with a name', most: 500 }).map((x) => readWave(x, copies)),
    waveSize: whole(f('waveSize'), { least: 1, most: 500, unit: 'applications', otherwise: defaultWaveSize }) ?? defaultWaveSize,
    ...readAtOnce(f('atOnce')),
    outage: readOutage(f('outage')),
    limits: readLimits(f('limits')),
  };
  checkAcross(estate, f, copies);
  return estate;
}

/** One is what an estate does that says nothing: it is not written down. */
function readAtOnce(x: At): Pick<Estate, 'atOnce'> {
  const most = whole(x, { least: 1, most: mostAtOnce, unit: 'applications', otherwise: 1 });
  return most === null || most === 1 ? {} : { atOnce: most };
}

const schemesOf = (copies: Copies): readonly [string, ...string[]] => Object.keys(copies).sort() as [string, ...string[]];
const readConnect = (x: At): string | null =>
  (x.value === undefined || x.value === null ? null : text(x, { noun: 'a Connect worker of the catalog', most: longestName, form: catalogName, secrets }));
const maybe = (x: At, noun: string, form = printable): string | undefined => {
  if (x.value === undefined || x.value === null) return undefined;
  const said = text(x, { noun, most: longestName, form, secrets });
  return said === '' ? undefined : said;
};
const maybeScheme = (x: At, copies: Copies): string | undefined => (x.value === undefined || x.value === null ? undefined : choice(x, schemesOf(copies)));

function readOne(x: At, copies: Copies): EstateApplication {
  const base = readApplication(x, null, applicationFields);
  const at = (key: string): At => fieldOf(x, key) ?? { ...x, value: undefined };
  const names = (key: string, noun: string): readonly string[] => list(at(key), { noun: `${noun}s`, most: 200 }).map((y) => text(y, { noun: `a ${noun}`, most: longestName, form: printable, secrets })).filter((n) => n !== '');
  const [owner, streams, wave, scheme] = [maybe(at('owner'), 'who answers for it'), maybe(at('streams'), 'a Kafka Streams application id'), maybe(at('wave'), 'the name of a wave', plainName), maybeScheme(at('scheme'), copies)];
  return {
    ...base, libraries: names('libraries', 'library'), after: names('after', 'application'), hint: choice(at('hint'), ['canary', 'none'], 'none'),
    ...(owner === undefined ? {} : { owner }), ...(streams === undefined ? {} : { streams }), ...(wave === undefined ? {} : { wave }), ...(scheme === undefined ? {} : { scheme }),
  };
}

function readWave(x: At, copies: Copies): DeclaredWave {
  const f = fields(x, { noun: 'a wave', known: ['name', 'scheme'], secrets });
  if (!f) return { name: '' };
  const scheme = maybeScheme(f('scheme'), copies);
  return { name: text(f('name'), { noun: 'the name of a wave', most: longestWaveName, form: plainName, secrets }), ...(scheme === undefined ? {} : { scheme }) };
}

function checkAcross(e: Estate, f: Fields, copies: Copies): void {
  const { faults } = f('name');
  const at = (i: number, key: string): At => ({ path: `applications[${i}].${key}`, value: undefined, faults });
  if (e.source !== '' && e.source === e.target) faults.add('target', `source and target are both ${show(e.source)}; an estate needs two clusters.`);
  twice(e.applications.map((a, i) => ({ name: a.name, at: at(i, 'name') })), 'application');
  twice(e.waves.map((w, i) => ({ name: w.name, at: { path: `waves[${i}].name`, value: undefined, faults } })), 'wave');
  const [apps, waves] = [new Set(e.applications.map((a) => a.name)), new Set(e.waves.map((w) => w.name))];
  e.applications.forEach((a, i) => {
    for (const name of a.after) if (!apps.has(name) || name === a.name) faults.add(at(i, 'after').path, `${show(name)} is ${name === a.name ? 'the application itself' : 'no application of this estate'}.${didYouMean(name, [...apps])}`);
    if (a.wave !== undefined && !waves.has(a.wave)) faults.add(at(i, 'wave').path, `${show(a.wave)} is not among "waves".${didYouMean(a.wave, [...waves])} List it there: the order of that list is the order in time.`);
    for (const group of groupsOf(a)) if (e.groups[group] !== undefined) faults.add(`groups[${JSON.stringify(group)}]`, `the group moves with application ${a.name}; it cannot also be left or abandoned. Take it out here.`);
  });
  const copying = e.applications.some((a) => copies[a.scheme ?? e.waves.find((w) => w.name === a.wave)?.scheme ?? e.scheme] === true);
  if (copying && e.connect === null && faults.count === 0) faults.add('connect', 'is missing; at least one wave copies records and needs a Connect worker of the catalog that runs the mirror.');
}

/** Facts that somebody observed: `{"topics":[{"name","partitions"}],"groups":[{"group","topics"}]}`. */
export function parseObserved(input: unknown): Observed {
  const faults = new Faults();
  const f = fields({ path: '', value: input, faults }, { noun: 'what was observed', known: ['topics', 'groups'], secrets });
  const topics = f ? list(f('topics'), { noun: 'topics, each with name and partitions', most: 100_000 }).flatMap((x) => {
    const t = fields(x, { noun: 'a topic', known: ['name', 'partitions'], secrets });
    return t ? [{ name: text(t('name'), { noun: 'a topic', most: 249, form: printable, secrets }), partitions: whole(t('partitions'), { least: 1, most: 100_000, unit: 'partitions' }) ?? 0 }] : [];
  }) : [];
  const groups = f ? list(f('groups'), { noun: 'groups, each with the topics it reads', most: 100_000 }).flatMap((x) => {
    const g = fields(x, { noun: 'a group', known: ['group', 'topics'], secrets });
    return g ? [{ group: text(g('group'), { noun: 'a consumer group', most: 249, form: printable, secrets }), topics: readTopics(g('topics'), { noun: 'topics', most: 10_000 }) }] : [];
  }) : [];
  if (faults.count > 0) throw new Failure('BadMigration', faults.report('What was observed'), 'Correct the file and start again.');
  return { topics, groups };
}

/** Patterns replaced by the names they match, among names said in the file and observed ones; a pattern that matches nothing is a fault. */
export function resolved(e: Estate, observed: Observed | null): Estate {
  const said = e.applications.flatMap((a) => [...a.writes, ...a.reads.flatMap((r) => r.topics)]);
  const names = sorted([...said.filter((t) => !isPattern(t)), ...(observed?.topics ?? []).map((t) => t.name).filter((t) => topicFault(t) === null)]);
  const lines = new Set<string>();
  const find = (patterns: readonly string[], where: string): readonly string[] => {
    const { names: found, unmatched } = expand(patterns, names);
    for (const p of unmatched.filter(isPattern)) lines.add(`- ${where}: the pattern "${p}" matches no topic that is named in the file or was observed.`);
    return found;
  };
  const applications = e.applications.map((a) => ({
    ...a, writes: find(a.writes, `${a.name} writes`), reads: a.reads.map((r) => ({ ...r, topics: find(r.topics, `${a.name} reads with group ${r.group}`) })),
  }));
  const seen = observed === null ? null : new Set(observed.topics.map((t) => t.name));
  if (seen !== null) {
    const absent = sorted(said.filter((t) => !isPattern(t) && !seen.has(t)));
    if (absent.length > 0) lines.add(`- the source has no topic ${some(absent, 10)}.`);
  }
  if (lines.size > 0) throw new Failure('BadMigration', `The estate does not fit what is there:\n${[...lines].slice(0, 20).join('\n')}\n`, 'Correct the estate file, or observe again.');
  return { ...e, applications };
}
