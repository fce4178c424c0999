/**
 * Reads a value that a person wrote (JSON or YAML) field by field and collects every fault with its path, so that one
 * answer tells all that is wrong. Written by hand: a schema library stops checking what lies across fields at the first
 * fault inside one. Runs in the workflow sandbox. Never repeats a value that may be a credential.
 */

/** What is told of a long or strange value, characters. */
const longestShown = 60;
/** Failures are cut at 3,500 characters; the list ends before that with a count of what is left out. */
const longestReport = 2_900;

/** Fields that invite people to type a password; a fault of their own wherever they are met. */
const secretField = /pass(word|wd|phrase|code)?$|secret|token|credential|api[-_]?key|access[-_]?key|private[-_]?key|jaas/i;
/** `user:password@host`, also without a scheme, and `password=…` inside a longer text. */
const secretText = /:\/\/[^\s/@]*:[^\s/@]+@|^[^\s:/@]+:[^\s/@]+@[^\s@]+|\b(password|passwd|secret)\s*=\s*\S/i;
/** `User:ana@EXAMPLE.COM` is a principal and not a login. */
const principal = /^User:(?!.*:\/\/)/;

export const looksSecret = (text: string): boolean => secretText.test(text) && !principal.test(text);

/** One value with its place in the document, and the list its faults go to. */
export interface At {
  readonly path: string;
  readonly value: unknown;
  readonly faults: Faults;
}

export class Faults {
  readonly #lines: string[] = [];
  get count(): number {
    return this.#lines.length;
  }
  add(path: string, sentence: string): void {
    this.#lines.push(path !== '' ? `${path}: ${sentence}` : /^[a-z]/.test(sentence) ? `The document ${sentence}` : sentence);
  }
  /** `The migration has 2 faults:` and one line for each, ending with a line break; what does not fit is counted. */
  report(noun: string): string {
    const lines: string[] = [];
    let length = 0;
    for (const line of this.#lines) {
      length += line.length + 3;
      if (length > longestReport) break;
      lines.push(`- ${line}\n`);
    }
    const left = this.#lines.length - lines.length;
    const rest = left === 0 ? '' : `- and ${left} more; correct these first.\n`;
    return `${noun} has ${this.#lines.length === 1 ? 'a fault' : `${this.#lines.length} faults`}:\n${lines.join('')}${rest}`;
  }
}

/** The value as an operator recognises it: short, and without anything that may be a credential. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return `${value}`.slice(0, longestShown);
  if (typeof value !== 'string') return `a ${typeof value}`;
  if (value.trim() === '') return 'an empty text';
  if (looksSecret(value)) return 'a text that looks like a login';
  return value.length > longestShown ? `"${value.slice(0, longestShown)}…" (${value.length} characters)` : JSON.stringify(value);
}

const child = (path: string, key: string): string => {
  const shown = key.length > longestShown ? `${key.slice(0, longestShown)}…` : key;
  if (!/^[A-Za-z_][\w-]*$/.test(shown)) return `${path}[${JSON.stringify(shown)}]`;
  return path === '' ? shown : `${path}.${shown}`;
};
const at = (parent: At, key: string, value: unknown): At => ({ path: child(parent.path, key), value, faults: parent.faults });

/** Changes of one letter (typed, dropped, replaced) between two words, for "did you mean". */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length] ?? 0;
}
/** As `distance`, but a word that only goes on (`isolationLevel`) is near. */
const apart = (a: string, b: string): number => (Math.min(a.length, b.length) >= 4 && (a.startsWith(b) || b.startsWith(a)) ? 1 : distance(a, b));
/** ` Did you mean "topics"?`, or nothing when no known word is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  if (word.length > 40) return '';
  const near = known.map((k) => ({ k, d: apart(word.toLowerCase(), k.toLowerCase()) })).sort((x, y) => x.d - y.d)[0];
  return near && near.d <= Math.floor(near.k.length / 3) ? ` Did you mean "${near.k}"?` : '';
}

const isObject = (x: unknown): x is Record<string, unknown> => x !== null && typeof x === 'object' && !Array.isArray(x);

/** Below an unknown field only credentials are still looked for: they must be named, whatever else is wrong. */
function secretsBelow(x: At, advice: string): void {
  const rest: At[] = [x];
  for (let next = rest.pop(); next; next = rest.pop()) {
    if (typeof next.value === 'string' && looksSecret(next.value)) x.faults.add(next.path, `looks like a login. ${advice}`);
    if (next.value === null || typeof next.value !== 'object') continue;
    const isList = Array.isArray(next.value);
    for (const [key, value] of Object.entries(next.value)) {
      const inside = isList ? { ...next, path: `${next.path}[${key}]`, value } : at(next, key, value);
      if (secretField.test(key) && !isList) x.faults.add(inside.path, `looks like a credential. ${advice}`);
      else rest.push(inside);
    }
  }
}

export interface FieldOptions {
  /** What is being read, such as `an application`. */
  readonly noun: string;
  readonly known: readonly string[];
  /** What to do with a credential found where none belongs. */
  readonly secrets: string;
}
/** The fields of an object; unknown ones are faults. A value that is no object is a fault, and `null` is returned. */
export function fields(x: At, o: FieldOptions): ((key: string) => At) | null {
  if (!isObject(x.value)) {
    x.faults.add(x.path, `must be ${o.noun} with ${o.known.join(', ')}; it is ${show(x.value)}.`);
    return null;
  }
  const given = x.value;
  for (const [key, value] of Object.entries(given)) {
    if (o.known.includes(key)) continue;
    const unknown = at(x, key, value);
    if (secretField.test(key)) x.faults.add(unknown.path, `looks like a credential. ${o.secrets}`);
    else {
      x.faults.add(unknown.path, `is not a field of ${o.noun} (${o.known.join(', ')}).${didYouMean(key, o.known)}`);
      secretsBelow(unknown, o.secrets);
    }
  }
  return (key) => at(x, key, Object.hasOwn(given, key) ? given[key] : undefined);
}

