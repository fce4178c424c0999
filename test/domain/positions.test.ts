/** Positions against ground truth: thousands of generated logs, mirrors and groups; and the situations named one by one. */
import assert from 'node:assert/strict';
import { describe, it } from '../apart.ts';
import fc from 'fast-check';
import { drained } from '../../src/domain/drained.ts';
import type { Answer, Between, Half, Log, Mark, Question } from '../../src/domain/positions.ts';
import { generations, translate } from '../../src/domain/positions.ts';
import type { Anchor } from '../../src/domain/ports.ts';
import { served, translateMany, windowOfTail } from '../../src/domain/windows.ts';

/** A record with its identity: which origin record it is, or is a copy of. */
interface Truth extends Mark { readonly id: number }
interface World { readonly origin: readonly Truth[]; readonly copy: readonly Truth[]; readonly logs: Record<Half, Log>; readonly anchors: readonly Anchor[]; readonly written: number }

interface Recipe {
  readonly records: readonly { readonly alike: number; readonly gap: number; readonly copyGap: number; readonly anchored: boolean }[];
  readonly copied: number;
  readonly tailGap: number;
  readonly cutOrigin: number;
  readonly cutCopy: number;
  /** Without exactly-once: after how many copied records the mirror restarts, and how far it goes back. */
  readonly rewinds: readonly { readonly after: number; readonly back: number }[];
}
const recipe = (faults: 'once' | 'rewinds'): fc.Arbitrary<Recipe> => fc.record({
  records: fc.array(fc.record({ alike: fc.integer({ min: 0, max: 6 }), gap: fc.constantFrom(0, 0, 0, 0, 1, 3), copyGap: fc.constantFrom(0, 0, 0, 1), anchored: fc.boolean() }), { maxLength: 40 }),
  copied: fc.integer({ min: 0, max: 40 }),
  tailGap: fc.integer({ min: 0, max: 2 }),
  cutOrigin: fc.constantFrom(0, 0, 1, 5, 50),
  cutCopy: fc.constantFrom(0, 0, 0, 4),
  rewinds: faults === 'once' ? fc.constant([]) : fc.array(fc.record({ after: fc.integer({ min: 1, max: 40 }), back: fc.integer({ min: 1, max: 8 }) }), { maxLength: 3 }),
});

/** `alike` 0 to 2 gives the same record again and again; larger numbers are unique records. */
function build(r: Recipe): World {
  let at = 0n;
  const origin = r.records.map((x, id): Truth => {
    at += BigInt(x.gap);
    const fingerprint = x.alike <= 2 ? `same${x.alike >> 1}` : `r${id}`;
    return { id, offset: at++, fingerprint };
  });
  const end = at + BigInt(r.tailGap);
  const copy: Truth[] = [];
  const anchors: Anchor[] = [];
  const rewinds = [...r.rewinds].sort((a, b) => a.after - b.after);
  let to = 0n;
  for (let i = 0, n = 0; i < Math.min(r.copied, origin.length); i += 1, n += 1) {
    const rewind = rewinds[0];
    if (rewind && n >= rewind.after) {
      rewinds.shift();
      i = Math.max(0, i - rewind.back);
    }
    const record = origin[i];
    if (!record) break;
    to += BigInt(r.records[i]?.copyGap ?? 0);
    if (r.records[i]?.anchored) anchors.push({ from: record.offset, to });
    copy.push({ ...record, offset: to++ });
  }
  const copyEnd = to + BigInt(copy.length > 0 ? r.tailGap : 0);
  const cut = (of: readonly Truth[], n: number, e: bigint): bigint => (n === 0 ? 0n : (of[n]?.offset ?? e));
  const originStart = cut(origin, r.cutOrigin, end);
  const copyStart = cut(copy, r.cutCopy, copyEnd);
  return {
    origin: origin.filter((x) => x.offset >= originStart), copy: copy.filter((x) => x.offset >= copyStart), anchors, written: Math.min(r.copied, origin.length),
    logs: { origin: { logStart: originStart, lso: end, hw: end }, copy: { logStart: copyStart, lso: copyEnd, hw: copyEnd } },
  };
}
const reader = (w: World): Between => async function* (half, from, to) {
  for (const m of w[half]) if (m.offset >= from && m.offset < to) yield m;
};
const question = (w: World, on: Half, position: bigint, more: Partial<Question> = {}): Question => ({ on, position, origin: w.logs.origin, copy: w.logs.copy, anchors: w.anchors, ...more });
const from = (half: readonly Truth[], at: bigint): readonly Truth[] => half.filter((x) => x.offset >= at);
const positionIn = (log: Log, where: number): bigint => log.logStart + (BigInt(where) * (log.lso - log.logStart)) / 1000n;
const spots = fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constantFrom(0, 1000));

