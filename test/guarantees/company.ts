/** Migrations that are played side by side on one stack: they go from hold to hold together. */
import type { Application } from './cast.ts';
import { faultNames, isOfApplication, type FaultName } from './faults.ts';
import { noFault, rowName, type Row } from './rows.ts';
import type { Faulty } from './volley.ts';

/** What happened to others: it tells nothing of whoever hears it. */
export class Broken extends Error {}

export class Company {
  readonly size: number;
  readonly #here = new Map<number, { readonly brought: unknown; readonly resolve: (all: readonly unknown[]) => void; readonly reject: (e: Error) => void }>();
  /** Held up on their way to the next hold. */
  readonly #rallied = new Map<number, { readonly set: () => void; readonly resolve: () => void; readonly reject: (e: Error) => void }>();
  #broken: Broken | null = null;
  constructor(size: number) { this.size = size; }

  /** Waits for all of them: what each brought, by its number. */
  meet<T>(member: number, brought: T): Promise<readonly T[]> {
    this.check();
    return new Promise((resolve, reject) => {
      this.#here.set(member, { brought, resolve: (all) => { resolve(all as readonly T[]); }, reject });
      this.#goOn();
      if (this.#here.size < this.size) return;
      const all = [...this.#here].sort(([a], [b]) => a - b).map(([, one]) => one);
      this.#here.clear();
      for (const one of all) one.resolve(all.map((x) => x.brought));
    });
  }

  /** Waits until all others are held up too, or at the hold, or for that long: `set` is done for all of them before any of them goes on. */
  rally(member: number, withinMs: number, set: () => void): Promise<void> {
    this.check();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { this.#release(); }, withinMs);
      const over = (then: () => void) => (): void => { clearTimeout(timer); then(); };
      this.#rallied.set(member, { set, resolve: over(resolve), reject: (e) => { over(() => { reject(e); })(); } });
      this.#goOn();
    });
  }
  #goOn(): void { if (this.#rallied.size > 0 && this.#here.size + this.#rallied.size === this.size) this.#release(); }
  #release(): void {
    const all = [...this.#rallied.values()];
    this.#rallied.clear();
    for (const one of all) one.set();
    for (const one of all) one.resolve();
  }

  /** Nobody waits for one that will not come. */
  break(why: Error): void {
    this.#broken ??= new Broken(why.message);
    for (const { reject } of [...this.#here.values(), ...this.#rallied.values()]) reject(this.#broken);
    this.#here.clear();
    this.#rallied.clear();
  }
  check(): void { if (this.#broken) throw this.#broken; }
}

/**
 * What may strike until the next hold. `own`: each is struck by itself; `joint`: all at once, and nobody without `leader`, if any.
 * `most`: strikes, one after the other.
 */
export type Round =
  | { readonly kind: 'plain'; readonly leader: number }
  | { readonly kind: 'own'; readonly fault: FaultName; readonly most: number }
  | { readonly kind: 'joint'; readonly faults: ReadonlySet<FaultName>; readonly most: number; readonly leader: number | null };
export interface RoundChoices {
  /** Names of rows that are struck by themselves. */
  readonly single: ReadonlySet<string>;
  /** Faults that let somebody read again without any migration: what they did would hide what others did. */
  readonly repeating: ReadonlySet<FaultName>;
  /** Applications of which such a fault lets nobody read again: they are struck beside others. */
  readonly quiet: (fault: FaultName) => readonly Application[];
  readonly most: number;
  /** How often that row was wished for, and not struck. */
  readonly inVain: (row: Row) => number;
}

/** Those that are at the same: so many, and which of them this one is. */
export interface Peers { readonly size: number; readonly turn: number }
const alone: Peers = { size: 1, turn: 0 };
export const peersIn = <T>(all: readonly T[]): readonly Peers[] => all.map((of, i) => ({ size: all.filter((o) => o === of).length, turn: all.slice(0, i).filter((o) => o === of).length }));

const isFaulty = (r: Row): r is Faulty => r.fault !== noFault;
/** What one killed application repeats is all that a kill repeats: two of them are above it. */
const isOnce = (r: Row): boolean => r.fault === 'kill application';

const howOf = (f: FaultName): string | undefined => f.split(' ')[0];

/** The more of those strike in one stretch, the more seldom nothing was read again in it. */
const fewRepeating = 3;

/**
 * `wishes`: of each, in the order of wish, what could be played there. `peers`: of each, those that share its wishes. Of all rounds
 * that have one of them the one in which most are played; of equals that of the first wish.
 */
export function roundOf(wishes: readonly (readonly Row[])[], peers: readonly Peers[], x: RoundChoices): Round {
  const rounds = wishes.flatMap((w, leader) => w.map((first) => roundWith(first, leader, x)));
  const played = (round: Round): number => sumOf(wishes.map((w, i) => {
    const rows = rowsIn(round, i, w, { single: x.single, peers: peers[i] ?? alone });
    // What was wished for in vain may be out of reach, and must not keep back all others.
    return sumOf(rows.map((r) => 1 / (1 + x.inVain(r))).sort((a, b) => b - a).slice(0, round.kind === 'plain' ? 1 : round.most));
  }));
  const [best] = rounds.map((round) => ({ round, played: played(round) })).sort((a, b) => b.played - a.played);
  return best?.round ?? { kind: 'joint', faults: new Set(), most: 0, leader: null };
}
const sumOf = (all: readonly number[]): number => all.reduce((sum, n) => sum + n, 0);

/** The round that has this wish of that one. */
function roundWith(first: Row, leader: number, x: RoundChoices): Round {
  if (!isFaulty(first)) return { kind: 'plain', leader };
  const { fault } = first;
  const isSingle = x.single.has(rowName(first));
  const shares = (f: FaultName): boolean => !isOfApplication(f) || x.quiet(f).length > 0;
  if (isOfApplication(fault) && (isSingle || !shares(fault))) return { kind: 'own', fault, most: isSingle || isOnce(first) ? 1 : x.most };
  if (isSingle) return { kind: 'joint', faults: new Set([fault]), most: 1, leader };
  const isRepeating = x.repeating.has(fault);
  // What is counted in a stretch is compared with what the mildest of its faults does alone: a kill lets far fewer be read again than a pause.
  const isLike = (f: FaultName): boolean => x.repeating.has(f) === isRepeating && (!isRepeating || howOf(f) === howOf(fault));
  return { kind: 'joint', faults: new Set(faultNames.filter((f) => shares(f) && isLike(f))), most: isRepeating ? Math.min(x.most, fewRepeating) : x.most, leader: null };
}

/** Of its wishes, what one of a company may play in that round. */
export function rowsIn(round: Round, member: number, wishes: readonly Row[], { single, peers }: { readonly single: ReadonlySet<string>; readonly peers: Peers }): readonly Row[] {
  if (round.kind === 'plain') return round.leader === member ? wishes.filter((r) => !isFaulty(r)).slice(0, 1) : [];
  const faulty = wishes.filter(isFaulty).filter((r) => round.most === 1 || !single.has(rowName(r)));
  if (round.kind === 'own') {
    const mine = faulty.filter((r) => r.fault === round.fault).filter((_r, n) => n % peers.size === peers.turn);
    return round.most === 1 ? mine.slice(0, 1) : mine;
  }
  return faulty.filter((r) => round.faults.has(r.fault));
}
