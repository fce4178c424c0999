/**
 * An estate: waves of applications, each a migration of its own that goes on by itself and reports here by signal. This
 * workflow begins them, one after the other and each after an approval; takes them back with those that stand on them; and
 * finishes topics when no group of theirs is left on the source. It knows no Kafka: what to do next is worked out in `domain`.
 */
import {
  ApplicationFailure, CancellationScope, ParentClosePolicy, WorkflowIdReusePolicy, allHandlersFinished, condition, continueAsNew, getExternalWorkflowHandle,
  setCurrentDetails, setHandler, startChild, upsertSearchAttributes, workflowInfo,
} from '@temporalio/workflow';
import { SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';
import { estateIdOf } from '../domain/estate.ts';
import { estateKinds, parseEstateDecision, type EstateDecision, type EstateKind } from '../domain/estate-decisions.ts';
import { hear, refusal, take, underWay } from '../domain/estate-hearing.ts';
import { freshWave, isOut, recordOf, type EstateJournal, type WaveRecord } from '../domain/estate-journal.ts';
import { faultsOf, migrationOf, waveIdOf, wholeOf } from '../domain/estate-migrations.ts';
import { nextAct, type Act } from '../domain/estate-next.ts';
import { estateDetails, estateProgressOf } from '../domain/estate-progress.ts';
import { parseReport } from '../domain/estate-report.ts';
import { planWaves } from '../domain/estate-waves.ts';
import { Failure, isFailureType } from '../domain/failures.ts';
import { groundworkWave, type Migration } from '../domain/migration.ts';
import { parseEstate, resolved } from '../domain/parse-estate.ts';
import { hashOf } from '../domain/plan.ts';
import { describeError } from './errors.ts';
import * as messages from './estate-messages.ts';
import { auditTail } from './journal.ts';
import { searchAttributes } from './migrate.ts';
import { copies, copiesWith } from './schemes/schemes.ts';
import { work } from './temporal.ts';

export interface EstateResult { readonly outcome: 'completed' | 'rolled-back'; readonly waves: readonly Pick<WaveRecord, 'name' | 'state' | 'attempt'>[]; readonly audit: readonly string[]; readonly runs: number }

/** A wave that says nothing for so long is asked whether it is still there. */
const silentMs = 3_600_000;
/** A wave that does not take its finish (its claims do not hold yet) is asked again after so long. */
const againMs = 10_000;

export async function estate(input: unknown, carried?: EstateJournal | null): Promise<EstateResult> {
  const root = CancellationScope.current();
  const run = new Estates(carried ?? null);
  run.listen();
  return CancellationScope.nonCancellable(async () => {
    void root.cancelRequested.catch(() => { run.decide({ kind: 'rollback', by: 'workflow cancel', hash: null, reason: 'the workflow was cancelled', wave: null }); });
    try {
      if (run.journal === null) run.journal = await begin(input);
    } catch (error) {
      throw asFailure(error);
    }
    const outcome = await run.toTheEnd(input);
    const { j } = run;
    const result: EstateResult = { outcome, waves: j.waves.map(({ name, state, attempt }) => ({ name, state, attempt })), audit: j.audit, runs: j.runs };
    if (outcome === 'completed') return result;
    throw ApplicationFailure.create({ type: 'RolledBack', nonRetryable: true, message: `Rolled back: ${j.home?.reason ?? ''}`.trim(), details: [result] });
  });
}

/** Looks at the clusters once, works out the waves, and writes nothing. */
async function begin(input: unknown): Promise<EstateJournal> {
  const info = workflowInfo();
  const given = parseEstate(input, copies);
  if (info.workflowId !== estateIdOf(given)) throw new Failure('BadMigration', `The workflow id must be ${estateIdOf(given)}, so that one estate cannot run twice; it is ${info.workflowId}.`);
  const known = await work.environment({ names: searchAttributes });
  const { migration, inventory } = await work.assess({ m: wholeOf(given), scheme: 'groundwork' });
  const observed = { topics: inventory.topics.map(({ name, partitions }) => ({ name, partitions })), groups: [] };
  const whole = resolved(given, observed);
  const copying = copiesWith(whole.connect);
  const plan = planWaves(whole, copying);
  refuseOrphans(migration, plan.waves.flatMap((w) => w.topics));
  const planHash = hashOf({ estate: { ...whole, limits: undefined }, waves: plan.waves, clusters: inventory.clusterIds });
  const journal: EstateJournal = {
    version: 1, run: info.firstExecutionRunId, workflowId: info.workflowId, estate: whole, plan, planHash, copies: copying,
    partitions: Object.fromEntries(inventory.topics.map((t) => [t.name, t.partitions])), searchAttributes: known.searchAttributes,
    approved: false, groundwork: freshWave(groundworkWave), waves: plan.waves.map((w) => freshWave(w.name)), starting: null, goingBack: [], finishing: [], home: null,
    question: null, wanted: null, paused: false, refused: null, audit: [], runs: 1, startedMs: Date.now(),
  };
  const faults = faultsOf(journal);
  if (faults.length > 0) throw new Failure('BadMigration', `These waves could not be begun:\n${faults.join('\n')}\n`, 'Correct the estate file and start it again; nothing was written.');
  return journal;
}

function refuseOrphans(m: Migration, written: readonly string[]): void {
  const known = new Set(written);
  const orphans = m.topics.filter((t) => !known.has(t));
  if (orphans.length > 0) throw new Failure('BadMigration', `No application of this estate writes ${orphans.slice(0, 10).join(', ')}: declare the writers, or leave these topics out.`);
}

function asFailure(error: unknown): ApplicationFailure {
  let innermost: unknown = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  const type = innermost instanceof Failure ? innermost.type : innermost instanceof ApplicationFailure ? (innermost.type ?? 'Error') : 'Error';
  return ApplicationFailure.create({ type, nonRetryable: true, message: isFailureType(type) && innermost instanceof Error ? innermost.message : describeError(error) });
}

class Estates {
  journal: EstateJournal | null;
  #ended: 'completed' | 'rolled-back' | null = null;
  /** Grows with every message: whoever waits looks again. */
  #heard = 0;
  #told = '';
  #attributes: Readonly<Record<string, string>> = {};
  constructor(journal: EstateJournal | null) { this.journal = journal; }

  get j(): EstateJournal {
    if (this.journal === null) throw new Error('the estate has no journal yet');
    return this.journal;
  }

  /** Registered synchronously, before the first await: a message sent with the start finds its handler. */
  listen(): void {
    for (const kind of estateKinds) {
      const { definition, description } = messages.estateSignals[kind];
      setHandler(definition, (x) => { this.signal(kind, x); }, { description });
    }
    setHandler(messages.report, (x) => { this.#hear(x); }, { description: messages.reportDescription });
    setHandler(messages.decideEstate, (x) => this.#answer(x), {
      description: messages.decideEstateDescription,
      validator: (x) => {
        const d = parseEstateDecision(null, x);
        const why = typeof d === 'string' ? d : refusal(this.journal, d);
        if (why !== null) throw ApplicationFailure.nonRetryable(why, 'Refused');
      },
    });
    setHandler(messages.estateProgress, () => estateProgressOf(this.j, this.#ended), { description: messages.estateQueryDescriptions.progress });
    setHandler(messages.estateAudit, () => this.journal?.audit ?? [], { description: messages.estateQueryDescriptions.audit });
  }

  #answer(x: unknown): string {
    const d = parseEstateDecision(null, x);
    const said = typeof d === 'string' ? d : this.decide(d);
    if (!said.startsWith('accepted')) throw ApplicationFailure.nonRetryable(said, 'Refused');
    return said;
  }

  signal(kind: EstateKind, x: unknown): void {
    const d = parseEstateDecision(kind, x);
    const said = typeof d === 'string' ? d : this.decide(d);
    if (said.startsWith('accepted') || this.journal === null) return;
    this.journal.refused = `${kind}: ${said}`;
    this.log(`refused ${this.journal.refused}`);
    this.tell();
  }

  /** The verdict: `accepted …`, or why not. */
  decide(d: EstateDecision): string {
    const why = refusal(this.journal, d);
    if (why !== null) return why;
    const verdict = take(this.j, d);
    this.#heard++;
    this.log(`${d.kind}${d.wave === null ? '' : ` ${d.wave}`} by ${d.by}${d.reason === null ? '' : ` (${d.reason})`}: ${verdict}`);
    return verdict;
  }

  #hear(x: unknown): void {
    const r = parseReport(x);
    if (this.journal === null) return;
    const line = typeof r === 'string' ? `a report was refused: ${r}` : hear(this.journal, r);
    if (line !== null) this.log(line);
    this.#heard++;
  }

  log(line: string): void {
    const { j } = this;
    j.audit = [...j.audit, `${new Date().toISOString()} ${line}`.slice(0, 600)].slice(-auditTail);
  }

  async toTheEnd(input: unknown): Promise<'completed' | 'rolled-back'> {
    for (;;) {
      const heard = this.#heard;
      const act = nextAct(this.j);
      if (act.do === 'end') { this.#ended = act.outcome; break; }
      if (act.do === 'wait') {
        this.tell();
        await this.#wait(heard);
      } else await this.#do(act);
      if (this.#mayRenew()) {
        await condition(allHandlersFinished);
        await continueAsNew<typeof estate>(input, { ...this.j, runs: this.j.runs + 1 });
      }
    }
    this.log(this.#ended ?? '');
    this.tell();
    await condition(allHandlersFinished);
    return this.#ended ?? 'completed';
  }

  #mayRenew(): boolean {
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    return continueAsNewSuggested || historyLength > this.j.estate.limits.historyEvents;
  }

  /** Until a message comes. Silence is looked into: a wave whose workflow is gone cannot report that. */
  async #wait(heard: number): Promise<void> {
    const { j } = this;
    const finishing = j.finishing.length > 0;
    if (await condition(() => this.#heard !== heard, finishing ? againMs : silentMs)) return;
    const head = finishing ? recordOf(j, j.finishing[0] ?? '') : undefined;
    if (head) head.approved = null;
    else for (const w of [j.groundwork, ...j.waves]) if (isOut(w) || w.state === 'finishing') await this.#send(w, messages.reportAgain, null);
  }

  async #do(act: Exclude<Act, { do: 'wait' | 'end' }>): Promise<void> {
    const { j } = this;
    if (act.do === 'ask') {
      j.question = { ...act.question, sinceMs: Date.now() };
      this.log(`asks: ${act.question.text}`);
      return;
    }
    const before = recordOf(j, act.wave)?.state;
    const w = underWay(j, act);
    if (act.do === 'start') return this.#start(w);
    if (act.do === 'finish') return this.#finish(w, { hash: act.hash, released: before === 'finishing' });
    this.log(`${w.name} is told to go back`);
    await this.#send(w, 'rollback', { by: `estate ${j.estate.name}`, reason: j.home?.reason ?? 'the estate was told to take it back' });
  }

  async #start(w: WaveRecord): Promise<void> {
    const { j } = this;
    const scheme = w.name === groundworkWave ? 'groundwork' : (j.plan.waves.find((p) => p.name === w.name)?.scheme ?? '');
    const migration = migrationOf(j, w.name);
    try {
      await startChild(scheme, {
        workflowId: waveIdOf(j.estate, w.name), args: [migration], parentClosePolicy: ParentClosePolicy.ABANDON,
        workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY, staticSummary: `wave ${w.name} of ${j.estate.name}: ${migration.applications.map((a) => a.name).join(', ')}`.slice(0, 190),
      });
      this.log(`${w.name} begins as ${waveIdOf(j.estate, w.name)}`);
    } catch (error) {
      w.state = 'refused';
      w.say = `it could not be started: ${describeError(error)}`;
      this.log(`${w.name}: ${w.say}`);
    }
  }

  /** The release is what the wave's last hold waits for; its approval is given with the hash that the wave shows. */
  async #finish(w: WaveRecord, x: { readonly hash: string; readonly released: boolean }): Promise<void> {
    const { j } = this;
    try {
      const key = `${j.run}/released/${w.name}`;
      if (!x.released) await work.remember({ m: wholeOf({ ...j.estate, applications: [] }), c: { untilMs: null, limits: j.estate.limits, run: j.run, mode: 'plain', key }, need: 'one', entries: [{ key, value: JSON.stringify({ wave: w.name, sequence: 1 }) }] });
    } catch (error) {
      j.finishing = [];
      w.state = 'settled';
      this.log(`${w.name} is not finished: ${describeError(error)}`);
      return;
    }
    await this.#send(w, 'approve', { by: `estate ${j.estate.name}`, hash: x.hash });
  }

  /** Whoever is not there any more cannot be signalled. */
  async #send(w: WaveRecord, signal: string | typeof messages.reportAgain, payload: object | null): Promise<void> {
    try {
      const wave = getExternalWorkflowHandle(waveIdOf(this.j.estate, w.name));
      if (typeof signal === 'string') await wave.signal(signal, payload);
      else await wave.signal(signal);
    } catch (error) {
      if (w.state === 'back' || w.state === 'finished' || w.state === 'refused') return;
      w.state = 'lost';
      w.asks = null;
      w.say = `its workflow cannot be reached: ${describeError(error)}`;
      this.j.goingBack = [];
      this.j.finishing = [];
      this.j.home = null;
      this.log(`${w.name}: ${w.say}`);
    }
  }

  tell(): void {
    const { j } = this;
    const p = estateProgressOf(j, this.#ended);
    const page = estateDetails(p);
    if (page !== this.#told) setCurrentDetails(page);
    this.#told = page;
    const current = j.waves.find((w) => w.state === 'moving' || w.state === 'going-back' || w.state === 'finishing');
    const all: Record<string, string> = { CutoverPhase: current?.name ?? p.question?.name ?? p.state, CutoverState: p.state, CutoverSource: j.estate.source, CutoverTarget: j.estate.target };
    const changed = Object.entries(all).filter(([name, value]) => j.searchAttributes.includes(name) && this.#attributes[name] !== value);
    if (changed.length > 0) upsertSearchAttributes(changed.map(([name, value]) => ({ key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD), value: value.slice(0, 200) })));
    this.#attributes = { ...this.#attributes, ...Object.fromEntries(changed) };
  }
}