/** Exactly-once: what is read from `offset` on must be what was unread, by identity, as far as the other half reaches. */
function sameRest(w: World, on: Half, position: bigint, offset: bigint): void {
  const other = on === 'origin' ? 'copy' : 'origin';
  const unread = from(w[on], position).map((x) => x.id);
  const rest = from(w[other], offset).map((x) => x.id);
  const n = Math.min(unread.length, rest.length);
  assert.deepEqual(rest.slice(0, n), unread.slice(0, n));
  // What one half does not have yet must be the records that follow, never records in between.
  if (on === 'copy') assert.ok(rest.length >= unread.length || w.logs.origin.logStart > 0n, 'the origin lacks unread records');
  const done = w[on].filter((x) => x.offset < position).map((x) => x.id);
  assert.ok(rest.every((id) => !done.includes(id)), `repeats records already read: ${rest.join()} after ${done.join()}`);
}

describe('translate, with an exactly-once mirror', () => {
  it('is the ground truth wherever it says exact, in both directions, from any position, and never guesses', async () => {
    const seen: Record<string, number> = {};
    await fc.assert(fc.asyncProperty(recipe('once'), fc.constantFrom<Half>('origin', 'copy'), spots, async (r, on, where) => {
      const w = build(r);
      const position = positionIn(w.logs[on], where);
      const answer = await translate(question(w, on, position), reader(w));
      const label = answer.kind === 'refused' ? `refused ${answer.cause}` : answer.kind;
      seen[label] = (seen[label] ?? 0) + 1;
      if (answer.kind === 'exact') sameRest(w, on, position, answer.offset);
      if (answer.kind === 'conservative') assert.fail(`a faithful copy gives no reason to be conservative: ${answer.why}`);
    }), { numRuns: 8000 });
    assert.ok((seen.exact ?? 0) > 4000, JSON.stringify(seen));
  });

  it('is exact for every position that the mirror has passed, when both logs are whole and the mirror gave one offset sync', async () => {
    await fc.assert(fc.asyncProperty(recipe('once'), spots, fc.constantFrom<Half>('origin', 'copy'), async (r, where, on) => {
      const w = build({ ...r, cutCopy: 0, cutOrigin: 0 });
      fc.pre(w.anchors.length > 0);
      const position = positionIn(w.logs[on], where);
      const answer = await translate(question(w, on, position), reader(w));
      const next = from(w.origin, position)[0];
      const copied = (x: Truth): boolean => w.copy.some((c) => c.id === x.id);
      const passed = on === 'copy' || (w.origin.filter((x) => x.offset < position).every(copied) && (!next || copied(next)));
      if (passed) assert.equal(answer.kind, 'exact', JSON.stringify(answer, (_k, v: unknown) => (typeof v === 'bigint' ? String(v) : v)));
      else assert.equal(answer.kind === 'refused' && answer.cause, 'behind');
    }), { numRuns: 3000 });
  });

  it('needs no offset sync when the mirror is proven drained', async () => {
    await fc.assert(fc.asyncProperty(recipe('once'), spots, fc.constantFrom<Half>('origin', 'copy'), async (r, where, on) => {
      const w = build({ ...r, copied: 1000, cutCopy: 0, cutOrigin: 0 });
      const position = positionIn(w.logs[on], where);
      const answer = await translate(question({ ...w, anchors: [] }, on, position, { state: 'drained' }), reader(w));
      assert.equal(answer.kind, 'exact');
      if (answer.kind === 'exact') sameRest(w, on, position, answer.offset);
    }), { numRuns: 2000 });
  });

  it('says the same when the tails are served from memory', async () => {
    await fc.assert(fc.asyncProperty(recipe('once'), spots, fc.integer({ min: 1, max: 20 }), fc.constantFrom<Half>('origin', 'copy'), async (r, where, asked, on) => {
      const w = build(r);
      const q = question(w, on, positionIn(w.logs[on], where));
      const windows = { origin: [windowOfTail(w.logs.origin, w.origin.slice(-asked), asked)], copy: [windowOfTail(w.logs.copy, w.copy.slice(-asked), asked)] };
      assert.deepEqual(await translate(q, served(windows, reader(w))), await translate(q, reader(w)));
    }), { numRuns: 2000 });
  });
});

