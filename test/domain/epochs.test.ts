/** Positions over several cuts, against ground truth: two logs that took turns, mirrors with faults, lost heads, and positions in both directions. */
import assert from 'node:assert/strict';
import { describe, it } from '../apart.ts';
import fc from 'fast-check';
import { otherSide, type Side } from '../../src/domain/authority.ts';
import { across, epochsOf, piecesFor, type Across, type OnSide, type Place, type Turn } from '../../src/domain/epochs.ts';
import type { Answer, Log, Mark } from '../../src/domain/positions.ts';
import type { Anchor } from '../../src/domain/ports.ts';
import { merged, served, windowOfTail, type Window } from '../../src/domain/windows.ts';

interface Truth extends Mark { readonly id: number }
interface World {
  readonly logs: Readonly<Record<Side, readonly Truth[]>>;
  readonly ends: Readonly<Record<Side, Log>>;
  readonly turns: readonly Turn[];
  readonly anchors: Readonly<Record<Side, readonly Anchor[]>>;
  readonly copied: readonly boolean[];
  readonly whole: boolean;
}
const sides = ['source', 'target'] as const;

/** What happens in one epoch, step by step. Gaps are aborted transactions and markers; `alike` below 3 repeats one of two records. */
type Event = { readonly do: 'write'; readonly alike: number; readonly gap: number } | { readonly do: 'copy'; readonly most: number; readonly gap: number; readonly synced: boolean } | { readonly do: 'lose-syncs' };
interface Recipe { readonly epochs: readonly { readonly events: readonly Event[]; readonly tail: number; readonly copyTail: number; readonly copied: boolean }[]; readonly first: Side; readonly trim: Readonly<Record<Side, number>> }

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), alike: fc.integer({ min: 0, max: 8 }), gap: fc.constantFrom(0, 0, 0, 1, 4) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('copy' as const), most: fc.integer({ min: 1, max: 6 }), gap: fc.constantFrom(0, 1, 3), synced: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ do: 'lose-syncs' as const }) },
);
const recipe = (copies: 'all' | 'some'): fc.Arbitrary<Recipe> => fc.record({
  epochs: fc.array(fc.record({ events: fc.array(event, { maxLength: 14 }), tail: fc.integer({ min: 0, max: 2 }), copyTail: fc.integer({ min: 0, max: 2 }), copied: copies === 'all' ? fc.constant(true) : fc.boolean() }), { minLength: 1, maxLength: 5 }),
  first: fc.constantFrom<Side>('source', 'target'),
  trim: fc.record({ source: fc.constantFrom(0, 0, 0, 3, 12), target: fc.constantFrom(0, 0, 0, 3, 12) }),
});

function build(r: Recipe): World {
  const logs: Record<Side, Truth[]> = { source: [], target: [] };
  const next: Record<Side, bigint> = { source: 0n, target: 0n };
  const anchors: Record<Side, Anchor[]> = { source: [], target: [] };
  const turns: Turn[] = [];
  let ids = 0;
  const authorityOf = (number: number): Side => (number % 2 === 0 ? r.first : otherSide(r.first));
  // No scheme goes back to the source without having carried what was written on the target.
  const copied = r.epochs.map((e, number) => e.copied || (authorityOf(number) === 'target' && number < r.epochs.length - 1));
  r.epochs.forEach((e, number) => {
    const authority = authorityOf(number);
    const copy = otherSide(authority);
    if (number > 0) turns.push({ ...next, to: authority });
    let carried = logs[authority].length;
    const put = (side: Side, id: number, fingerprint: string): bigint => {
      logs[side].push({ id, fingerprint, offset: next[side] });
      return next[side]++;
    };
    const carry = (most: number, gap: number, synced: boolean): void => {
      if (!copied[number]) return;
      for (let n = 0; n < most && carried < logs[authority].length; n += 1, carried += 1) {
        const one = logs[authority][carried];
        if (!one) return;
        const to = put(copy, one.id, one.fingerprint);
        if (synced) anchors[copy].push({ from: one.offset, to });
      }
      next[copy] += BigInt(gap);
    };
    for (const x of e.events) {
      if (x.do === 'write') {
        next[authority] += BigInt(x.gap);
        put(authority, ids, x.alike < 3 ? `same${x.alike & 1}` : `r${ids}`);
        ids += 1;
      } else if (x.do === 'copy') carry(x.most, x.gap, x.synced);
      else anchors[copy].splice(0); // a mirror removed, and nothing kept of it
    }
    next[authority] += BigInt(e.tail);
    if (number < r.epochs.length - 1) carry(Infinity, e.copyTail, false);
  });
  const start = (side: Side): bigint => { const n = r.trim[side]; return n === 0 ? 0n : (logs[side][n]?.offset ?? next[side]); };
  const starts = { source: start('source'), target: start('target') };
  const log = (side: Side): Log => ({ logStart: starts[side], lso: next[side], hw: next[side] });
  return {
    logs: { source: logs.source.filter((m) => m.offset >= starts.source), target: logs.target.filter((m) => m.offset >= starts.target) },
    ends: { source: log('source'), target: log('target') }, turns, anchors, copied, whole: r.trim.source === 0 && r.trim.target === 0,
  };
}
const reader = (w: World): OnSide => async function* (side, from, to) { for (const m of w.logs[side]) if (m.offset >= from && m.offset < to) yield m; };
const asked = (w: World, on: Side, position: bigint, more: Partial<Across> = {}): Across => ({
  on, position, ends: w.ends, turns: w.turns, anchors: w.anchors,
  // Without a cut the domain begins with the source as the authority.
  copied: w.copied, ...more,
});
const spot = (log: Log, where: number): bigint => log.logStart + (BigInt(where) * (log.lso - log.logStart)) / 1000n;
const wheres = fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constantFrom(0, 1000));
const told = (a: Answer): string => JSON.stringify(a, (_k, v: unknown) => (typeof v === 'bigint' ? String(v) : v));

