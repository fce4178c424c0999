/**
 * Proposes a scheme and a start for each application from what it tolerates and what was measured: the first row of the
 * decision tables whose offer nothing speaks against, with what was rejected on the way and why.
 */
import { cutSets } from './cutsets.ts';
import { dependencies, matching, patterns, processing, restarts, type PatternRow, type Start, type Traits } from './decision-tables.ts';
import { leastOutage, readsOf, type Application, type Migration } from './migration.ts';
import { instead, objections, offerName, offers, smallestOutage, type Offer } from './offers.ts';

/** What was measured; every part is optional, and what is absent is not guessed. */
export interface Measured {
  readonly topics?: Readonly<Record<string, { readonly recordsPerSecond?: number; readonly bytes?: number }>>;
  /** `recordsPerSecond`: how fast the group reads when it is behind. */
  readonly groups?: Readonly<Record<string, { readonly lagRecords?: number; readonly recordsPerSecond?: number }>>;
  /** What a mirror is known to copy. */
  readonly copyBytesPerSecond?: number;
}
export interface Circumstances {
  /** Whether records can be copied; absent: when the migration names a Connect worker. */
  readonly copied?: boolean;
  /** `false`: positions of these groups cannot be translated. */
  readonly translation?: boolean;
  readonly measured?: Measured;
}
export interface Rejected { readonly scheme: string; readonly because: string }
export interface Proposal {
  /** One application, or several that must move together. */
  readonly applications: readonly string[];
  /** `null`: nothing keeps what was declared. */
  readonly scheme: string | null;
  /** Muted, with a copy, …; empty where the scheme has one kind. */
  readonly kind: Offer['kind'];
  /** Per group that it reads with; empty: it does not read. */
  readonly start: Readonly<Record<string, Start>>;
  readonly order: string;
  /** One sentence. */
  readonly because: string;
  /** The row of the tables that decided. */
  readonly row: string | null;
  readonly rejected: readonly Rejected[];
  /** What was measured, in words that may be added to the reason. */
  readonly forecast: readonly string[];
}
export interface Recommendation {
  readonly applications: readonly (Proposal & { readonly application: string })[];
  /** All of them in one migration, which has one scheme. */
  readonly together: Proposal;
}
type Asked = Pick<Migration, 'applications' | 'topics' | 'outage' | 'connect'>;

export function recommend(m: Asked, x: Circumstances = {}): Recommendation {
  const sets = cutSets(m);
  const partners = (a: Application): readonly Application[] => {
    const set = sets.find((s) => s.writers.includes(a.name));
    return m.applications.filter((b) => b.name === a.name || set?.writers.includes(b.name) === true || b.reads.some((r) => a.reads.some((q) => q.group === r.group)));
  };
  return {
    applications: m.applications.map((a) => ({ application: a.name, ...propose(m, partners(a), x) })),
    together: propose(m, m.applications, x),
  };
}

/** The strictest of what each of them says; who said nothing tolerates no loss, no repeats and no disorder, and outages of any length. */
export function traitsOf(m: Asked, applications: readonly Application[], x: Circumstances): Traits {
  const readers = applications.filter((a) => a.reads.length > 0);
  const all = (key: 'loss' | 'repeats' | 'disorder'): boolean => readers.length > 0 && readers.every((a) => a.tolerates?.[key] === true);
  return {
    copied: x.copied ?? m.connect !== null,
    loss: all('loss'), repeats: all('repeats'), disorder: all('disorder'),
    writes: away(applications.filter((a) => a.writes.length > 0).map((a) => a.tolerates?.writeOutageMs)),
    reads: away(readers.map((a) => a.tolerates?.readOutageMs)),
    both: applications.some((a) => a.reads.length > 0 && a.writes.length > 0),
    dependent: applications.some((a) => readsOf(a).some((t) => m.applications.some((b) => b.name !== a.name && b.writes.includes(t)))),
    translation: x.translation !== false,
  };
}
const away = (ms: readonly (number | undefined)[]): Traits['writes'] => (ms.some((v) => v === 0) ? 'none' : ms.some((v) => v !== undefined) ? 'short' : 'any');

interface Choice { readonly row: PatternRow; readonly offer: Offer }
/** The first row whose offer nothing speaks against; what was passed over is added to `rejected`. */
function choose(m: Asked, applications: readonly Application[], of: { readonly traits: Traits; readonly measured: Measured; readonly rejected: Map<string, string> }): Choice | null {
  for (const row of matching(patterns, of.traits)) {
    const offer = offerFor(row, of.traits);
    const against = [...speaksAgainst(m, applications, offer), ...measuredAgainst(m, applications, offer, of.measured)];
    if (against.length === 0) return { row, offer };
    of.rejected.set(offerName(offer), against.join('; '));
  }
  return null;
}

