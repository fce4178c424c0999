/** Where groups begin on the target: the words that a scheme takes, and what has to be said beside them. */
import type { Migration, Reading, Start } from './migration.ts';
import { choice, fieldOf, type At } from './shape.ts';

const everyStart: readonly [Start, ...Start[]] = ['translated', 'timestamp', 'earliest', 'latest'];
/** Schemes that never copy to the target, also where "connect" is named. */
const neverCopies: readonly string[] = ['producerFirst', 'dualConsume'];

/** `null`: no scheme is known yet. */
function startsOf(scheme: string | null): readonly [Start, ...Start[]] {
  if (scheme === null || scheme === 'restartAllAtOnce') return everyStart;
  return neverCopies.includes(scheme) ? ['translated'] : ['translated', 'timestamp'];
}

/** A word that only other schemes take passes here: `checkStarts` says why it is not for this one. */
export function readStart(x: At, scheme: string | null): Pick<Reading, 'start'> {
  if (x.value === undefined) return {};
  return { start: choice(x, everyStart.some((word) => word === x.value) ? everyStart : startsOf(scheme)) };
}

type Fault = (key: 'start' | 'mayRepeat' | 'mayLose', sentence: string) => void;

/** Where groups begin, but for the fallback, is asked of one scheme only; what that means for loss and repeats must be consented to. */
export function checkStarts(m: Pick<Migration, 'connect' | 'applications'>, applications: At, scheme: string): void {
  m.applications.forEach((a, i) => { a.reads.forEach((r, j) => {
    const at = (key: string): string => `applications[${i}].reads[${j}].${key}`;
    // What is there and faulty has been told: it is not missing as well.
    const missing = (key: 'mayRepeat' | 'mayLose'): boolean => r[key] === undefined && given(applications, i, j, key) === undefined;
    checkStart({ r, copies: m.connect !== null, scheme, missing }, (key, sentence) => { applications.faults.add(at(key), sentence); });
  }); });
}

function given(applications: At, i: number, j: number, key: string): unknown {
  const inside = (x: At | null, n: number): At | null => (x !== null && Array.isArray(x.value) ? { ...x, value: x.value[n] as unknown } : null);
  const application = inside(applications, i);
  const reading = application && inside(fieldOf(application, 'reads'), j);
  return reading && fieldOf(reading, key)?.value;
}

function checkStart(x: { readonly r: Reading; readonly copies: boolean; readonly scheme: string; readonly missing: (key: 'mayRepeat' | 'mayLose') => boolean }, fault: Fault): void {
  const { r, copies, scheme, missing } = x;
  if (r.start === 'timestamp' && !copies) { fault('start', 'is "timestamp", and without a copy ("connect") nothing on the target bears the timestamps of what is unread. Leave it out.'); return; }
  if (scheme !== 'restartAllAtOnce') {
    const others = r.start === 'earliest' || r.start === 'latest' ? ['start', 'mayLose'] as const : ['mayLose'] as const;
    for (const key of others) if (r[key] !== undefined) fault(key, `is for restartAllAtOnce only; ${scheme} moves every group to where it was. Leave it out.`);
    return;
  }
  if (r.start === 'earliest' && !copies) fault('start', 'is "earliest", and without a copy ("connect") nothing is on the target to be read again. Leave it out.');
  else if (r.start === 'earliest' && missing('mayRepeat')) fault('mayRepeat', 'is missing; a group that begins at the earliest reads again what was copied: say how many records at most.');
  if (!missing('mayLose')) return;
  if (r.start === 'latest') fault('mayLose', 'is missing; a group that begins at the latest never reads what it had not read at the stop: say how many records at most.');
  else if (!copies) fault('mayLose', 'is missing; without a copy ("connect") what the group has not read at the stop is lost: say how many records at most, or choose stopWaitRestart, which waits until everything is read.');
}

/**
 * The fallback where nothing is copied, whatever "connect" says. Refused before a migration begins and not where it is parsed:
 * one that began with it goes on, and is recovered and reconciled with the input it had.
 */
export function idleStarts(m: Pick<Migration, 'applications'>, scheme: string): readonly string[] {
  if (!neverCopies.includes(scheme)) return [];
  return m.applications.flatMap((a, i) => a.reads.flatMap((r, j) => (r.start !== 'timestamp' ? []
    : [`applications[${i}].reads[${j}].start: is "timestamp", and ${scheme} copies nothing, also where "connect" is named: nothing on the target bears the timestamps of what is unread. Leave it out.`])));
}