describe('translate, with a mirror that repeats runs', () => {
  /** The unread records, as content, must all still come from `offset` on, in order. */
  const covers = (w: World, position: bigint, offset: bigint): boolean => {
    const rest = from(w.copy, offset).map((x) => x.fingerprint);
    const written = new Set(w.copy.map((x) => x.id));
    let i = 0;
    for (const r of from(w.origin, position).filter((x) => written.has(x.id))) {
      i = rest.indexOf(r.fingerprint, i) + 1;
      if (i === 0) return false;
    }
    return true;
  };
  for (const copies of ['at-least-once', 'once'] as const)
    it(`never answers ahead (${copies} assumed)`, async () => {
      const seen: Record<string, number> = {};
      await fc.assert(fc.asyncProperty(recipe('rewinds'), spots, async (r, where) => {
        const w = build({ ...r, cutCopy: 0 });
        const position = positionIn(w.logs.origin, where);
        const answer = await translate(question(w, 'origin', position, { copies }), reader(w));
        seen[answer.kind] = (seen[answer.kind] ?? 0) + 1;
        if (answer.kind === 'refused') return;
        assert.ok(covers(w, position, answer.offset), 'ahead of the truth');
        if (answer.kind === 'exact' && copies === 'at-least-once') {
          const newest = w.anchors.at(-1);
          const upTo = (half: readonly Truth[], a: bigint, b: bigint): number => half.filter((x) => x.offset >= a && x.offset <= b).length;
          if (newest && newest.from >= position && answer.proof.next !== 'end')
            assert.equal(upTo(w.copy, answer.offset, newest.to), upTo(w.origin, position, newest.from), 'exact, and yet records repeat');
        }
      }), { numRuns: 6000 });
      assert.ok((seen.exact ?? 0) > 1000 && (seen.conservative ?? 0) > 10, JSON.stringify(seen));
    });
  it('starts with the newest run of offset syncs', () => {
    assert.deepEqual(generations([{ from: 1n, to: 1n }, { from: 5n, to: 5n }, { from: 3n, to: 6n }, { from: 3n, to: 6n }, { from: 9n, to: 12n }]).map((g) => g.map((a) => Number(a.from))), [[3, 9], [1, 5]]);
  });
});