function propose(m: Asked, applications: readonly Application[], x: Circumstances): Proposal {
  const [traits, measured, rejected] = [traitsOf(m, applications, x), x.measured ?? {}, new Map<string, string>()];
  const base = { applications: applications.map((a) => a.name), forecast: forecastOf(applications, measured, traits) };
  const told = ({ row, offer }: Choice, condition = ''): Proposal => ({
    ...base, ...decided({ row, offer, applications, traits, own: (a) => traitsOf(m, [a], x), condition }),
    rejected: [...names(rejected), ...others({ m, applications, chosen: offer, traits, measured, known: rejected })],
  });
  const chosen = choose(m, applications, { traits, measured, rejected });
  if (chosen) return told(chosen);
  // The budget is the operator's own choice: a smaller one may be all that is missing.
  const least = smallestOutage(applications);
  if (least !== null && least - m.outage.undoReserveMs >= leastOutage.forwardMs && least < m.outage.budgetMs) {
    const smaller = choose({ ...m, outage: { ...m.outage, budgetMs: least } }, applications, { traits, measured, rejected: new Map() });
    if (smaller) {
      rejected.delete(offerName(smaller.offer));
      return told(smaller, `; it needs outage.budgetMs of at most ${least} in place of ${m.outage.budgetMs}, because the strictest here tolerates no more`);
    }
  }
  return {
    ...base, scheme: null, kind: '', start: {}, order: 'none', row: null,
    because: `No scheme keeps all that was declared. ${instead({ ...m, applications }, (o, of) => (traits.copied || !o.copies) && measuredAgainst({ ...m, ...of }, applications, o, measured).length === 0)}${traits.copied ? '' : ' Records cannot be copied as it is.'}`,
    rejected: [...names(rejected), ...others({ m, applications, chosen: null, traits, measured, known: rejected })],
  };
}
const names = (rejected: ReadonlyMap<string, string>): readonly Rejected[] => [...rejected].map(([scheme, because]) => ({ scheme, because: `${because}.` }));

const offerFor = (row: PatternRow, t: Traits): Offer => {
  const own = offers.filter((o) => o.scheme === row.scheme);
  const found = own.find((o) => o.copies === t.copied) ?? own[0];
  if (!found) throw new Error(`there is no offer of ${row.scheme}`);
  return found;
};

/** An outage of no length at all is asked for in the hope of one as short as can be: the budget is then not held against it. */
function speaksAgainst(m: Asked, applications: readonly Application[], o: Offer): readonly string[] {
  const lenient = (a: Application): Application => {
    if (o.consumers !== 'two sets' || a.tolerates?.writeOutageMs !== 0) return a;
    const { writeOutageMs: _, ...tolerates } = a.tolerates;
    return { ...a, tolerates };
  };
  return applications.flatMap((a) => objections(lenient(a), o, m.outage.budgetMs).map((why) => `${a.name} ${why}`));
}

interface Deciding { readonly row: PatternRow; readonly offer: Offer; readonly applications: readonly Application[]; readonly traits: Traits; readonly own: (a: Application) => Traits; readonly condition: string }
/** Each application starts as its own tolerance allows, whatever the others say. */
function decided({ row, offer, applications, traits: t, own, condition }: Deciding): Pick<Proposal, 'scheme' | 'kind' | 'start' | 'order' | 'because' | 'row'> {
  const more = matching(dependencies, t).map((d) => d.says).slice(0, 1);
  const none = t.writes === 'none' && offer.consumers === 'two sets' ? ['; no scheme promises 0 ms: the switch itself takes what the outage of the plan says'] : [];
  return {
    scheme: offer.scheme, kind: offer.kind, row: row.id,
    start: Object.fromEntries(applications.flatMap((a) => a.reads.map((r) => [r.group, startOf(offer, own(a))] as const))),
    order: (offer.scheme === 'restartAllAtOnce' ? matching(restarts, t) : matching(processing, t))[0]?.order.join(' or ') ?? 'one by one',
    because: `${offerName(offer)}, because ${row.because}${more.map((s) => `; it ${s}`).join('')}${none.join('')}${condition}.`,
  };
}

