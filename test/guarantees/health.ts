/** After a strike: everything is up again, the applications work, and what was written before is read. */
import { until } from '../../demo/ending.ts';
import { applications, type Cast } from './cast.ts';
import type { Moment } from './tally.ts';

const recoverWithinMs = 60_000;
const drainWithinMs = 60_000;
/** Orders that must come through before the applications count as at work. */
const flowing = 60;

/** Where the stretch behind us ends. Throws what is not well within a minute; what has not been read by then stays for the books to count. */
export async function recovered(cast: Cast): Promise<Moment> {
  const { stage: { stack, worker }, supervisor, accounts, named } = cast;
  const down = (): readonly string[] => [stack.temporal, stack.source, stack.target, stack.connect.forward, stack.connect.back, worker].filter((p) => p.state !== 'running').map((p) => p.name);
  await until('every part of the stack runs', recoverWithinMs, async () => down().length === 0).catch((e: Error) => { throw new Error(`${e.message} Down: ${down().join(', ')}`); });
  await until('both Connect workers answer', recoverWithinMs, async () => (await Promise.all([stack.connect.forward, stack.connect.back].map((c) => answers(c.url)))).every((x) => x));
  for (const name of applications) await supervisor.ready(named(name), recoverWithinMs);
  const now = Date.now();
  await until('orders are acknowledged', recoverWithinMs, async () => { await accounts.refresh(); return accounts.acknowledgedAfter(named('orders'), now) >= flowing; });
  await until('all that was written is read', drainWithinMs, async () => { await accounts.refresh(); return accounts.unread(now) === 0; }).catch(() => undefined);
  return { writtenMs: now, readMs: Date.now() };
}

const answers = async (url: string): Promise<boolean> => (await fetch(`${url}/connectors`, { signal: AbortSignal.timeout(5_000) }).catch(() => null))?.ok ?? false;
