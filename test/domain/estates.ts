/** Estates made for tests: as a person types them, and generated with their atomic sets known beforehand. */
import fc from 'fast-check';

export interface TypedApplication { readonly name: string; readonly fleet: string; readonly writes: readonly string[]; readonly reads: readonly { readonly group: string; readonly topics: readonly string[] }[]; readonly [field: string]: unknown }
export interface TypedEstate { readonly name: string; readonly applications: readonly TypedApplication[]; readonly [field: string]: unknown }

export const application = (name: string, more: Partial<TypedApplication> = {}): TypedApplication => ({ name, fleet: name, writes: [], reads: [], ...more });
export const estate = (applications: readonly TypedApplication[], more: object = {}): TypedEstate => ({
  name: 'shop', source: 'east', target: 'west', connect: 'west-connect', connectBack: 'east-connect', scheme: 'stopRestartRepeat',
  outage: { budgetMs: 10_000 }, applications, ...more,
});

/** How the members of one set are bound, each to one before it. */
const bindings = ['topic', 'group', 'transaction', 'streams'] as const;
type Bound = { readonly to: number; readonly by: (typeof bindings)[number] };
const member = fc.record({ to: fc.nat(), by: fc.constantFrom(...bindings) });
/** Topics somebody reads without being bound by it: an own group, a topic of any set. */
const reading = fc.record({ by: fc.nat(), of: fc.nat() });
const shape = fc.record({
  sets: fc.array(fc.array(member, { minLength: 0, maxLength: 6 }), { minLength: 1, maxLength: 12 }),
  readings: fc.array(reading, { maxLength: 40 }),
  size: fc.integer({ min: 1, max: 12 }),
  order: fc.array(fc.nat(), { minLength: 100, maxLength: 100 }),
});

export interface Known { readonly estate: TypedEstate; readonly sets: readonly (readonly string[])[]; readonly size: number }
/** Each application writes one topic of its own; what binds it to another is added on top, then readings across everything. */
export const knownEstates: fc.Arbitrary<Known> = shape.map(({ sets, readings, size, order }) => {
  const all = sets.map((rest, s) => [0, ...rest.map((_, i) => i + 1)].map((i) => `app-${s}-${i}`));
  const more = new Map<string, { writes: string[]; reads: { group: string; topics: string[] }[]; transactionalIds: string[]; streams?: string }>();
  const of = (name: string): NonNullable<ReturnType<typeof more.get>> => {
    const known = more.get(name) ?? { writes: [`${name}.out`], reads: [], transactionalIds: [] };
    more.set(name, known);
    return known;
  };
  for (const name of all.flat()) of(name);
  sets.forEach((rest, s) => { rest.forEach((b, i) => { bind(of(`app-${s}-${b.to % (i + 1)}`), of(`app-${s}-${i + 1}`), b, `${s}-${i}`); }); });
  const names = all.flat();
  readings.forEach((r, i) => {
    const [reader, writer] = [names[r.by % names.length] ?? '', names[r.of % names.length] ?? ''];
    of(reader).reads.push({ group: `reading-${i}`, topics: [`${writer}.out`] });
  });
  const applications = names.map((name, i) => ({ at: order[i] ?? 0, a: application(name, of(name)) })).sort((x, y) => x.at - y.at).map((x) => x.a);
  return { estate: estate(applications, { waveSize: size }), sets: all.map((set) => [...set].sort()).sort((a, b) => ((a[0] ?? '') < (b[0] ?? '') ? -1 : 1)), size };
});

type Made = { writes: string[]; reads: { group: string; topics: string[] }[]; transactionalIds: string[]; streams?: string };
function bind(one: Made, other: Made, b: Bound, id: string): void {
  if (b.by === 'topic') for (const x of [one, other]) x.writes.push(`shared-${id}`);
  if (b.by === 'group') for (const x of [one, other]) x.reads.push({ group: `shared-${id}`, topics: [one.writes[0] ?? ''] });
  if (b.by === 'transaction') for (const x of [one, other]) x.transactionalIds.push(`shared-${id}`);
  if (b.by === 'streams') {
    one.streams ??= `streams-${id}`;
    one.writes.push(`${one.streams}-${id}-changelog`);
    other.reads.push({ group: `browse-${id}`, topics: [`${one.streams}-${id}-changelog`] });
  }
}

/** As large as the one in the sources: 200 applications, 789 topics, 2,452 partitions. */
export function largeEstate(): { readonly estate: TypedEstate; readonly observed: { readonly topics: readonly { readonly name: string; readonly partitions: number }[]; readonly groups: readonly never[] } } {
  const [applications, topics, partitions] = [200, 789, 2_452];
  const names = Array.from({ length: topics }, (_, i) => `domain-${i % 40}.topic-${String(i).padStart(3, '0')}`);
  const writers = Math.floor(applications * 0.7);
  const all = Array.from({ length: applications }, (_, i): TypedApplication => {
    const name = `app-${String(i).padStart(3, '0')}`;
    const writes = i < writers ? names.filter((_, t) => t % writers === i) : [];
    // Mostly from those before it, sometimes from far away; every tenth writer shares a topic with its neighbour.
    const shared = i < writers && i % 10 === 0 ? names.filter((_, t) => t === i + 1) : [];
    const reads = [i - 1, i - 7, (i * 37) % writers].filter((w) => w >= 0 && w < writers && w !== i).map((w) => names[w] ?? '');
    return application(name, { writes: [...new Set([...writes, ...shared])], reads: reads.length === 0 ? [] : [{ group: `${name}-group`, topics: [...new Set(reads)] }], ...(i >= applications - 3 ? { hint: 'canary' } : {}) });
  });
  return { estate: estate(all, { name: 'large' }), observed: { topics: names.map((name, i) => ({ name, partitions: i < partitions % topics ? Math.ceil(partitions / topics) : Math.floor(partitions / topics) })), groups: [] } };
}