/** What the scheme does by itself, where the tables allow it; else the first start that they allow. */
export function startOf(o: Offer, t: Traits): Start {
  const allowed = matching(processing, t)[0]?.starts ?? [];
  if (o.scheme === 'restartAllAtOnce') return matching(restarts, t)[0]?.starts.find((s) => allowed.includes(s) && (t.translation || s !== 'translated') && (o.copies || s !== 'translated')) ?? allowed[0] ?? 'translated';
  const own: Start = !o.copies || o.scheme === 'stopWaitRestart' ? 'after the drain' : 'translated';
  return allowed.includes(own) || allowed.length === 0 ? own : allowed[0] ?? own;
}

/** The drain is inside the outage of some schemes: a backlog that takes longer than the budget speaks against them. */
function measuredAgainst(m: Asked, applications: readonly Application[], o: Offer, measured: Measured): readonly string[] {
  if (o.writeOutage !== 'includes the drain') return [];
  return drains(applications, measured).filter((d) => d.ms > m.outage.budgetMs - m.outage.undoReserveMs)
    .map((d) => `group ${d.group} needs about ${seconds(d.ms)} for the ${d.lag} records it is behind, and the drain is inside an outage of at most ${seconds(m.outage.budgetMs)}`);
}
function drains(applications: readonly Application[], measured: Measured): readonly { readonly group: string; readonly lag: number; readonly ms: number }[] {
  return applications.flatMap((a) => a.reads.flatMap((r) => {
    const { lagRecords, recordsPerSecond } = measured.groups?.[r.group] ?? {};
    return lagRecords === undefined || recordsPerSecond === undefined || recordsPerSecond <= 0 ? [] : [{ group: r.group, lag: lagRecords, ms: Math.ceil((lagRecords / recordsPerSecond) * 1_000) }];
  }));
}
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;

function forecastOf(applications: readonly Application[], measured: Measured, t: Traits): readonly string[] {
  const topics = [...new Set(applications.flatMap((a) => [...a.writes, ...readsOf(a)]))].sort();
  const sizes = topics.map((topic) => measured.topics?.[topic]?.bytes);
  const bytes = sizes.reduce<number>((sum, b) => sum + (b ?? 0), 0);
  const { copyBytesPerSecond } = measured;
  return [
    ...drains(applications, measured).map((d) => `group ${d.group} is ${d.lag} records behind: about ${seconds(d.ms)} to drain`),
    ...(t.copied && sizes.some((b) => b !== undefined) ? [`${sizes.includes(undefined) ? 'at least ' : ''}${Math.ceil(bytes / 1_048_576)} MiB are copied${copyBytesPerSecond === undefined || copyBytesPerSecond <= 0 ? '' : `: about ${seconds((bytes / copyBytesPerSecond) * 1_000)}`}`] : []),
  ];
}

/** Every other offer, with the one thing that speaks against it here. */
function others(x: { readonly m: Asked; readonly applications: readonly Application[]; readonly chosen: Offer | null; readonly traits: Traits; readonly measured: Measured; readonly known: ReadonlyMap<string, string> }): readonly Rejected[] {
  return offers.filter((o) => o !== x.chosen && !x.known.has(offerName(o))).map((o) => ({ scheme: offerName(o), because: `${whyNot(x.m, x.applications, o, x)}.` }));
}
function whyNot(m: Asked, applications: readonly Application[], o: Offer, x: { readonly chosen: Offer | null; readonly traits: Traits; readonly measured: Measured }): string {
  if (o.copies && !x.traits.copied) return 'records cannot be copied here';
  const [against] = [...speaksAgainst(m, applications, o), ...measuredAgainst(m, applications, o, x.measured)];
  if (against !== undefined) return against;
  if (!o.copies && x.traits.copied) return 'it would leave the history behind, and records can be copied here';
  if (!x.traits.translation && o.copies && o.scheme !== 'stopWaitRestart') return 'it needs translated positions, which cannot be had here';
  const { chosen } = x;
  if (chosen === null) return 'no row of the tables leads to it';
  if (o.loss !== chosen.loss || o.repeats !== chosen.repeats) return `it ${o.loss === 'counted' ? 'loses' : 'repeats'} records, and ${offerName(chosen)} does not`;
  if (o.order !== chosen.order) return o.order === 'measured' ? `it does not promise the order, and ${offerName(chosen)} does` : `it would do, and keeps the order, but consumers stop reading while they move`;
  if (o.consumers === 'two sets' && chosen.consumers === 'one set') return 'it would do, but it needs a second set of processes';
  if (o.writeOutage === 'includes the drain' && chosen.writeOutage !== o.writeOutage) return `it would do, but its outage lasts until everything is drained`;
  if (o.writeOutage !== chosen.writeOutage) return `it would do, but with ${o.writeOutage === 'per set' ? 'an outage for each set' : 'one outage for all of them'}`;
  return `it would do as well; ${offerName(chosen)} is what the tables say first`;
}
