/** What a person can say to a running migration, parsed from whatever arrived. Never throws. */
import { limitBounds, type Limits } from './migration.ts';
import type { Json } from './json.ts';
import type { Repeats } from './scheme.ts';

export const kinds = ['approve', 'reject', 'retry', 'skip', 'rollback', 'pause', 'resume', 'tune'] as const;
export type Kind = (typeof kinds)[number];

export interface Decision {
  readonly kind: Kind;
  /** Self-asserted; Temporal's event identity or principal is the stronger fact. */
  readonly by: string;
  /** Name of the question meant; optional, must match when given. */
  readonly hold: string | null;
  /** Hash of the claims that were seen; required for `approve`. */
  readonly hash: string | null;
  readonly reason: string | null;
  /** `rollback` only: the phase whose end to go back to. */
  readonly to: string | null;
  /** `rollback` only: the target is dead; what is only there is given up. */
  readonly withoutTarget?: true;
  /** `tune` only. */
  readonly limits: Partial<Limits>;
  /** `approve` and `retry`: the consent, by group, to so many records read again. */
  readonly mayRepeat?: Repeats;
}

/** Longest text in a decision, characters. */
const longest = 1_024;
const fields = ['kind', 'by', 'hold', 'hash', 'reason', 'to', 'limits', 'mayRepeat', 'withoutTarget'];

/** A decision, or the sentence that says what is wrong with it (all faults at once). */
export function parseDecision(kind: Kind | null, x: unknown): Decision | string {
  if (x === null || typeof x !== 'object' || Array.isArray(x))
    return `The input must be a JSON object such as {"by":"ana"}; it was ${describe(x)}.`;
  const given = x as Record<string, unknown>;
  const said = kind ?? given['kind'];
  const faults = [
    ...Object.keys(given).filter((k) => !fields.includes(k)).slice(0, 5).map((k) => `unknown field "${k.slice(0, 60)}"`),
    ...(isKind(said) ? [] : [`"kind" must be one of ${kinds.join(', ')}`]),
    ...['by', 'hold', 'hash', 'reason', 'to'].flatMap((k) => textFault(k, given[k])),
    ...(typeof given['by'] === 'string' && given['by'].trim() !== '' ? [] : ['"by" must say who decides']),
    ...(said === 'approve' && typeof given['hash'] !== 'string' ? ['"hash" must repeat the hash that the hold shows'] : []),
    ...((said === 'skip' || said === 'reject') && typeof given['reason'] !== 'string' ? ['"reason" must say why'] : []),
    ...limitFaults(said === 'tune', given['limits']),
    ...withoutFaults(said === 'rollback', given),
    ...repeatFaults(said === 'approve' || said === 'retry', given['mayRepeat']),
  ];
  if (faults.length > 0 || !isKind(said)) return `${faults.join('; ')}.`;
  const text = (k: string): string | null => (typeof given[k] === 'string' ? given[k] : null);
  return {
    kind: said, by: text('by') ?? '', hold: text('hold'), hash: text('hash'), reason: text('reason'), to: text('to'),
    limits: (given['limits'] ?? {}) as Partial<Limits>, ...(given['withoutTarget'] === true ? { withoutTarget: true } : {}),
    ...(given['mayRepeat'] === undefined ? {} : { mayRepeat: given['mayRepeat'] as Repeats }),
  };
}

const isKind = (x: unknown): x is Kind => typeof x === 'string' && (kinds as readonly string[]).includes(x);
const describe = (x: unknown): string => (x === undefined ? 'nothing' : x === null ? 'null' : Array.isArray(x) ? 'a list' : `a ${typeof x}`);
const textFault = (name: string, x: unknown): string[] => {
  if (x === undefined || x === null) return [];
  if (typeof x !== 'string') return [`"${name}" must be text`];
  return x.length > longest ? [`"${name}" has ${x.length} characters, at most ${longest} are taken`] : [];
};
function repeatFaults(consenting: boolean, x: unknown): string[] {
  if (x === undefined) return [];
  if (!consenting) return ['"mayRepeat" goes with approve or retry only'];
  if (x === null || typeof x !== 'object' || Array.isArray(x) || Object.keys(x).length === 0) return ['"mayRepeat" must say by group how many records may be read again, such as {"billing":12}'];
  return Object.entries(x).slice(0, 10).flatMap(([group, n]) =>
    (typeof n === 'number' && Number.isSafeInteger(n) && n > 0 ? [] : [`"mayRepeat" of group "${group.slice(0, 60)}" must be a whole number above 0`]));
}
function withoutFaults(back: boolean, { withoutTarget: x, to }: Record<string, unknown>): string[] {
  if (x === undefined || x === false) return [];
  if (!back) return ['"withoutTarget" goes with rollback only'];
  return [...(x === true ? [] : ['"withoutTarget" must be true']), ...(to === undefined || to === null ? [] : ['"withoutTarget" goes back to the start: leave out "to"'])];
}
function limitFaults(tuning: boolean, x: unknown): string[] {
  if (!tuning) return x === undefined ? [] : ['"limits" goes with tune only'];
  if (x === null || typeof x !== 'object' || Object.keys(x).length === 0) return [`"limits" must name at least one of ${Object.keys(limitBounds).join(', ')}`];
  return Object.entries(x as Record<string, Json>).slice(0, 10).flatMap(([name, value]) => {
    const bounds = Object.hasOwn(limitBounds, name) ? limitBounds[name as keyof Limits] : undefined;
    if (!bounds) return [`no limit is called "${name.slice(0, 60)}" (there are ${Object.keys(limitBounds).join(', ')})`];
    return typeof value === 'number' && Number.isInteger(value) && value >= bounds.min && value <= bounds.max
      ? [] : [`"${name}" must be a whole number from ${bounds.min} to ${bounds.max}`];
  });
}
