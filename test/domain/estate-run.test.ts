/** The parent over scripted waves, in memory: whatever people say and waves report, nothing moves, goes back or is finished out of turn. */
import assert from 'node:assert/strict';
import { test } from '../apart.ts';
import fc from 'fast-check';
import { estateKinds, parseEstateDecision } from '../../src/domain/estate-decisions.ts';
import { hear, refusal, take, underWay } from '../../src/domain/estate-hearing.ts';
import { freshWave, hasMoved, isBusy, isOut, ordered, recordOf, type EstateJournal } from '../../src/domain/estate-journal.ts';
import { migrationOf } from '../../src/domain/estate-migrations.ts';
import { nextAct, type Act } from '../../src/domain/estate-next.ts';
import { estateDetails, estateProgressOf } from '../../src/domain/estate-progress.ts';
import type { Report } from '../../src/domain/estate-report.ts';
import { dependents, planWaves } from '../../src/domain/estate-waves.ts';
import { groundworkWave, groupsOf } from '../../src/domain/migration.ts';
import { parseEstate } from '../../src/domain/parse-estate.ts';
import { parseMigration } from '../../src/domain/parse-migration.ts';
import { application, estate, knownEstates } from './estates.ts';

const copies = { stopRestartRepeat: true, producerFirst: false };
function journalOf(typed: unknown): EstateJournal {
  const parsed = parseEstate(typed, copies);
  const plan = planWaves(parsed, copies);
  return {
    version: 1, run: 'run', workflowId: 'cutover-estate/east/west/shop', estate: parsed, plan, planHash: 'plan', copies, partitions: {}, searchAttributes: [], approved: false,
    groundwork: freshWave(groundworkWave), waves: plan.waves.map((w) => freshWave(w.name)), starting: null, goingBack: [], finishing: [], home: null, question: null, wanted: null,
    paused: false, refused: null, audit: [], runs: 1, startedMs: 0,
  };
}