/** One field of an object whose other fields are not known yet; `null`: not an object. */
export const fieldOf = (x: At, key: string): At | null => (isObject(x.value) ? at(x, key, Object.hasOwn(x.value, key) ? x.value[key] : undefined) : null);

/** The entries of an object whose keys are names that a person chose, in the order given; a missing or `null` one is empty (YAML's `fleets:`). */
export function entries(x: At, o: { readonly noun: string; readonly most: number }): readonly (readonly [string, At])[] {
  if (x.value === undefined || x.value === null) return [];
  if (!isObject(x.value)) {
    x.faults.add(x.path, `must be an object of ${o.noun}; it is ${show(x.value)}.`);
    return [];
  }
  const all = Object.entries(x.value);
  if (all.length > o.most) x.faults.add(x.path, `has ${all.length} entries; at most ${o.most} are taken.`);
  return all.slice(0, o.most).map(([key, value]) => [key, at(x, key, value)] as const);
}

export interface ListOptions {
  readonly noun: string;
  readonly least?: number;
  readonly most: number;
}
/** The elements of a list; a missing list is empty unless `least` asks for more. */
export function list(x: At, o: ListOptions): readonly At[] {
  const least = o.least ?? 0;
  if (x.value === undefined && least === 0) return [];
  if (!Array.isArray(x.value)) {
    x.faults.add(x.path, x.value === undefined ? `is missing; it must list ${o.noun}.` : `must be a list of ${o.noun}; it is ${show(x.value)}.`);
    return [];
  }
  const all: readonly unknown[] = x.value;
  if (all.length < least) x.faults.add(x.path, `lists ${all.length === 0 ? 'nothing' : all.length}; wanted: ${o.noun}, at least ${least}.`);
  if (all.length > o.most) x.faults.add(x.path, `lists ${all.length}; at most ${o.most} are taken.`);
  return all.slice(0, o.most).map((value, i) => ({ path: `${x.path}[${i}]`, value, faults: x.faults }));
}

export interface TextOptions {
  /** What the text is, such as `a cluster of the catalog`. */
  readonly noun: string;
  /** Longest, characters. */
  readonly most: number;
  readonly form?: { readonly pattern: RegExp; readonly words: string };
  readonly secrets: string;
}
/** A text; `''` when it is missing or faulty, so that checks across fields can leave it out. */
export function text(x: At, o: TextOptions): string {
  const value = x.value;
  const fault = (sentence: string): '' => {
    x.faults.add(x.path, sentence);
    return '';
  };
  if (value === undefined) return fault(`is missing; it must be ${o.noun}.`);
  if (typeof value !== 'string' || value.trim() === '') return fault(`must be ${o.noun}; it is ${show(value)}.`);
  if (looksSecret(value)) return fault(`looks like a login. ${o.secrets}`);
  if (value.length > o.most) return fault(`has ${value.length} characters; at most ${o.most} are taken.`);
  if (o.form && !o.form.pattern.test(value)) return fault(`must be ${o.noun} (${o.form.words}); it is ${show(value)}.`);
  return value;
}

export interface WholeOptions {
  readonly least: number;
  readonly most: number;
  /** `ms`, `records`. */
  readonly unit: string;
  /** Taken when the field is missing; without it the field is needed. */
  readonly otherwise?: number;
}
/** A whole number in bounds; `null` when it is missing or faulty. */
export function whole(x: At, o: WholeOptions): number | null {
  if (x.value === undefined && o.otherwise !== undefined) return o.otherwise;
  if (typeof x.value === 'number' && Number.isSafeInteger(x.value) && x.value >= o.least && x.value <= o.most) return x.value;
  const wanted = `a whole number of ${o.unit} from ${o.least} to ${o.most}`;
  x.faults.add(x.path, x.value === undefined ? `is missing; it must be ${wanted}.` : `must be ${wanted}; it is ${show(x.value)}.`);
  return null;
}

/** `true` or `false`; a missing one is `false`. */
export function yes(x: At): boolean {
  if (x.value === undefined || typeof x.value === 'boolean') return x.value ?? false;
  x.faults.add(x.path, `must be true or false; it is ${show(x.value)}.`);
  return false;
}

/** One of the given words; the first of them, with a fault, when it is something else. */
export function choice<T extends string>(x: At, words: readonly [T, ...T[]], otherwise?: T): T {
  if (x.value === undefined && otherwise !== undefined) return otherwise;
  const found = words.find((w) => w === x.value);
  if (found !== undefined) return found;
  const wanted = `${words.length === 1 ? '' : 'one of '}${words.map((w) => JSON.stringify(w)).join(', ')}`;
  x.faults.add(x.path, x.value === undefined ? `is missing; it must be ${wanted}.` : `must be ${wanted}; it is ${show(x.value)}.${typeof x.value === 'string' ? didYouMean(x.value, words) : ''}`);
  return words[0];
}

/** Names that come twice. Empty names were reported already. */
export function twice(places: readonly { readonly name: string; readonly at: At }[], noun: string): void {
  const first = new Map<string, string>();
  for (const p of places) {
    if (p.name === '') continue;
    const before = first.get(p.name);
    if (before === undefined) first.set(p.name, p.at.path);
    else p.at.faults.add(p.at.path, `${noun} ${show(p.name)} is there already, at ${before}.`);
  }
}