describe('translate, with a copy that is not faithful', () => {
  /** One copied record lost, changed, or a foreign one written in between. Later offsets of the copy do not move, except for the foreign one. */
  const harm = (w: World, what: 'lost' | 'changed' | 'foreign', at: number): World => {
    const copy = w.copy.flatMap((x, i): Truth[] => {
      if (what === 'foreign') return i < at ? [x] : i === at ? [{ id: -1, offset: x.offset, fingerprint: 'foreign' }, { ...x, offset: x.offset + 1n }] : [{ ...x, offset: x.offset + 1n }];
      if (i !== at) return [x];
      return what === 'lost' ? [] : [{ ...x, fingerprint: 'changed' }];
    });
    const moved = what === 'foreign' && at < w.copy.length ? 1n : 0n;
    const from = w.copy[at]?.offset ?? 0n;
    const logs = { ...w.logs, copy: { logStart: 0n, lso: w.logs.copy.lso + moved, hw: w.logs.copy.hw + moved } };
    return asItLooks({ ...w, copy, logs, anchors: w.anchors.map((a) => (moved && a.to >= from ? { ...a, to: a.to + moved } : a)) });
  };
  /** Of records that are all the same, one that is lost may look like the last one that is still to be copied: then nobody can say it was another. */
  const asItLooks = (w: World): World => {
    const behind = w.copy.length <= w.origin.length && w.copy.every((x, i) => x.fingerprint === w.origin[i]?.fingerprint);
    const paired = w.anchors.every((a) => w.origin.findIndex((x) => x.offset === a.from) === w.copy.findIndex((x) => x.offset === a.to));
    return behind && paired ? { ...w, copy: w.copy.map((x, i) => ({ ...x, id: w.origin[i]?.id ?? -1 })) } : w;
  };
  it('the next records agree wherever it says exact, and no unread copy is ever skipped', async () => {
    const seen: Record<string, number> = {};
    await fc.assert(fc.asyncProperty(recipe('once'), fc.constantFrom('lost' as const, 'changed' as const, 'foreign' as const), fc.integer({ min: 0, max: 39 }), spots, async (r, what, at, where) => {
      const w = harm(build({ ...r, cutCopy: 0, cutOrigin: 0 }), what, at);
      const position = positionIn(w.logs.origin, where);
      const answer = await translate(question(w, 'origin', position), reader(w));
      seen[answer.kind] = (seen[answer.kind] ?? 0) + 1;
      if (answer.kind === 'refused') return;
      const unread = new Set(from(w.origin, position).map((x) => x.id));
      const skipped = w.copy.filter((x) => x.offset < answer.offset && unread.has(x.id));
      assert.deepEqual(skipped, [], `${answer.kind} skips unread records`);
      if (answer.kind === 'exact') assert.equal(from(w.copy, answer.offset)[0]?.fingerprint, from(w.origin, position)[0]?.fingerprint);
    }), { numRuns: 6000 });
    assert.ok((seen.exact ?? 0) > 1000 && (seen.conservative ?? 0) > 20, JSON.stringify(seen));
  });
  it('in the middle of records that are all the same, one that is lost is seen behind them, and at the next pair', async () => {
    for (const [ends, anchored] of [[true, [0]], [false, [0, 9]]] as const) {
      const w = whole(ends ? 11 : 10, ends ? 11 : 10, (i) => (i < 10 ? 0 : 6), (i) => anchored.some((n) => n === i));
      for (const position of [2n, 3n, 4n]) {
        const lost = harm(w, 'lost', 1);
        const faithful = await translate(question(w, 'origin', position), reader(w));
        assert.deepEqual([faithful.kind, faithful.kind === 'exact' ? faithful.offset : null], ['exact', position]);
        const answer = await translate(question(lost, 'origin', position), reader(lost));
        assert.notEqual(answer.kind, 'exact', `${position} ${anchored.join()}`);
        assert.ok(answer.kind !== 'conservative' || answer.offset <= position);
      }
    }
  });
  it('a changed record between the pair and the position is not passed over', async () => {
    const w = whole(20, 20, () => 6, (i) => i === 0 || i === 19);
    for (const [position, id] of [[6n, 3], [6n, 5], [6n, 6], [14n, 13]] as const) {
      const changed = { ...w, copy: w.copy.map((x) => (x.id === id ? { ...x, fingerprint: 'changed' } : x)) };
      assert.notEqual((await translate(question(changed, 'origin', position), reader(changed))).kind, 'exact', `${position} ${id}`);
    }
  });
});

