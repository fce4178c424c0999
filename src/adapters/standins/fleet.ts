/** The stand-ins as a fleet: one set of each application, on either side or on both, started and stopped as the real ones are. */
import type { Side } from '../../domain/authority.ts';
import type { FleetState } from '../../domain/ports.ts';
import type { StandIn } from '../../domain/rehearsal.ts';

/** A set at work; `stop` returns when it has sent what it held, committed what it processed and left its groups. */
export interface Playing { stop(): Promise<void> }
/** Starts a set and returns when it is at work. */
export type Play = (standIn: StandIn, on: Side) => Promise<Playing>;

type Sets = Record<Side, Playing | null>;
const both = ['source', 'target'] as const;

export class StandIns {
  readonly #play: Play;
  readonly #standIns: ReadonlyMap<string, StandIn>;
  readonly #sets = new Map<string, Sets>();
  /** One call at a time per application: a repeated one finds what the first did. */
  readonly #turn = new Map<string, Promise<unknown>>();

  constructor(standIns: readonly StandIn[], play: Play) {
    this.#play = play;
    this.#standIns = new Map(standIns.map((s) => [s.application, s]));
    for (const s of standIns) this.#sets.set(s.application, { source: null, target: null });
  }

  knows(application: string): boolean { return this.#standIns.has(application); }

  start(application: string, on: Side, how?: 'beside'): Promise<FleetState> {
    return this.#inTurn(application, async (standIn, sets) => {
      if (how !== 'beside') await this.#end(sets, on === 'source' ? 'target' : 'source');
      sets[on] ??= await this.#play(standIn, on);
    });
  }
  stop(application: string, only?: Side): Promise<FleetState> {
    return this.#inTurn(application, async (_standIn, sets) => { for (const side of only === undefined ? both : [only]) await this.#end(sets, side); });
  }
  ask(application: string): FleetState {
    const sets = this.#sets.get(application);
    const [source, target] = both.map((side) => (sets?.[side] ? 1 : 0));
    return { source: source ?? 0, target: target ?? 0, say: `stand-in: ${source ?? 0} on source, ${target ?? 0} on target` };
  }
  async stopAll(): Promise<void> {
    await Promise.all([...this.#sets.keys()].map((application) => this.stop(application)));
  }

  async #end(sets: Sets, side: Side): Promise<void> {
    const playing = sets[side];
    if (playing === null) return;
    await playing.stop();
    sets[side] = null;
  }
  #inTurn(application: string, act: (standIn: StandIn, sets: Sets) => Promise<void>): Promise<FleetState> {
    const [standIn, sets] = [this.#standIns.get(application), this.#sets.get(application)];
    if (!standIn || !sets) throw new Error(`No stand-in is called ${application}.`);
    const turn = (this.#turn.get(application) ?? Promise.resolve()).then(() => act(standIn, sets)).then(() => this.ask(application));
    this.#turn.set(application, turn.catch(() => undefined)); // told to whoever called; the next one finds how far it got
    return turn;
  }
}
