/** One row: a migration under live traffic, struck once at its step, operated until it ends, and counted. Or the same fault without one. */
import type { WorkflowHandle } from '@temporalio/client';
import { ending, until } from '../../demo/ending.ts';
import type { Side } from '../../src/domain/authority.ts';
import { workflowIdOf } from '../../src/domain/migration.ts';
import type { Answer, OutageRecord, Question } from '../../src/domain/progress.ts';
import { operate } from '../scenarios/scene.ts';
import { applications, openCast, type Application, type Cast, type House } from './cast.ts';
import { random } from './draw.ts';
import { strikeOf, type FaultName, type Strike, type Struck } from './faults.ts';
import { awaited } from './moments.ts';
import type { Chance, Row } from './rows.ts';
import { tally, type Tally } from './tally.ts';

/** How the outage that was struck, and those around it, went. */
export type OutageEnd = Pick<OutageRecord, 'name' | 'outcome' | 'addedMs' | 'why'>;
export interface Played {
  readonly struck: Struck;
  readonly tally: Tally;
  readonly outcome: 'completed' | 'rolled-back' | 'failed';
  /** Why it ended so, where it did not complete. */
  readonly why: string;
  readonly outages: readonly OutageEnd[];
  /** Where the operator was asked for help, and answered `retry`. */
  readonly retried: readonly string[];
  /** Applications that their own service manager had to kill because they did not stop in time: what they had not committed is read again. */
  readonly forced: readonly string[];
  /** Whoever is not where the outcome says. */
  readonly misplaced: readonly string[];
  /** What Cutover says it did and was told, a line each. */
  readonly audit: readonly string[];
  readonly migrationMs: number;
  readonly tookMs: number;
}
const endsWithinMs = 180_000;
const drainWithinMs = 60_000;
/** Traffic behind the end, so that positions set wrongly show. */
const ordersAfter = 600;

/** Throws where the step was never reached or the migration did not end: nothing is known of the row then. */
export async function play(house: House, row: Row, chance: Chance): Promise<Played> {
  const fromMs = Date.now();
  await using resources = new AsyncDisposableStack();
  const cast = await openCast(house, resources);
  const strike = strikeOf(row.fault, cast, chance.draw);
  cast.gate.await(awaited(row.moment, row.way, cast.named(chance.set)));
  const handle = await start(cast, row);
  const startedMs = Date.now();
  const retried = await struckOnce({ cast, handle, strike, way: row.way, leadMs: chance.leadMs }).catch(async (e: Error): Promise<never> => {
    throw new Error([e.message, ...(await auditOf(cast, handle)).slice(-auditShown)].join('\n'));
  });
  const [end, audit, migrationMs] = [await ending(handle), await auditOf(cast, handle), Date.now() - startedMs];
  const counted = await settled(cast);
  return {
    struck: strike.who(), tally: counted.tally, outcome: end.outcome, why: end.why, retried,
    outages: end.outages.map(({ name, outcome, addedMs, why }) => ({ name: plain(cast, name), outcome, addedMs, why })),
    forced: cast.supervisor.events.filter((e) => e.what === 'killed').map((e) => plain(cast, e.application)),
    misplaced: counted.ran.filter((r) => r.on !== (end.outcome === 'completed' ? 'target' : 'source')).map((r) => `${r.application} runs on ${r.on}`),
    audit, migrationMs, tookMs: Date.now() - fromMs,
  };
}

/** What the fault does by itself: the same applications on one cluster, no migration. */
export async function control(house: House, fault: FaultName, x: { readonly seed: number; readonly application: Application | null }): Promise<Tally> {
  await using resources = new AsyncDisposableStack();
  const cast = await openCast(house, resources);
  const next = random(x.seed);
  // All applications run on the source, so a broker of theirs is the source's.
  const strike = strikeOf(fault.endsWith('broker') ? `${fault.startsWith('kill') ? 'kill' : 'pause'} source broker` : fault, cast, next, x.application === null ? applications : [x.application]);
  await new Promise((r) => setTimeout(r, next() * 500));
  await strike.hit();
  await strike.mend();
  return (await settled(cast)).tally;
}

