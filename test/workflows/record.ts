/**
 * Records the histories and journals that `replay.test.ts` reads: `node test/workflows/record.ts [scheme…]`; all schemes when
 * none is named, and of `scheme/situation` only the situations whose names begin so. Run it when a change of the workflows is meant to change them and no migration of the release before is
 * still under way.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { Failure } from '../../src/domain/failures.ts';
import { oneLine, type Answer, type Progress, type Question } from '../../src/domain/progress.ts';
import { copiesEither, schemes } from '../../src/workflows/schemes/schemes.ts';
import { small } from './migrations.ts';
import { scripted, type Script } from './scripted.ts';
import { record, runsOf, scrubbed, watch, type Studio } from './recording.ts';

const histories = new URL('../histories/', import.meta.url);
const journals = new URL('../journals/', import.meta.url);
const asked = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(schemes);
const schemeNames = [...new Set(asked.map((a) => a.split('/')[0] ?? ''))];
const isAsked = (scheme: string, situation: string): boolean => asked.some((a) => a === scheme || (a.startsWith(`${scheme}/`) && situation.startsWith(a.slice(scheme.length + 1))));

interface Situation {
  /** Schemes that know it; all unless said. */
  readonly only?: readonly string[];
  readonly more?: object;
  readonly status: 'COMPLETED' | 'FAILED' | 'CANCELED';
  readonly before?: (script: Script) => void;
  /** What the operator does when asked; approves and retries where this says nothing. */
  readonly says?: (q: Question, n: number) => { readonly kind: Answer | 'cancel'; readonly to?: string; readonly withoutTarget?: true } | null;
}
/** Of the one set there is, or of everything together. */
const lastHoldBeforeTheCut = /^cut (orders|everything)\/approve the cut$/;
const lastHold = 'finish/approve the finish';
const withWayBack = { connectBack: 'east-connect' };
const turningBack = (q: Question): { readonly kind: Answer } | null => (q.name === lastHold ? { kind: 'rollback' } : null);
const refusingTheCutBack: Situation['says'] = (q, n) => (q.name.endsWith('approve the cut back') ? { kind: 'reject' } : q.name === lastHold && n < 5 ? { kind: 'rollback' } : null);
const often = { limits: { historyEvents: 50 } };
/** Of two sets nobody could tell what the one on the target has processed. */
const returning = Object.keys(schemes).filter((s) => s !== 'blueGreen');
const situations: Readonly<Record<string, Situation>> = {
  'completed': { status: 'COMPLETED' },
  'rolled-back': { status: 'FAILED', says: (q) => (lastHoldBeforeTheCut.test(q.name) ? { kind: 'rollback' } : null) },
  'rejected': { status: 'FAILED', says: () => ({ kind: 'reject' }) },
  'cancelled': { status: 'CANCELED', says: (q) => (lastHoldBeforeTheCut.test(q.name) ? { kind: 'cancel' } : null) },
  'back-to-a-phase-and-forward-again': { status: 'COMPLETED', says: (_q, n) => (n === 0 ? { kind: 'rollback', to: 'check' } : null) },
  'step-failed-and-retried': { status: 'COMPLETED', before: (s) => { s.fail('createTopics', new Failure('Drift', 'Topic orders is in the way.')); } },
  'undo-failed-and-retried': { status: 'FAILED', says: (_q, n) => (n === 0 ? { kind: 'rollback' } : null), before: (s) => { s.fail('removeTopics', new Failure('Drift', 'Topic orders is in use.'), { mode: 'undo' }); } },
  'budget-exceeded': { status: 'COMPLETED', more: { outage: { budgetMs: 8_000, undoReserveMs: 2_000 } }, before: (s) => { s.fail('lookQuiet', 'hang', { mode: 'outage' }); } },
  'mirrors-looked-after': { only: ['stopRestartRepeat'], status: 'COMPLETED', more: withWayBack },
  'tombstones-kept': { only: ['stopRestartRepeat', 'blueGreen'], more: withWayBack, status: 'COMPLETED' },
  'closed-in-the-ledger': { only: ['stopRestartRepeat'], status: 'COMPLETED', more: withWayBack },
  'to-a-phase-after-opening-and-forward-again': { only: ['stopRestartRepeat'], status: 'COMPLETED', more: withWayBack, says: (q, n) => (q.name === lastHold && n < 4 ? { kind: 'rollback', to: 'prepare' } : null) },
  'continued-as-new': { status: 'COMPLETED', more: often },
  'rolled-back-after-opening': { status: 'FAILED', more: withWayBack, says: turningBack },
  'rolled-back-after-opening-continued-as-new': { status: 'FAILED', more: { ...withWayBack, ...often }, says: turningBack },
  'cut-back-refused': { status: 'COMPLETED', more: withWayBack, says: refusingTheCutBack },
  'cut-back-refused-and-swept-meanwhile': { only: ['stopRestartRepeat'], status: 'COMPLETED', more: withWayBack, says: refusingTheCutBack },
  'rolled-back-without-target': { only: returning, status: 'FAILED', more: withWayBack, says: (q) => (q.name === lastHold ? { kind: 'rollback', withoutTarget: true } : null) },
  'rolled-back-without-target-continued-as-new': { only: ['stopRestartRepeat'], status: 'FAILED', more: { ...withWayBack, ...often }, says: (q) => (q.name === lastHold ? { kind: 'rollback', withoutTarget: true } : null) },
  'without-target-refused': {
    only: returning, status: 'COMPLETED', more: withWayBack,
    says: (q, n) => (q.name.startsWith('without the target/') ? { kind: 'reject' } : q.name === lastHold && n < 6 ? { kind: 'rollback', withoutTarget: true } : null),
  },
  'without-data': { only: copiesEither, status: 'COMPLETED', more: { connect: null } },
  'without-data-rolled-back-after-opening': { only: copiesEither, status: 'FAILED', more: { connect: null, ...withWayBack }, says: turningBack },
  'continued-as-new-back': { status: 'FAILED', more: often, says: (q) => (lastHoldBeforeTheCut.test(q.name) ? { kind: 'rollback' } : null) },
};