/** What is read from `offset` on must be what was unread, by identity, as far as the other side reaches; nothing that was read comes again. */
function sameRest(w: World, on: Side, position: bigint, offset: bigint, answer: Answer): void {
  const unread = w.logs[on].filter((m) => m.offset >= position).map((m) => m.id);
  const done = new Set(w.logs[on].filter((m) => m.offset < position).map((m) => m.id));
  const all = w.logs[otherSide(on)].filter((m) => m.offset >= offset).map((m) => m.id);
  // What was only ever on the other side comes in between, in its place.
  const mine = new Set([...unread, ...done]);
  const rest = w.copied.every(Boolean) ? all : all.filter((id) => mine.has(id));
  const n = Math.min(unread.length, rest.length);
  assert.deepEqual(rest.slice(0, n), unread.slice(0, n), `${on} ${position} ${told(answer)}`);
  assert.ok(rest.every((id) => !done.has(id)), `repeats what was read: ${told(answer)}`);
  const there = new Set(w.logs[otherSide(on)].map((m) => m.id));
  assert.deepEqual(unread.filter((id) => there.has(id) && !rest.includes(id)), [], `skips: ${told(answer)}`);
}

const valid = (r: Recipe): boolean => r.epochs.length > 1 || r.first === 'source';

describe('positions over several cuts', () => {
  for (const copies of ['all', 'some'] as const)
    it(`are the ground truth wherever they are exact (${copies} epochs copied), and are never guessed`, async () => {
      const seen: Record<string, number> = {};
      await fc.assert(fc.asyncProperty(recipe(copies).filter(valid), fc.constantFrom<Side>(...sides), wheres, async (r, on, where) => {
        const w = build(r);
        const position = spot(w.ends[on], where);
        const answer = await across(asked(w, on, position), reader(w));
        const label = answer.kind === 'refused' ? `refused ${answer.cause}` : answer.kind;
        seen[label] = (seen[label] ?? 0) + 1;
        if (answer.kind === 'exact') sameRest(w, on, position, answer.offset, answer);
        if (answer.kind === 'conservative') assert.fail(`a faithful copy gives no reason to be conservative: ${answer.why}`);
      }), { numRuns: 4000 });
      assert.ok((seen.exact ?? 0) > 1500, JSON.stringify(seen));
    });

  it('are exact everywhere in closed epochs while both logs are whole, whether or not an offset sync is left', async () => {
    await fc.assert(fc.asyncProperty(recipe('all').filter((r) => r.epochs.length > 1), fc.constantFrom<Side>(...sides), wheres, fc.boolean(), async (r, on, where, syncs) => {
      const w = build({ ...r, trim: { source: 0, target: 0 } });
      const last = w.turns.at(-1)?.[on] ?? 0n;
      const position = spot({ logStart: 0n, lso: last, hw: last }, where);
      const answer = await across(asked(w, on, position, syncs ? {} : { anchors: { source: [], target: [] } }), reader(w));
      assert.equal(answer.kind, 'exact', told(answer));
      if (answer.kind === 'exact') sameRest(w, on, position, answer.offset, answer);
    }), { numRuns: 2000 });
  });

  it('go there and back: translated to the other side and back again, the same records follow', async () => {
    let both = 0;
    await fc.assert(fc.asyncProperty(recipe('all').filter(valid), fc.constantFrom<Side>(...sides), wheres, async (r, on, where) => {
      const w = build(r);
      const position = spot(w.ends[on], where);
      const there = await across(asked(w, on, position), reader(w));
      if (there.kind !== 'exact' || there.offset < w.ends[otherSide(on)].logStart) return;
      const back = await across(asked(w, otherSide(on), there.offset), reader(w));
      if (back.kind !== 'exact') return;
      both += 1;
      const from = (at: bigint): readonly number[] => w.logs[on].filter((m) => m.offset >= at).map((m) => m.id);
      assert.deepEqual(from(back.offset), from(position));
    }), { numRuns: 2000 });
    assert.ok(both > 900, String(both));
  });

  it('with places proven earlier the answers are the same, and nothing far is read', async () => {
    await fc.assert(fc.asyncProperty(recipe('all').filter(valid), fc.constantFrom<Side>(...sides), wheres, wheres, async (r, on, where, before) => {
      const w = build(r);
      const earlier = spot(w.ends[on], before);
      const known = await across(asked(w, on, earlier), reader(w));
      const places: readonly Place[] = known.kind === 'exact' ? [on === 'source' ? { source: earlier, target: known.offset } : { source: known.offset, target: earlier }] : [];
      const position = spot(w.ends[on], where);
      const [plain, helped] = [await across(asked(w, on, position), reader(w)), await across(asked(w, on, position, { places }), reader(w))];
      if (helped.kind === 'exact') sameRest(w, on, position, helped.offset, helped);
      assert.ok(helped.kind === 'exact' || plain.kind !== 'exact', `${told(plain)} ${told(helped)}`);
    }), { numRuns: 2000 });
  });

  it('say the same when tails and surroundings are served from memory', async () => {
    await fc.assert(fc.asyncProperty(recipe('all').filter(valid), fc.constantFrom<Side>(...sides), wheres, fc.integer({ min: 1, max: 9 }), async (r, on, where, tail) => {
      const w = build(r);
      const q = asked(w, on, spot(w.ends[on], where));
      const inWindow = (side: Side, from: bigint, to: bigint): Window => ({ from, to, records: w.logs[side].filter((m) => m.offset >= from && m.offset < to) });
      const windows = Object.fromEntries(sides.map((side) => [side, merged([windowOfTail(w.ends[side], w.logs[side].slice(-tail), tail), ...piecesFor(q, 20n).filter((p) => p.side === side).map((p) => inWindow(side, p.from, p.to))])])) as unknown as Record<Side, readonly Window[]>;
      assert.deepEqual(await across(q, served(windows, reader(w))), await across(q, reader(w)));
    }), { numRuns: 2000 });
  });
});

