/**
 * Mirrors between the steps that wait for them: a task that has failed stays so until somebody restarts it, and whoever reads
 * what it copies would wait as long. One request per Connect worker and look while nothing is wrong, and every minute a close look.
 */
import type { Side } from '../domain/authority.ts';
import { cutSets, type CutSet } from '../domain/cutsets.ts';
import type { MirrorState, Ports, Revived } from '../domain/ports.ts';
import type { Tended } from '../domain/progress.ts';
import type { At } from './boundary.ts';
import { viewMirror } from './caughtup.ts';
import { begunAnew, isLong, lookClosely, never, type Closely, type Own } from './closely.ts';
import { ownMirrors } from './connect.ts';
import { standingMark } from './cut.ts';
import type { LedgerBook } from './ledger.ts';
import type { Glance } from './looking.ts';
import { both, count, list, nameOf } from './outside.ts';
import { withRenewal } from './reviving.ts';
import type { LookAsk } from './work.ts';

/** What was restarted counts as mended when it has run for so long. */
const mendedMs = 60_000;
/** Between a restart and the next one of the same mirror: 10 s, then twice as long each time. */
const [firstRestMs, longestRestMs] = [10_000, 300_000];
/** What may pass by itself is no alarm before: a worker that restarts, a group that rebalances. */
const passingMs = 30_000;
/** What was seen of mirrors that nobody looks after any more. */
const forgottenMs = 3_600_000;
/** The number of restarts is part of the state, and each new state ends a turn. */
const mostCounted = 6;

interface Trouble {
  readonly sinceMs: number;
  /** What is seen. */
  seen: string;
  /** What was done about it, or why nothing is: the rest of that sentence. It stands until the trouble is over. */
  done: string;
  restarts: number;
  /** No restart before, epoch ms. */
  nextMs: number;
  /** When it was first no longer seen; `null`: it is there. */
  goneMs: number | null;
  alarm: boolean;
  /** Found by looking at the mirror itself: over when that has not shown it for long enough. */
  closely: boolean;
}

export const tending = (ports: Ports, record: LedgerBook) => {
  /** By mirror, what was seen when it was looked at closely last. Longer than a turn, which any news ends: what stands still takes two minutes to be seen. */
  const closely = new Map<string, Closely>();
  return {
    lookMirrors(x: LookAsk, at: At): () => Promise<Glance> {
      const tended = new Tending({ ports, record, closely }, x, at);
      return () => tended.look();
    },
  };
};

