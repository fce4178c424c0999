/** How every writing request is sent: checked against the clock right before, never waited for past it. */
import type { Connection } from '@platformatic/kafka';
import type { Until } from '../../domain/ports.ts';
import { Failure } from '../../domain/failures.ts';
import type { Doing } from './faults.ts';
import { itemized, toFailure } from './faults.ts';
import type { ClusterWire } from './wire.ts';

/** No single write is waited for longer than this, also outside an outage. */
const writeCapMs = 10_000;

/** Sends one writing request; `send` must hand it to the socket at once, so that nothing leaves after an abort. */
export async function write<T>(wire: ClusterWire, nodeId: number, doing: Omit<Doing, 'cluster'>, until: Until, send: (to: Connection) => Promise<T>): Promise<T> {
  const known: Doing = { cluster: wire.name, principal: wire.principal, ...doing };
  const to = await within(until, known, wire.connection(nodeId));
  until.check();
  return within(until, { ...known, at: `${to.host}:${to.port}` }, itemized(send(to)));
}

/** The answer, or the reason for not waiting any longer: `BudgetExceeded`, the abort, or a broker that does not answer within `capMs`. */
export async function within<T>(until: Until, doing: Doing, work: Promise<T>, capMs = writeCapMs): Promise<T> {
  const limitMs = until.timeoutMs(capMs);
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(abortReason(until));
    if (until.signal.aborted) onAbort();
    until.signal.addEventListener('abort', onAbort, { once: true });
    timer = setTimeout(() => reject(timedOut(until, doing, limitMs)), limitMs);
  });
  work.catch(() => {}); // after an abort nobody waits for it any more
  try {
    return await Promise.race([work, stopped]);
  } catch (error) {
    throw toFailure(error, doing);
  } finally {
    clearTimeout(timer);
    if (onAbort !== undefined) until.signal.removeEventListener('abort', onAbort);
  }
}

/** A whole writing call, with its reads: given up when `until` ends it. What still runs then meets `check` before its next write. */
export async function bounded<T>(until: Until, work: () => Promise<T>): Promise<T> {
  until.check();
  return await new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(abortReason(until));
    until.signal.addEventListener('abort', onAbort, { once: true });
    work().then(resolve, reject).finally(() => until.signal.removeEventListener('abort', onAbort));
  });
}

/** A pause that an abort ends; checks the clock before and after. */
export async function pause(ms: number, until: Until, doing: Doing): Promise<void> {
  until.check();
  await within(until, doing, new Promise((resolve) => setTimeout(resolve, until.timeoutMs(ms))));
  until.check();
}

/** `check` knows best what to say (`BudgetExceeded` or the reason of the abort). */
function abortReason(until: Until): unknown {
  try {
    until.check();
  } catch (reason) {
    return reason;
  }
  return until.signal.reason;
}

function timedOut(until: Until, doing: Doing, limitMs: number): unknown {
  try {
    until.check();
  } catch (reason) {
    return reason;
  }
  return new Failure('Unreachable', `Cluster ${doing.cluster}${doing.at === undefined ? '' : ` at ${doing.at}`} did not answer within ${limitMs} ms when asked to ${doing.what}; whether it was done is unknown.`, 'It is read again and retried.');
}

/** Polls until `done` answers true; `Unreachable` with `seen()` after `capMs`. For effects that take a moment to show on every broker. */
export async function settle(until: Until, doing: Doing, capMs: number, look: () => Promise<{ readonly done: boolean; readonly seen: string }>): Promise<void> {
  const deadline = Date.now() + capMs;
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 2, 250)) {
    const { done, seen } = await within(until, doing, look(), capMs);
    if (done) return;
    if (Date.now() > deadline) throw new Failure('Unreachable', `Cluster ${doing.cluster} accepted to ${doing.what}, but ${capMs} ms later it still shows ${seen}.`, 'It is read again and retried.');
    await pause(waitMs, until, doing);
  }
}
