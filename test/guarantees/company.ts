/** Migrations that are played side by side on one stack: they go from hold to hold together. */
import { isByItself, noFault, rowName, type Row } from './rows.ts';
import type { FaultName } from './faults.ts';

/** What happened to others: it tells nothing of whoever hears it. */
export class Broken extends Error {}

export class Company {
  readonly size: number;
  readonly #here = new Map<number, { readonly brought: unknown; readonly resolve: (all: readonly unknown[]) => void; readonly reject: (e: Error) => void }>();
  #broken: Broken | null = null;
  constructor(size: number) { this.size = size; }

  /** Waits for all of them: what each brought, by its number. */
  meet<T>(member: number, brought: T): Promise<readonly T[]> {
    this.check();
    return new Promise((resolve, reject) => {
      this.#here.set(member, { brought, resolve: (all) => { resolve(all as readonly T[]); }, reject });
      if (this.#here.size < this.size) return;
      const all = [...this.#here].sort(([a], [b]) => a - b).map(([, one]) => one);
      this.#here.clear();
      for (const one of all) one.resolve(all.map((x) => x.brought));
    });
  }

  /** Nobody waits for one that will not come. */
  break(why: Error): void {
    this.#broken ??= new Broken(why.message);
    for (const { reject } of this.#here.values()) reject(this.#broken);
    this.#here.clear();
  }
  check(): void { if (this.#broken) throw this.#broken; }
}

/** What may strike until the next hold. `one`: by itself, wherever the leader is at that step; others are struck by the same wherever they are then. */
export type Round = { readonly kind: 'plain' | 'own' | 'many' } | { readonly kind: 'one'; readonly leader: number; readonly fault: FaultName };

/** `wishes`: of each, in the order of wish, what could be played there. */
export function roundOf(wishes: readonly (readonly Row[])[], single: ReadonlySet<string>): Round {
  const firsts = wishes.map((w) => w[0]);
  if (firsts.some((r) => r?.fault === noFault)) return { kind: 'plain' };
  const leader = firsts.findIndex((r) => r !== undefined && !isByItself(r) && single.has(rowName(r)));
  const fault = firsts[leader]?.fault;
  if (fault !== undefined && fault !== noFault) return { kind: 'one', leader, fault };
  return { kind: firsts.some((r) => r !== undefined && isByItself(r)) ? 'own' : 'many' };
}

/** Of its wishes, what one of them plays in that round: the first alone, or all that may strike beside each other. */
export function rowsIn(round: Round, member: number, wishes: readonly Row[], single: ReadonlySet<string>): readonly Row[] {
  const first = (of: (r: Row) => boolean): readonly Row[] => wishes.filter(of).slice(0, 1);
  const shared = wishes.filter((r) => r.fault !== noFault && !isByItself(r));
  switch (round.kind) {
    case 'plain': return first((r) => r.fault === noFault);
    case 'own': return first(isByItself);
    case 'one': return round.leader === member ? shared.slice(0, 1) : shared.filter((r) => r.fault === round.fault);
    case 'many': return shared.filter((r) => !single.has(rowName(r)));
  }
}
