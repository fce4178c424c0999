/** JSON as a type, and its one canonical spelling: the ground under every hash. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Keys sorted, `undefined` and functions left out; equal values give equal text. */
export const canonical = (value: unknown): string => JSON.stringify(ordered(value)) ?? 'null';

// By hand and not by a replacer of JSON.stringify, which takes four times as long: every hash of a plan passes here.
function ordered(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(ordered);
  if ('toJSON' in value && typeof value.toJSON === 'function') return ordered(value.toJSON());
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, ordered((value as Readonly<Record<string, unknown>>)[key])]));
}