const whole = (copied: number, n = 10, alike: (i: number) => number = () => 6, anchored: (i: number) => boolean = (i) => i % 4 === 0): World =>
  build({ records: Array.from({ length: n }, (_x, i) => ({ alike: alike(i), gap: 0, copyGap: 0, anchored: anchored(i) })), copied, tailGap: 0, cutOrigin: 0, cutCopy: 0, rewinds: [] });
const cause = (a: Answer): string => (a.kind === 'refused' ? a.cause : a.kind);

describe('translate, situation by situation', () => {
  it('the mirror has not passed the position: behind, not a guess', async () => {
    const w = whole(5);
    assert.equal(cause(await translate(question(w, 'origin', 7n), reader(w))), 'behind');
    assert.equal(cause(await translate(question(w, 'origin', 5n), reader(w))), 'behind');
    assert.equal(cause(await translate(question(w, 'origin', 4n), reader(w))), 'exact');
  });
  it('the position lies in an open transaction, or beyond the end', async () => {
    const w = whole(10);
    const open = { ...w, logs: { ...w.logs, origin: { logStart: 0n, lso: 6n, hw: 10n } } };
    assert.equal(cause(await translate(question(open, 'origin', 8n), reader(open))), 'open-transaction');
    assert.equal(cause(await translate(question(open, 'origin', 11n), reader(open))), 'mismatch');
  });
  it('a native record on the copy, or a changed one, is never exact', async () => {
    const w = whole(10);
    const changed = { ...w, copy: w.copy.map((x) => (x.id === 6 ? { ...x, fingerprint: 'other' } : x)) };
    const answer = await translate(question(changed, 'origin', 7n), reader(changed));
    assert.notEqual(answer.kind, 'exact');
    assert.ok(answer.kind !== 'conservative' || answer.offset <= 7n);
  });
  it('a group near a far offset sync reads only the short way, from either side', async () => {
    const w = whole(2000, 2000, () => 6, (i) => i === 0 || i === 1999);
    for (const [position, most] of [[1990n, 300], [10n, 300]] as const) {
      let read = 0;
      const inner = reader(w);
      const answer = await translate(question(w, 'origin', position), async function* (half, a, b) {
        for await (const m of inner(half, a, b)) { read += 1; yield m; }
      });
      assert.equal(answer.kind === 'exact' && answer.offset, position);
      assert.ok(read <= most, `${read} records read for ${position}`);
    }
  });
  it('counting back from above, a native record right in front of the position is seen', async () => {
    const w = whole(10, 10, () => 6, (i) => i === 0 || i === 9);
    const pushed = w.copy.map((x) => (x.id >= 8 ? { ...x, offset: x.offset + 1n } : x));
    const native = { ...w, copy: [...pushed.slice(0, 8), { id: 99, offset: 8n, fingerprint: 'native' }, ...pushed.slice(8)], anchors: [{ from: 0n, to: 0n }, { from: 9n, to: 10n }], logs: { ...w.logs, copy: { logStart: 0n, lso: 11n, hw: 11n } } };
    const answer = await translate(question(native, 'origin', 8n), reader(native));
    assert.equal(answer.kind, 'refused');
  });
  it('an offset sync that points at the wrong record is not believed', async () => {
    const w = { ...whole(10), anchors: [{ from: 4n, to: 5n }] };
    assert.notEqual((await translate(question(w, 'origin', 6n), reader(w))).kind, 'exact');
  });
  it('nothing copied yet, and nothing known', async () => {
    const w = whole(0);
    assert.equal(cause(await translate(question(w, 'origin', 3n), reader(w))), 'no-anchor');
    const empty = whole(0, 0);
    assert.equal(cause(await translate(question(empty, 'origin', 0n), reader(empty))), 'exact');
    assert.equal(cause(await translate(question(w, 'copy', 0n), reader(w))), 'behind');
  });
  it('many groups at the same place are answered by one reading', async () => {
    const w = whole(10);
    let reads = 0;
    const inner = reader(w);
    const between: Between = (half, a, b) => (reads++, inner(half, a, b));
    const answers = await translateMany(Array.from({ length: 100 }, (_x, i) => ({ key: i, place: 'orders/0 origin 6', ask: () => translate(question(w, 'origin', 6n), between) })));
    assert.equal(answers.size, 100);
    assert.equal(reads, 2);
  });
});

