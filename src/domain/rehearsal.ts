/**
 * A rehearsal moves shadows: the same scheme with topics, groups and applications of its own beside the real ones. What they
 * are called and who stands in for whom is decided here, before anything is made; no name of the real ones is left in it.
 */
import { Failure } from './failures.ts';
import { hashOf } from './plan.ts';
import { workflowIdOf, type Application, type Migration } from './migration.ts';
import { parseMigration } from './parse-migration.ts';
import { shadowPrefix } from './topic-names.ts';

/** What it takes to play one application: it copies the records that the real one writes, and reads as a group of its own. */
export interface StandIn {
  /** Its name in the shadow migration. */
  readonly application: string;
  readonly copies: readonly Copying[];
  readonly reads: readonly Listening[];
  /** Where the real one writes in transactions, so does the stand-in; `null`: plainly. */
  readonly transactionalId: string | null;
}
/** Of several writers of one topic each takes the partitions with `partition % of === index`. */
export interface Copying { readonly topic: string; readonly shadow: string; readonly index: number; readonly of: number }
export interface Listening { readonly group: string; readonly shadow: string; readonly topics: readonly string[] }

export interface Rehearsal {
  readonly scheme: string;
  /** Names resolved: no patterns. */
  readonly real: Migration;
  readonly migration: Migration;
  /** Real topic → its shadow. */
  readonly topics: Readonly<Record<string, string>>;
  readonly standIns: readonly StandIn[];
}

const prefixOf = (m: Pick<Migration, 'name'>): string => `${shadowPrefix}${m.name}.`;

/** Throws one `BadMigration` with every reason why this cannot be rehearsed. `fleet`: the catalog's fleet of all stand-ins. */
export function rehearsalOf(real: Migration, scheme: string, fleet: string): Rehearsal {
  const faults = [
    ...(real.blueGreen === undefined ? [] : ['its hooks switch real traffic, and nothing real may be touched.']),
    ...(real.estate === undefined ? [] : ['it is a wave of an estate, whose topics and mirrors belong to the estate; rehearse its applications as a migration of their own.']),
  ];
  if (faults.length > 0) throw new Failure('BadMigration', `${real.name} cannot be rehearsed as ${scheme}:\n${faults.map((f) => `- ${f}\n`).join('')}`, 'Nothing was made.');
  const prefix = prefixOf(real);
  const topic = (name: string): string => `${prefix}${name}`;
  const migration = parseMigration(shadowed(real, fleet, prefix), scheme);
  return {
    scheme, real, migration,
    topics: Object.fromEntries(real.topics.map((t) => [t, topic(t)])),
    standIns: real.applications.map((a, i): StandIn => ({
      application: migration.applications[i]?.name ?? '',
      copies: a.writes.map((t) => copying(real, a, { topic: t, shadow: topic(t) })),
      reads: a.reads.map((r) => ({ group: r.group, shadow: `${prefix}${r.group}`, topics: r.topics.map(topic) })),
      transactionalId: migration.applications[i]?.transactionalIds[0] ?? null,
    })),
  };
}

function copying(real: Migration, a: Application, of: Pick<Copying, 'topic' | 'shadow'>): Copying {
  const writers = real.applications.filter((o) => o.writes.includes(of.topic));
  return { ...of, index: writers.indexOf(a), of: writers.length };
}

/** Each group once, with all that any of its stand-ins reads. */
export const listeningOf = (standIns: readonly StandIn[]): readonly Listening[] =>
  [...Map.groupBy(standIns.flatMap((s) => s.reads), (l) => l.group)].flatMap(([, of]) => { const [first] = of; return first ? [{ ...first, topics: [...new Set(of.flatMap((l) => l.topics))] }] : []; });

/** Limits, budget, batches and consents are those of the real one: they are what is rehearsed. */
function shadowed(real: Migration, fleet: string, prefix: string): Migration {
  const shadow = (name: string): string => `${prefix}${name}`;
  const application = (name: string): string => `rehearsal-${name}`;
  return {
    ...real,
    name: `rehearsal-${real.name}`,
    topics: real.topics.map(shadow),
    // The principals are nobody's: their fences cost the time of the real ones and keep nobody out.
    applications: real.applications.map((a) => ({
      ...a, name: application(a.name), fleet, writes: a.writes.map(shadow),
      reads: a.reads.map((r) => ({ ...r, group: shadow(r.group), topics: r.topics.map(shadow) })),
      principals: a.principals.map((p) => p.replace(/^([^:]+):(.*)$/, (_all, kind: string, name: string) => `${kind}:${shadow(name)}`)),
      transactionalIds: a.transactionalIds.map(shadow),
    })),
    groups: {},
    ...(real.batches === undefined ? {} : { batches: real.batches.map((b) => b.map(application)) }),
    ...(real.quiet === undefined ? {} : { quiet: Object.fromEntries(Object.entries(real.quiet).map(([t, ms]) => [shadow(t), ms])) }),
  };
}

/** A text of the shadows in the words of the real ones. */
export const inRealWords = (r: Rehearsal, text: string): string => text.replaceAll(prefixOf(r.real), '').replaceAll(/\brehearsal-(?=[A-Za-z0-9])/g, '');

/** Where both ledgers keep how the last rehearsal of a migration went. */
export const rehearsalKey = (m: Pick<Migration, 'source' | 'target' | 'name'>): string => `rehearsal/${workflowIdOf(m)}`;
/** What was rehearsed. Budget, limits and who is left alone do not change how long an outage takes. */
export const fingerprintOf = (real: Migration): string => hashOf({ ...real, limits: undefined, outage: undefined, groups: undefined }).slice(0, 16);