async function play({ server, signal }: Studio, id: string, s: Situation): Promise<void> {
  const watched = watch(signal, id);
  for (let n = 0, answered: Question | null = null, seen = 'nothing'; ; await pause(300)) {
    watched.check(seen);
    const p = await server.progress(id).catch((): Progress | null => null);
    if (p !== null) seen = oneLine(p);
    if (p?.state === 'completed' || p?.state === 'rolled-back') {
      const { status, result } = await server.ended(id);
      if (status !== s.status) throw new Error(`${id} ended as ${status}, not ${s.status}: ${result.slice(-3_000)}`);
      return;
    }
    const q = p?.question ?? null;
    if (q === null || (q.name === answered?.name && q.sinceMs === answered.sinceMs)) continue;
    const answer = s.says?.(q, n++) ?? { kind: q.kind === 'hold' ? 'approve' as const : 'retry' as const };
    answered = q;
    const said = answer.kind === 'cancel'
      ? await server.temporal('workflow', 'cancel', '--workflow-id', id)
      : await server.signal(id, answer.kind, { by: 'ana', ...(q.hash === null ? {} : { hash: q.hash }), reason: 'recorded', ...('to' in answer ? { to: answer.to } : {}), ...('withoutTarget' in answer ? { withoutTarget: true } : {}) });
    if (said.code !== 0) throw new Error(`${id}: ${said.err}`);
  }
}

/** What was recorded of this scheme before goes; what another scheme or workflow recorded stays. */
async function clear(scheme: string): Promise<void> {
  await rm(new URL(`${scheme}/`, histories), { recursive: true, force: true });
  await mkdir(new URL(`${scheme}/`, histories), { recursive: true });
  await mkdir(journals, { recursive: true });
  for (const name of await readdir(journals)) if (name.startsWith(`${scheme}-`)) await rm(new URL(name, journals));
}

const world = scripted();
async function recordOne(studio: Studio, { scheme, situation, s }: { readonly scheme: string; readonly situation: string; readonly s: Situation }): Promise<void> {
  const { server } = studio;
  const name = `${scheme.toLowerCase()}-${situation}`;
  const script = world.of(name);
  s.before?.(script);
  const m = small(name, { scheme, ...s.more });
  const id = `cutover/east/west/${name}`;
  const begun = await server.start(scheme, m, id);
  if (begun.code !== 0) throw new Error(begun.err);
  await play(studio, id, s);
  const texts = await runsOf(server, id);
  for (const [i, text] of texts.entries()) await writeFile(new URL(`${scheme}/${situation}${texts.length > 1 ? `-${i + 1}` : ''}.json`, histories), scrubbed(text));
  const journal = [...script.ledger].filter(([key]) => key.endsWith('/journal')).at(-1)?.[1];
  if (journal === undefined) throw new Error(`${id} wrote no journal`);
  await writeFile(new URL(`${scheme}-${situation}.json`, journals), `${JSON.stringify(JSON.parse(journal), null, 1)}\n`);
  console.log(`${scheme} ${situation}: ${texts.length} run(s)`);
}

await record(world.work, schemeNames.map((scheme) => async (studio) => {
  if (asked.includes(scheme)) await clear(scheme);
  for (const [situation, s] of Object.entries(situations).filter(([name, x]) => (x.only?.includes(scheme) ?? true) && isAsked(scheme, name))) await recordOne(studio, { scheme, situation, s });
}));
