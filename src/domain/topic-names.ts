/** Topic names and patterns: what is legal, what a pattern matches, and which topics cannot be moved by name. */

/** Longest name of a topic, characters (Kafka's own rule). */
export const longestTopicName = 249;
const legalPattern = /^[A-Za-z0-9._*-]+$/;

export const isPattern = (text: string): boolean => text.includes('*');

/** `*` stands for any run of characters, also none. Linear in both lengths however many stars there are. */
export function matches(pattern: string, name: string): boolean {
  let [p, n, star, resume] = [0, 0, -1, 0];
  while (n < name.length) {
    if (pattern[p] === '*') [star, resume, p] = [p, n, p + 1];
    else if (pattern[p] === name[n]) [p, n] = [p + 1, n + 1];
    else if (star >= 0) [p, resume, n] = [star + 1, resume + 1, resume + 1];
    else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}

/** Topics that belong to Kafka, to MirrorMaker or to us: no pattern ever takes them. */
export const isInternal = (name: string): boolean =>
  name.startsWith('__') || name === 'heartbeats' || (name.startsWith('mm2') && name.endsWith('.internal')) || name.endsWith('.checkpoints.internal');

/** Shadows of a rehearsal: a pattern of a real migration never takes them. */
export const shadowPrefix = 'cutover-rehearsal.';

export interface Expansion {
  /** Names matched by at least one pattern, sorted. */
  readonly names: readonly string[];
  /** Patterns and names that match nothing, in the order given. */
  readonly unmatched: readonly string[];
}
/** Which of `names` the patterns mean. A pattern never takes an internal topic, nor a shadow of one. */
export function expand(patterns: readonly string[], names: Iterable<string>): Expansion {
  const ordinary = new Set([...names].filter((n) => !isInternal(n)));
  const found = new Set<string>();
  const unmatched: string[] = [];
  for (const pattern of patterns) {
    const hits = isPattern(pattern) ? [...ordinary].filter((n) => !n.startsWith(shadowPrefix) && matches(pattern, n)) : ordinary.has(pattern) ? [pattern] : [];
    if (hits.length === 0) unmatched.push(pattern);
    for (const hit of hits) found.add(hit);
  }
  return { names: [...found].sort(), unmatched };
}

/**
 * Whether every name that `inner` can match is matched by one of `patterns`. Sound: a `*` of `inner` only ever falls under
 * a `*` of the pattern that covers it. Two patterns that cover `inner` only together do not count.
 */
export function covering(patterns: readonly string[]): (inner: string) => boolean {
  const exact = new Set(patterns);
  const wide = patterns.filter(isPattern);
  return (inner) => exact.has(inner) || wide.some((p) => matches(p, inner));
}

/** Why a topic (or pattern) cannot be moved, as a sentence; `null`: nothing against it. Also asked of the names found on a cluster. */
export function topicFault(name: string): string | null {
  if (name.length > longestTopicName) return `has ${name.length} characters; a topic has at most ${longestTopicName}.`;
  if (!legalPattern.test(name) || name === '.' || name === '..')
    return `${JSON.stringify(name)} is no topic name; wanted letters, digits, ".", "_", "-", and "*" for any run of characters.`;
  // MirrorMaker renames whatever ends like this to `<alias>.<name>` (IdentityReplicationPolicy, looksLikeHeartbeat; strimzi#12218).
  if (name.endsWith('heartbeats')) return `"${name}" ends with "heartbeats": MirrorMaker takes it for a topic of its own and renames it. Leave it out, or copy it by hand.`;
  if (isInternal(name)) return `"${name}" is an internal topic; each cluster keeps its own. Leave it out.`;
  return null;
}