const auditShown = 40;
/** Empty where no worker answers. */
const auditOf = ({ stage: { client } }: Cast, handle: WorkflowHandle): Promise<readonly string[]> =>
  client.withDeadline(Date.now() + 5_000, () => handle.query<readonly string[]>('audit')).catch(() => []);

const plain = (cast: Cast, text: string): string => text.replaceAll(`-${cast.named('demo')}`, '');

async function start({ stage, input }: Cast, { scheme }: Row): Promise<WorkflowHandle> {
  const migration = input(scheme);
  return stage.client.workflow.start(scheme, { workflowId: workflowIdOf(migration), taskQueue: stage.taskQueue, args: [migration] });
}

interface Striking { readonly cast: Cast; readonly handle: WorkflowHandle; readonly strike: Strike; readonly way: Row['way']; readonly leadMs: number | null }
/** Returns what had to be tried again. */
async function struckOnce(x: Striking): Promise<readonly string[]> {
  const now = { over: false, met: false, mended: false };
  const retried: string[] = [];
  let asked = 0;
  const answers = (q: Question): Answer | null => {
    if (q.kind !== 'hold') {
      if (q.sinceMs !== asked) retried.push(`${plain(x.cast, q.name)}: ${plain(x.cast, q.text)}`);
      asked = q.sinceMs;
      return 'retry';
    }
    if (!q.name.startsWith('finish/')) return 'approve';
    if (x.way === 'back') return 'rollback';
    if (!now.met) now.over = true; // the step lies behind us
    return now.mended || now.over ? 'approve' : null;
  };
  const striking = (async () => {
    now.met = await x.cast.gate.met(() => now.over);
    if (now.met) await blow(x);
    now.mended = true;
  })();
  striking.catch(() => undefined); // told below
  try {
    await operate(x.cast.stage, x.handle, answers, endsWithinMs);
  } finally {
    now.over = true;
    await striking;
  }
  if (!now.met) throw new Error('The step was never reached: nothing was struck.');
  if (x.strike.who() === 'nobody') throw new Error('No application ran at that moment: nothing was struck.');
  return retried;
}

async function blow({ cast, strike, leadMs }: Striking): Promise<void> {
  if (leadMs === null) await strike.hit();
  cast.gate.go();
  if (leadMs !== null) {
    await new Promise((r) => setTimeout(r, leadMs));
    await strike.hit();
  }
  await strike.mend();
}

/** Traffic for a moment; then the shop stops, the readers drain, all stop. What is missing after that time is lost. */
async function settled(cast: Cast): Promise<{ readonly tally: Tally; readonly ran: readonly { readonly application: Application; readonly on: Side | 'nothing' | 'both' }[] }> {
  const { supervisor, named } = cast;
  const { books } = cast.stage;
  const ran = applications.map((application) => ({ application, on: sideOf(supervisor.count(named(application))) }));
  await books.refresh();
  const enough = books.acknowledged(named('orders')) + ordersAfter;
  if (ran.some((r) => r.application === 'shop' && r.on !== 'nothing'))
    await until(`${ordersAfter} orders more`, drainWithinMs, async () => { await books.refresh(); return books.acknowledged(named('orders')) >= enough; });
  await supervisor.stop(named('shop'));
  const count = (): Promise<Tally> => tally(cast.journals, cast.owed);
  await until('drained', drainWithinMs, async () => (await count()).lost === 0).catch(() => undefined);
  await Promise.all(applications.map((name) => supervisor.stop(named(name))));
  const all = await count();
  return { tally: { ...all, duties: all.duties.map((d) => ({ ...d, group: plain(cast, d.group), topic: plain(cast, d.topic) })) }, ran };
}

const sideOf = (n: Readonly<Record<Side, number>>): Side | 'nothing' | 'both' => (n.source > 0 ? (n.target > 0 ? 'both' : 'source') : n.target > 0 ? 'target' : 'nothing');