describe('positions over cuts, situation by situation', () => {
  const event10: readonly Event[] = Array.from({ length: 10 }, () => ({ do: 'write', alike: 8, gap: 0 }) as const);
  const plain = (epochs: number, copied: (i: number) => boolean = () => true): World =>
    build({ first: 'source', trim: { source: 0, target: 0 }, epochs: Array.from({ length: epochs }, (_x, i) => ({ events: event10, tail: 1, copyTail: 2, copied: copied(i) })) });
  const ask = (w: World, on: Side, position: bigint): Promise<Answer> => across(asked(w, on, position), reader(w));
  it('a group that lags far behind two cuts: counted in its own epoch', async () => {
    const w = plain(3);
    const answer = await ask(w, 'target', 3n);
    assert.equal(answer.kind === 'exact' && answer.offset, 3n);
    assert.equal(answer.kind === 'exact' && answer.proof.by, 'place');
  });
  it('nothing copied before the first cut: a drained group goes on at the cut, another one must read on first', async () => {
    const w = plain(2, (i) => i > 0);
    const cut = w.turns[0];
    assert.ok(cut);
    for (const position of [10n, cut.source]) assert.equal((await ask(w, 'source', position)).kind === 'exact', true);
    const late = await ask(w, 'source', 7n);
    assert.equal(late.kind === 'refused' && late.cause, 'not-copied');
    assert.match(late.kind === 'refused' ? late.why : '', /Record 7 and what follows it.* exist on the source only/);
    assert.equal((await ask(w, 'target', cut.target)).kind, 'exact');
  });
  it('written on the target before it had authority, and nothing was copied: refused', async () => {
    const w = plain(2, () => false);
    const foreign = { ...w, logs: { ...w.logs, target: [{ id: 99, offset: 0n, fingerprint: 'native' }] }, turns: [{ ...w.turns[0]!, target: 1n }] };
    const answer = await ask(foreign, 'source', w.turns[0]!.source);
    assert.notEqual(answer.kind === 'exact' && answer.offset, 0n);
  });
  it('ends of cuts that fall: refused, because a log was created anew', async () => {
    const w = plain(3);
    const answer = await ask({ ...w, turns: [w.turns[0]!, { ...w.turns[1]!, target: 0n }] }, 'source', 3n);
    assert.match(answer.kind === 'refused' ? answer.why : '', /created anew/);
  });
  it('the halves change with the epochs', () => {
    assert.deepEqual(epochsOf({ turns: [{ source: 5n, target: 6n, to: 'target' }, { source: 9n, target: 9n, to: 'source' }], copied: [true, true, false] }).map((e) => [e.authority, e.copied]), [['source', true], ['target', true], ['source', false]]);
  });
});
