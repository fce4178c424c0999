/** What a fleet answers, parsed once: command output and webhook bodies share this shape. */
import * as z from 'zod';
import type { Side } from '../../domain/authority.ts';
import { Failure } from '../../domain/failures.ts';
import type { FleetState } from '../../domain/ports.ts';

const count = z.union([z.number().int().min(0), z.literal('unknown')]);
const answer = z.object({ source: count, target: count, say: z.string().max(2_000).optional() });

/** Longest piece of foreign text that enters an error or a sentence, characters. */
export const longestQuote = 300;

/** `null`: nothing was said (empty text). Throws `ClientNotMoved` for anything that is not the documented shape. */
export function parseState(text: string, from: string): FleetState | null {
  if (text.trim() === '') return null;
  const wanted = 'wanted JSON {"source":<processes>,"target":<processes>,"say"?:"…"}';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Failure('ClientNotMoved', `${from} did not answer with JSON: saw "${quote(text)}", ${wanted}.`);
  }
  const parsed = answer.safeParse(value);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((i) => `${i.path.join('.') || 'answer'}: ${i.message}`).join('; ');
    throw new Failure('ClientNotMoved', `${from} answered in another shape (${quote(faults)}): saw "${quote(text)}", ${wanted}.`);
  }
  const { source, target, say } = parsed.data;
  return { source, target, say: quote(say ?? `${source} on source, ${target} on target`) };
}

/** `0` and `0`, or 0 on the side that was meant: gone. Unknown is not gone. */
export const isGone = (s: FleetState, only?: Side): boolean => (only === undefined ? s.source === 0 && s.target === 0 : s[only] === 0);

/** One line of foreign text, without control characters, secrets blanked, at most 300 characters. */
export function quote(text: string, secrets: readonly string[] = []): string {
  // eslint-disable-next-line no-control-regex -- terminal colours and line ends of foreign programs
  const line = redact(text, secrets).replace(/\u001b\[[0-9;]*[A-Za-z]/g, '').replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
  return line.length > longestQuote ? `${line.slice(0, longestQuote - 1)}…` : line;
}

const assignment = /\b([\w.-]*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|credential)[\w.-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&]+)/gi;
const bearer = /\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi;
const userinfo = /(:\/\/[^\s/:@]+:)[^\s@/]+@/g;

/** Known secrets in the spellings they travel in, and whatever looks like one. Foreign text is never trusted to be clean. */
export function redact(text: string, secrets: readonly string[] = []): string {
  const spelled = secrets.filter((s) => s.length >= 4)
    .flatMap((s) => [s, Buffer.from(s).toString('base64'), encodeURIComponent(s)])
    .sort((a, b) => b.length - a.length);
  return spelled.reduce((t, s) => t.replaceAll(s, '***'), text)
    .replace(bearer, '$1 ***').replace(userinfo, '$1***@').replace(assignment, '$1***');
}