/** A number of the run, each used once: who says what, and how each wave fares. */
class Luck {
  readonly #draws: readonly number[];
  #at = 0;
  constructor(draws: readonly number[]) { this.#draws = draws; }
  get left(): boolean { return this.#at < this.#draws.length; }
  below(n: number): number { return (this.#draws[this.#at++] ?? 0) % n; }
}

/** Reports that a wave still has to give, in order. */
class Waves {
  readonly due: Report[] = [];
  #hashes = 0;
  say(wave: string, state: Report['state'], hash = false): void {
    this.due.push({ wave, run: 'r', state, say: '', question: hash ? { name: 'finish/approve the finish', kind: 'hold', text: 'Finish?', hash: `h${this.#hashes++}` } : null });
  }
  obey(act: Act, luck: Luck): void {
    if (act.do === 'start') {
      const fate = luck.left ? luck.below(6) : 2;
      if (fate === 0) return this.say(act.wave, 'refused');
      this.say(act.wave, 'moving');
      if (fate === 1) { this.say(act.wave, 'rolling-back'); return this.say(act.wave, 'rolled-back'); }
      this.say(act.wave, 'settled', true);
    }
    if (act.do === 'take-back') {
      this.say(act.wave, 'rolling-back');
      if (luck.left && luck.below(5) === 0) return this.say(act.wave, 'settled', true);
      this.say(act.wave, 'rolled-back');
    }
    if (act.do === 'finish') {
      if (act.hash.endsWith('0') || act.hash.endsWith('3')) return this.say(act.wave, 'settled', true); // its claims had changed
      this.say(act.wave, 'completed');
    }
  }
}

function allowed(j: EstateJournal, act: Act): void {
  if (act.do === 'start' && act.wave !== groundworkWave) {
    const planned = j.plan.waves.find((w) => w.name === act.wave);
    const fed = new Set(j.plan.feeds.map((f) => f.topic));
    assert.ok(!j.waves.some(isBusy) && j.groundwork.state === 'settled', 'one at a time, on a groundwork');
    for (const w of j.plan.waves) for (const t of w.topics)
      if (planned?.reads.includes(t)) assert.ok(fed.has(t) || hasMoved(recordOf(j, w.name)), `${act.wave} reads ${t}, which is neither cut nor mirrored`);
    const scheme = planned?.scheme ?? '';
    const m = migrationOf(j, act.wave);
    const groups = m.applications.flatMap(groupsOf);
    // A migration takes a group from one application only; the estate says so before it begins.
    if (new Set(groups).size === groups.length) assert.deepEqual(parseMigration(m, scheme), m, 'an ordinary migration');
  }
  if (act.do === 'take-back' && act.wave !== groundworkWave)
    for (const d of dependents(ordered(j), act.wave)) assert.ok(!isOut(recordOf(j, d) ?? j.groundwork), `${act.wave} goes back before ${d}, which stands on it`);
  if (act.do === 'take-back' && act.wave === groundworkWave) assert.ok(!j.waves.some(isOut), 'the groundwork goes last');
  if (act.do === 'finish' && act.wave !== groundworkWave) {
    const topics = j.plan.waves.find((w) => w.name === act.wave)?.topics ?? [];
    for (const w of j.plan.waves) if (w.name !== act.wave && w.reads.some((t) => topics.includes(t))) assert.ok(hasMoved(recordOf(j, w.name)), `${act.wave} is finished while ${w.name} still reads on the source`);
  }
  if (act.do === 'end') {
    assert.ok(!j.waves.some(isOut), 'nobody is left on the way');
    if (act.outcome === 'completed') assert.ok(j.groundwork.state === 'finished' && j.waves.every((w) => ['finished', 'skipped'].includes(w.state)), 'all finished or skipped');
    else assert.ok(!j.waves.some((w) => w.state === 'finished'), 'all is home');
  }
}

function says(j: EstateJournal, luck: Luck): void {
  const kind = estateKinds[luck.below(estateKinds.length)] ?? 'approve';
  const wave = j.waves[luck.below(j.waves.length)]?.name ?? '';
  const d = parseEstateDecision(kind, { by: 'ana', reason: 'luck', ...(kind === 'approve' ? { hash: j.question?.hash ?? 'none' } : kind === 'rollback' && luck.below(4) === 0 ? {} : { wave }) });
  if (typeof d === 'string') assert.fail(d);
  if (refusal(j, d) === null) take(j, d);
}
/** What somebody says who wants it to be done. */
function onward(j: EstateJournal): void {
  const q = j.question;
  if (j.paused) take(j, { kind: 'resume', by: 'ana', hash: null, reason: null, wave: null });
  if (q === null) return;
  const broken = q.claims.some((c) => !c.holds);
  if (q.kind === 'failed') take(j, { kind: 'retry', by: 'ana', hash: null, reason: null, wave: q.name });
  else if (!broken) take(j, { kind: 'approve', by: 'ana', hash: q.hash, reason: null, wave: null });
  else {
    take(j, { kind: 'reject', by: 'ana', hash: null, reason: 'not so', wave: null });
    const skipped = j.waves.find((w) => w.state === 'skipped');
    if (skipped) take(j, { kind: 'retry', by: 'ana', hash: null, reason: null, wave: skipped.name });
  }
}

function play(typed: unknown, draws: readonly number[]): { readonly outcome: string; readonly steps: number } {
  let j = journalOf(typed);
  const luck = new Luck(draws);
  const waves = new Waves();
  for (let steps = 0; steps < 5_000; steps++) {
    const act = nextAct(j);
    allowed(j, act);
    estateDetails(estateProgressOf(j, null));
    if (act.do === 'end') return { outcome: act.outcome, steps };
    if (act.do === 'ask') { j.question = { ...act.question, sinceMs: 0 }; continue; }
    if (act.do !== 'wait') { underWay(j, act); waves.obey(act, luck); continue; }
    // As over continue-as-new.
    j = JSON.parse(JSON.stringify(j)) as EstateJournal;
    if (luck.left && luck.below(3) > 0) { says(j, luck); continue; }
    const next = waves.due.shift();
    if (next) hear(j, next);
    else onward(j);
  }
  throw new Error(`no end: ${JSON.stringify({ waves: j.waves, q: j.question, ground: j.groundwork, back: j.goingBack, finishing: j.finishing, wanted: j.wanted })}`);
}

test('whatever people say and waves report: one wave at a time, nobody is left behind, and it comes to an end', () => {
  const outcomes = new Map<string, number>();
  fc.assert(fc.property(knownEstates, fc.array(fc.nat(1_000), { maxLength: 120 }), ({ estate: typed }, draws) => {
    const { outcome } = play(typed, draws);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }), { numRuns: 200 });
  console.log(`  ${[...outcomes].map(([o, n]) => `${n} ${o}`).join(', ')}`);
});

test('with canaries that read early as well, named waves and a scheme that copies nothing', () => {
  const typed = estate([
    application('reports', { hint: 'canary', reads: [{ group: 'reports', topics: ['orders'] }] }),
    application('shop', { writes: ['orders'], wave: 'orders' }),
    application('billing', { reads: [{ group: 'billing', topics: ['orders'] }], writes: ['invoices'] }),
    application('legacy', { writes: ['legacy'], scheme: 'producerFirst' }), application('ledger', { reads: [{ group: 'ledger', topics: ['legacy'] }], scheme: 'producerFirst' }),
  ], { waves: [{ name: 'orders' }], waveSize: 1 });
  fc.assert(fc.property(fc.array(fc.nat(1_000), { maxLength: 150 }), (draws) => { play(typed, draws); }), { numRuns: 150 });
});

test('two waves went back and the first is begun again: that is asked next, and the later one only when it has its turn', () => {
  const j = journalOf(estate([application('shop', { writes: ['orders'], wave: 'orders' }), application('mail', { reads: [{ group: 'mail', topics: ['orders'] }] })], { waves: [{ name: 'orders' }] }));
  Object.assign(j, { approved: true });
  for (const w of [j.groundwork, ...j.waves]) w.state = w === j.groundwork ? 'settled' : 'back';
  const asked = (): string => { const act = nextAct(j); return act.do === 'ask' ? `${act.question.kind} ${act.question.name}` : act.do; };
  assert.equal(asked(), 'failed orders');
  take(j, { kind: 'retry', by: 'ana', hash: null, reason: null, wave: 'orders' });
  assert.equal(asked(), 'hold start orders');
  Object.assign(recordOf(j, 'orders') ?? {}, { state: 'settled' });
  assert.equal(asked(), 'failed wave-1');
});
