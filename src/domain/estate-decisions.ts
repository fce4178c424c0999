/** What a person can say to a running estate, parsed from whatever arrived. Never throws. */
export const estateKinds = ['approve', 'reject', 'retry', 'postpone', 'skip', 'rollback', 'finish', 'pause', 'resume'] as const;
export type EstateKind = (typeof estateKinds)[number];

export interface EstateDecision {
  readonly kind: EstateKind;
  /** Self-asserted; Temporal's event identity or principal is the stronger fact. */
  readonly by: string;
  /** Hash of the claims that were seen; required for `approve`. */
  readonly hash: string | null;
  readonly reason: string | null;
  /** The wave meant; `null`: for `rollback` the whole estate. */
  readonly wave: string | null;
}

const longest = 1_024;
const known = ['kind', 'by', 'hash', 'reason', 'wave'];
const needsWave: readonly EstateKind[] = ['retry', 'postpone', 'skip', 'finish'];
const needsReason: readonly EstateKind[] = ['reject', 'postpone', 'skip', 'rollback'];

/** A decision, or the sentence that says what is wrong with it (all faults at once). */
export function parseEstateDecision(kind: EstateKind | null, x: unknown): EstateDecision | string {
  if (x === null || typeof x !== 'object' || Array.isArray(x)) return 'The input must be a JSON object such as {"by":"ana"}.';
  const given = x as Record<string, unknown>;
  const said = kind ?? estateKinds.find((k) => k === given['kind']);
  const text = (key: string): string | null => (typeof given[key] === 'string' && given[key].trim() !== '' ? given[key] : null);
  const faults = [
    ...Object.keys(given).filter((k) => !known.includes(k)).slice(0, 5).map((k) => `unknown field "${k.slice(0, 60)}"`),
    ...(said === undefined ? [`"kind" must be one of ${estateKinds.join(', ')}`] : []),
    ...known.slice(1).filter((k) => given[k] !== undefined && given[k] !== null && (typeof given[k] !== 'string' || given[k].length > longest)).map((k) => `"${k}" must be text of at most ${longest} characters`),
    ...(text('by') === null ? ['"by" must say who decides'] : []),
    ...(said === 'approve' && text('hash') === null ? ['"hash" must repeat the hash that is shown'] : []),
    ...(said !== undefined && needsWave.includes(said) && text('wave') === null ? ['"wave" must name a wave'] : []),
    ...(said !== undefined && needsReason.includes(said) && text('reason') === null ? ['"reason" must say why'] : []),
  ];
  if (faults.length > 0 || said === undefined) return `${faults.join('; ')}.`;
  return { kind: said, by: text('by') ?? '', hash: text('hash'), reason: text('reason'), wave: text('wave') };
}