describe('drained', () => {
  const look = (w: World, asked = 8, more: Partial<Parameters<typeof drained>[0]> = {}): ReturnType<typeof drained> =>
    drained({ ...w.logs, originTail: w.origin.slice(-asked), copyTail: w.copy.slice(-asked), asked, ...more });
  it('is never said while a record is missing, whatever the records look like', async () => {
    let said = 0;
    fc.assert(fc.property(recipe('once'), fc.integer({ min: 1, max: 20 }), fc.boolean(), (r, asked, withAnchors) => {
      const w = build({ ...r, cutCopy: 0, cutOrigin: r.cutOrigin });
      const d = look(w, asked, withAnchors ? { anchors: w.anchors } : {});
      const complete = w.origin.every((x) => w.copy.some((c) => c.id === x.id));
      if (d.drained) said += 1;
      // The stated limit of a proof by tails alone: the missing records repeat the window's beginning, timestamps included.
      const missing = w.origin.filter((x) => !w.copy.some((c) => c.id === x.id)).length;
      const repeated = missing * 2 > Math.min(asked, w.origin.length, w.copy.length) && d.proof === 'tail' && w.origin.slice(-asked, -missing).every((x, i) => x.fingerprint === w.origin.slice(-asked)[i + missing]?.fingerprint);
      if (!complete && d.drained) assert.ok(repeated, `said drained by ${d.proof} with ${missing} records missing of ${w.origin.length}`);
    }), { numRuns: 5000 });
    assert.ok(said > 500, String(said));
  });
  it('ten alike records face nine: not drained; an offset sync or the stored position decides', () => {
    const alike = (copied: number): World => whole(copied, 10, () => 0, () => true);
    assert.equal(look(alike(9)).drained, false);
    assert.equal(look(alike(9), 8, { anchors: alike(9).anchors }).drained, false);
    assert.equal(look(alike(10), 8, { anchors: alike(10).anchors }).proof, 'anchor');
    assert.equal(look(alike(10), 8, { next: 10n }).proof, 'stored-position');
    assert.equal(look(alike(9), 8, { next: 9n }).drained, false);
    assert.equal(look(alike(10), 20).drained, true, 'both logs are whole and equal');
  });
  it('an origin that has expired is drained; an expired copy needs the stored position', () => {
    const w = whole(10);
    const gone = { ...w.logs.origin, logStart: 10n };
    assert.equal(look({ ...w, origin: [], logs: { ...w.logs, origin: gone } }).proof, 'origin-empty');
    const noCopy = { ...w, copy: [], logs: { ...w.logs, copy: gone } };
    assert.equal(look(noCopy).drained, false);
    assert.equal(look(noCopy, 8, { next: 10n }).drained, true);
  });
  it('open transactions on either half', () => {
    const w = whole(10);
    assert.match(look({ ...w, logs: { ...w.logs, origin: { ...w.logs.origin, hw: 11n } } }).why, /open on the origin/);
    assert.match(look({ ...w, logs: { ...w.logs, copy: { ...w.logs.copy, hw: 11n } } }).why, /open on the copy/);
  });
});
