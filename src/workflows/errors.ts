/** The sentence of an error that an operator needs: the innermost cause, without Temporal's wrapping. */
export function describeError(error: unknown): string {
  let innermost: unknown = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  if (!(innermost instanceof Error)) return String(innermost).slice(0, 2_000);
  const type = (innermost as { type?: unknown }).type;
  const name = typeof type === 'string' && type !== 'Error' ? `${type}: ` : innermost.name !== 'Error' && innermost.name !== 'ApplicationFailure' ? `${innermost.name}: ` : '';
  return `${name}${innermost.message}`.slice(0, 2_000);
}