class Tending {
  readonly #ports: Ports;
  readonly #record: LedgerBook;
  readonly #x: LookAsk;
  readonly #at: At;
  readonly #sets: readonly CutSet[];
  /** By mirror, or by Connect worker that does not answer. */
  readonly #troubles = new Map<string, Trouble>();
  readonly #closely: Map<string, Closely>;
  constructor({ ports, record, closely }: { readonly ports: Ports; readonly record: LedgerBook; readonly closely: Map<string, Closely> }, x: LookAsk, at: At) {
    this.#ports = ports;
    this.#record = record;
    this.#closely = closely;
    this.#x = x;
    this.#at = at;
    this.#sets = cutSets(x.m);
    const nowMs = at.now();
    for (const { name, restarts, alarm, closely: close } of carried(x.c.before)) {
      if (restarts === 0) { Object.assign(this.#ill(name, `mirror ${name} did not copy when it was last seen`), { alarm, closely: close }); continue; }
      Object.assign(this.#ill(name, `mirror ${name} had failed`), { restarts, nextMs: nowMs + restMs(restarts), goneMs: nowMs, done: ` and was told to restart${timesOf(restarts)}`, alarm });
    }
  }

  async look(): Promise<Glance> {
    const seen = await Promise.all(both.map((toward) => this.#ofConnect(toward)));
    const own = seen.flatMap((s) => s ?? []);
    // Side by side: one whose source does not answer keeps none of the others waiting.
    await Promise.all(own.map((one) => this.#tend(one)));
    for (const [name, c] of this.#closely) if (this.#at.now() - c.nextMs > forgottenMs) this.#closely.delete(name);
    // Of a worker that does not answer nothing is known, also not that a mirror is gone.
    if (!seen.includes(null)) for (const name of [...this.#troubles.keys()]) if (!own.some((o) => o.spec.name === name)) this.#well(name);
    return this.#told(own);
  }

  /** `null`: not known. */
  async #ofConnect(toward: Side): Promise<readonly Own[] | null> {
    const { m } = this.#x;
    const connect = toward === 'target' ? m.connect : m.connectBack;
    if (connect === null) return [];
    const name = `Connect ${connect}`;
    try {
      const states = await this.#ports.mirrors.states(connect);
      this.#well(name);
      return (await Promise.all(this.#sets.map((set) => this.#newest(set, toward, states)))).flat();
    } catch (e) {
      this.#at.until.check();
      this.#ill(name, `whether the mirrors on Connect ${connect} copy is unknown: ${this.#at.words(e)}`);
      return null;
    }
  }
  async #newest(set: CutSet, toward: Side, states: readonly MirrorState[]): Promise<readonly Own[]> {
    const [spec] = await ownMirrors(this.#ports, { ...this.#x, set, toward }, states.map((s) => s.name));
    const state = states.find((s) => s.name === spec?.name);
    return spec && state ? [{ set, toward, spec, state }] : [];
  }

  async #tend(one: Own): Promise<void> {
    const { spec, state } = one;
    if (state.connector === 'PAUSED') { this.#ill(spec.name, `mirror ${spec.name} is paused on Connect ${spec.connect} and copies nothing until somebody resumes it`); return; }
    if (state.connector === 'UNASSIGNED') { this.#ill(spec.name, `no worker of Connect ${spec.connect} holds mirror ${spec.name}`); return; }
    const idle = state.connector === 'RUNNING' && state.tasks === 0;
    // Stopped it was told not to run.
    if ((state.traces.length === 0 && !idle) || (state.connector !== 'RUNNING' && state.connector !== 'FAILED')) { await this.#watch(one); return; }
    const trouble = this.#ill(spec.name, state.traces.length > 0 ? `mirror ${spec.name} has failed on Connect ${spec.connect} (${list(state.traces, 2)})` : `mirror ${spec.name} runs without a task on Connect ${spec.connect} and copies nothing`);
    // One that has just started has none yet.
    if (this.#at.now() < trouble.nextMs || (state.traces.length === 0 && this.#at.now() < trouble.sinceMs + firstRestMs)) return;
    await this.#heal(one, trouble, async () => this.#ports.mirrors.revive(spec, this.#at.until));
  }

  /** What copies, and what was told to rest. */
  async #watch(one: Own): Promise<void> {
    const { name } = one.spec;
    let seen = this.#closely.get(name) ?? never;
    if (this.#at.now() >= Math.min(seen.nextMs, seen.idsMs)) {
      try {
        seen = await lookClosely(this.#ports, this.#record, { ...this.#x, ...one, before: seen }, this.#at);
        this.#closely.set(name, { ...seen, unknown: null });
      } catch (e) {
        this.#at.until.check();
        this.#closely.set(name, { ...seen, unknown: this.#at.words(e) }); // asked again at the next look
      }
      seen = this.#closely.get(name) ?? never;
    }
    if (seen.unknown !== null) { this.#ill(name, `whether mirror ${name} copies is unknown: ${seen.unknown}`); return; }
    if (seen.wrong === null) {
      if (this.#troubles.get(name)?.closely !== true || isLong(seen, this.#at.now())) this.#well(name);
      return;
    }
    const trouble = Object.assign(this.#ill(name, `mirror ${name}${seen.wrong.say}`), { alarm: true, closely: true });
    if (!seen.wrong.helped || this.#at.now() < trouble.nextMs) return;
    await this.#heal(one, trouble, async () => ({ found: [], renewed: await this.#ports.mirrors.renew(one.spec, this.#at.until), failed: null }));
  }

  /** What was done about a trouble, or why nothing could be. */
  async #heal(one: Own, trouble: Trouble, act: () => Promise<Revived>): Promise<void> {
    trouble.nextMs = this.#at.now() + restMs(trouble.restarts + 1);
    try {
      await this.#restart(one, trouble, act);
    } catch (e) {
      this.#at.until.check();
      Object.assign(trouble, { alarm: true, done: ` and could not be restarted: ${this.#at.words(e)}` });
    }
  }

  async #restart({ set, toward, spec }: Own, trouble: Trouble, act: () => Promise<Revived>): Promise<void> {
    const of = { ...this.#x, set, toward };
    const mark = await standingMark(this.#record, of);
    // It ran before a cut and was silenced for it: nothing is to come of it any more.
    if (mark?.to === toward) return void this.#troubles.delete(spec.name);
    const { damage } = await viewMirror(this.#ports, of, { record: this.#record, keep: this.#at });
    if (damage.length > 0) {
      Object.assign(trouble, { alarm: true, done: `, and is not restarted because it no longer copies faithfully: ${list(damage, 5)}` });
      return;
    }
    const revived = await act();
    if (revived.found.length === 0 && revived.renewed.length === 0) return; // it runs by now, or nobody knows what would help
    this.#closely.set(spec.name, begunAnew(this.#closely.get(spec.name) ?? never, this.#at.now()));
    trouble.restarts++;
    trouble.alarm = trouble.restarts > 1;
    trouble.done = ` and was told to restart${timesOf(trouble.restarts)}${withRenewal(revived, this.#at)}: what ${nameOf(this.#x.m, toward)} lacks of ${set.name} comes once it runs`;
  }

  #ill(name: string, seen: string): Trouble {
    const nowMs = this.#at.now();
    const trouble = this.#troubles.get(name) ?? { sinceMs: nowMs, seen, done: '', restarts: 0, nextMs: nowMs, goneMs: null, alarm: false, closely: false };
    this.#troubles.set(name, trouble);
    Object.assign(trouble, { seen, goneMs: null, alarm: trouble.alarm || nowMs - trouble.sinceMs >= passingMs });
    return trouble;
  }
  /** One that was restarted is watched for a while. */
  #well(name: string): void {
    const trouble = this.#troubles.get(name);
    if (!trouble) return;
    trouble.goneMs ??= this.#at.now();
    if (trouble.restarts === 0 || this.#at.now() - trouble.goneMs >= mendedMs) this.#troubles.delete(name);
  }

  #told(own: readonly Own[]): Glance {
    const seen = [...this.#troubles].sort(([a], [b]) => (a < b ? -1 : 1));
    const all = seen.filter(([, t]) => t.restarts > 0 || t.alarm);
    const state: Tended['state'] = all.some(([, t]) => t.alarm) ? 'failing' : all.length > 0 ? 'restarted' : 'running';
    const running = own.filter((o) => o.state.connector === 'RUNNING' && o.state.traces.length === 0 && o.state.tasks > 0).length;
    const say = seen.length === 0 ? `${count(running, 'mirror')} ${running === 1 ? 'runs' : 'run'}.` : `${seen.map(([, t]) => `${t.seen}${t.done}`).join('; ')}.`;
    // What passes ends a turn as well: it was said, and would be shown until the next one.
    return { done: false, say, state: [state, ...seen.map(([name, t]) => `${encodeURIComponent(name)}=${Math.min(mostCounted, t.restarts)}${t.alarm ? '!' : ''}${t.closely ? '~' : ''}`)].join(' '), figures: { state } };
  }
}

const timesOf = (restarts: number): string => (restarts < 2 ? '' : `, ${restarts} times`);
const restMs = (restarts: number): number => Math.min(longestRestMs, firstRestMs * 2 ** Math.max(0, restarts - 1));

/** What was restarted, or is an alarm, from the state that the turn before ended with: an alarm ends when its trouble does, not its turn. */
function carried(before: string | null): readonly { readonly name: string; readonly restarts: number; readonly alarm: boolean; readonly closely: boolean }[] {
  const state: unknown = before === null ? null : (JSON.parse(before) as { readonly state?: unknown }).state;
  if (typeof state !== 'string') return [];
  return [...state.matchAll(/(\S+)=(\d+)(!?)(~?)/g)]
    .map(([, name = '', restarts, bang, tilde]) => ({ name: decodeURIComponent(name), restarts: Number(restarts), alarm: bang === '!', closely: tilde === '~' }))
    .filter((x) => x.restarts > 0 || x.alarm);
}
