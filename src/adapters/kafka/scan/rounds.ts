/** Fetches for many partitions in rounds: one request per leading broker and round, whatever leads, moves or fails meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises';
import { listOffsetsV6, listOffsetsV8 } from '@platformatic/kafka';
import { Failure } from '../../../domain/failures.ts';
import { tpKey } from '../../../domain/ports.ts';
import { codeFailure, codeName, itemized, toFailure } from '../faults.ts';
import type { Doing } from '../faults.ts';
import type { Wire } from '../wire.ts';
import { fetchKey, fetchParts, fetchVersion } from './fetch.ts';
import type { FetchedPart, Isolation } from './fetch.ts';
import type { Forward } from './forward.ts';
import { corrupt, placeText } from './place.ts';

/** The cluster's wire, with the names that messages need. */
export type ScanWire = Wire & { readonly name?: string; readonly principal?: string | undefined };

/** How long one partition may give nothing before its read fails. Elections take well under this. */
const patienceMs = 15_000;
/** A topic that is not there is not coming back, except while its creation is still spreading over the brokers. */
const missingPatienceMs = 6_000;
const firstPauseMs = 20;
const longestPauseMs = 500;
const listOffsetsKey = 2;
/** From 8 on a broker can say where its local log begins, when older segments live in tiered storage (KIP-405). */
const listOffsetsVersions = [6, 8] as const;
const logStart = -2n;
const localLogStart = -4n;

export interface Rounds {
  /**
   * One round over the reads that are not over. `take` gets each answer that has something to say; partitions whose leader
   * is unknown, moved or unreachable are tried again in a later round, after a pause, until patience ends in a `Failure`.
   */
  round(reads: readonly Forward[], how: { readonly isolation: Isolation; readonly budgetBytes: number; readonly signal?: AbortSignal | undefined }, take: (read: Forward, answer: FetchedPart) => void): Promise<void>;
}

type How = Parameters<Rounds['round']>[1];
type Heard = (read: Forward, answer: FetchedPart, couldExceed: boolean) => void;

/** For one scan: it remembers whether leaders moved, and how long to pause. */
export function createRounds(wire: ScanWire): Rounds {
  const doing = (what: string, right?: string): Doing => ({ cluster: wire.name ?? '(unnamed)', principal: wire.principal, what, right });
  /** Asked for anew after any answer that may mean a leader moved. */
  let stale = false;
  let pauseMs = firstPauseMs;

  async function round(reads: readonly Forward[], how: How, take: (read: Forward, answer: FetchedPart) => void): Promise<void> {
    const open = reads.filter((read) => !read.over);
    if (open.length === 0) return;
    const byLeader = await leadersOf(open, how);
    const budgetBytes = Math.max(1, Math.floor(how.budgetBytes / Math.max(1, byLeader.size)));
    const gone: Forward[] = [];
    const hollow: Forward[] = [];
    let moved = false;
    const heard: Heard = (read, answer, couldExceed) => {
      const before = read.position;
      take(read, answer);
      if (read.over || read.position > before) moved = true;
      else if (read.endSeen !== null) trouble(read, cutShort(read, read.endSeen), patienceMs);
      else if (couldExceed) hollow.push(read);
    };
    await Promise.all([...byLeader].map(([leader, led]) => ask(leader, { parts: fitting(led, budgetBytes), budgetBytes }, how, { heard, gone })));
    if (gone.length > 0 && (await toLogStart(gone, how))) moved = true;
    if (hollow.length > 0 && (await overGaps(hollow, how))) moved = true;
    if (moved) pauseMs = firstPauseMs;
    else await pause(how.signal);
  }

  /** Reads by the broker that leads them. Those without a leader stay behind in trouble. */
  async function leadersOf(reads: readonly Forward[], how: How): Promise<ReadonlyMap<number, Forward[]>> {
    const topics = [...new Set(reads.map((read) => read.topic))];
    const leaders = await guarded(wire.leaders(topics, stale), how.signal, reads, 'find the leaders');
    const byLeader = new Map<number, Forward[]>();
    if (leaders === null) return byLeader;
    const known = new Map([...leaders].flatMap(([topic, { partitions }]) => partitions.map(({ partition, leader }) => [tpKey({ topic, partition }), leader] as const)));
    stale = false;
    for (const read of reads) {
      const leader = known.get(tpKey(read));
      if (leader !== undefined && leader >= 0) {
        const led = byLeader.get(leader);
        if (led === undefined) byLeader.set(leader, [read]);
        else led.push(read);
      } else {
        stale = true;
        if (leader === undefined) trouble(read, missing(read), missingPatienceMs);
        else trouble(read, new Failure('Unreachable', `${placeText(read.place)} has no leader.`), patienceMs);
      }
    }
    return byLeader;
  }

  /** As many as fit the budget, the starved first; the others wait for the next round. */
  function fitting(led: readonly Forward[], budgetBytes: number): Forward[] {
    const chosen: Forward[] = [];
    let sum = 0;
    for (const read of [...led].sort((a, b) => b.starved - a.starved)) {
      if (read.starved > 0) read.maxBytes = Math.min(read.maxBytes * 4, budgetBytes);
      if (chosen.length > 0 && sum + read.maxBytes > budgetBytes) break;
      chosen.push(read);
      sum += read.maxBytes;
    }
    return chosen;
  }

  async function ask(leader: number, request: { readonly parts: readonly Forward[]; readonly budgetBytes: number }, how: How, out: { readonly heard: Heard; readonly gone: Forward[] }): Promise<void> {
    const { parts, budgetBytes } = request;
    const answer = await guarded(fetchFrom(leader, parts, how.isolation, budgetBytes), how.signal, parts, 'fetch records', leader);
    if (answer === null) return;
    const byKey = new Map(answer.parts.map((part) => [tpKey(part), part]));
    // Until one part has records the next may exceed every size, so an empty answer does not mean "did not fit".
    let couldExceed = true;
    for (const read of parts) {
      const part = byKey.get(tpKey(read));
      if (answer.code !== 0) refused(read, answer.code);
      // A broker that throttles this client leaves everything out.
      else if (part === undefined) trouble(read, new Failure('Unreachable', `Broker ${leader} left ${tpKey(read)} out of its answers: this client seems to be throttled by a quota.`), patienceMs);
      else if (part.code === 1) out.gone.push(read);
      else if (part.code !== 0) refused(read, part.code);
      else {
        out.heard(read, part, couldExceed);
        if (part.records.length > 0) couldExceed = false;
      }
    }
  }

  async function fetchFrom(leader: number, parts: readonly Forward[], isolation: Isolation, budgetBytes: number): ReturnType<typeof fetchParts> {
    await wire.version(leader, fetchKey, [fetchVersion, fetchVersion]);
    const connection = await wire.connection(leader);
    return await fetchParts(connection, parts.map((read) => ({ topic: read.topic, partition: read.partition, from: read.position, maxBytes: read.maxBytes })), isolation, budgetBytes);
  }

  /** Offsets out of range: below the log start the read goes on there; above the end the log was cut off. */
  async function toLogStart(reads: readonly Forward[], how: How): Promise<boolean> {
    return await atStarts(reads, logStart, how, (read, start) => {
      if (start > read.position) read.jump(start);
      else trouble(read, cutShort(read, null), patienceMs);
    });
  }

  /**
   * Nothing came although nothing stood in the way: compaction removed all records up to the end, as with an expired
   * tombstone that was the last record. Only a slow tiered storage looks alike, so the local log must begin before.
   */
  async function overGaps(reads: readonly Forward[], how: How): Promise<boolean> {
    return await atStarts(reads, localLogStart, how, (read, start) => {
      if (start <= read.position) read.passGap();
      else trouble(read, new Failure('Unreachable', `${placeText(read.place)} gives no records at offset ${read.position}; its local log begins at ${start}, tiered storage does not answer.`), patienceMs);
    });
  }

  /** Whether one of them moved. */
  async function atStarts(reads: readonly Forward[], which: bigint, how: How, then: (read: Forward, start: bigint) => void): Promise<boolean> {
    const byLeader = await leadersOf(reads, how);
    let moved = false;
    await Promise.all([...byLeader].map(async ([leader, led]) => {
      const starts = await guarded(startsOf(leader, led, which), how.signal, led, 'read where the log begins', leader);
      for (const read of starts === null ? [] : led) {
        const start = starts?.get(tpKey(read));
        const before = read.position;
        if (start === undefined || start.code !== 0) refused(read, start?.code ?? -1);
        else then(read, start.offset);
        if (read.position > before) moved = true;
      }
    }));
    return moved;
  }

  async function startsOf(leader: number, reads: readonly Forward[], which: bigint): Promise<ReadonlyMap<string, { readonly code: number; readonly offset: bigint }>> {
    const version = await wire.version(leader, listOffsetsKey, listOffsetsVersions);
    // A broker without version 8 has no tiered storage: all of its log is local.
    const timestamp = version >= listOffsetsVersions[1] ? which : logStart;
    const topics = [...new Set(reads.map((read) => read.topic))].map((name) => ({
      name,
      partitions: reads.filter((read) => read.topic === name).map((read) => ({ partitionIndex: read.partition, currentLeaderEpoch: -1, timestamp })),
    }));
    const connection = await wire.connection(leader);
    const answer = await itemized(version >= listOffsetsVersions[1] ? listOffsetsV8.api.async(connection, -1, 0, topics) : listOffsetsV6.api.async(connection, -1, 0, topics));
    return new Map(answer.topics.flatMap(({ name, partitions }) => partitions.map((p) => [tpKey({ topic: name, partition: p.partitionIndex }), { code: p.errorCode, offset: p.offset }] as const)));
  }

  /** `null`: it failed in a way that may pass. Aborting does not wait for the answer. */
  async function guarded<T>(work: Promise<T>, signal: AbortSignal | undefined, reads: readonly Forward[], what: string, node?: number): Promise<T | null> {
    try {
      return await orAborted(work, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const where = node === undefined ? '' : ` from broker ${node}`;
      const failure = toFailure(error, doing(`${what} of ${reads[0] === undefined ? 'a partition' : tpKey(reads[0])}${where}`));
      if (!(failure instanceof Failure) || failure.type !== 'Unreachable') throw failure;
      stale = true;
      for (const read of reads) trouble(read, failure, patienceMs);
      return null;
    }
  }

  /** An error code of one partition. Unknown ones are retried. */
  function refused(read: Forward, code: number): void {
    stale = true;
    if (code === 2) throw corrupt(read.place, read.position, 'the broker itself reports CORRUPT_MESSAGE');
    if (code === 3) return trouble(read, missing(read), missingPatienceMs);
    const failure = codeFailure(code, doing(`read ${tpKey(read)}`, `READ on topic ${read.topic}`));
    if (failure.type !== 'Unreachable') throw failure;
    trouble(read, new Failure('Unreachable', `${placeText(read.place)} cannot be read at offset ${read.position}: ${codeName(code)}.`), patienceMs);
  }

  async function pause(signal: AbortSignal | undefined): Promise<void> {
    await sleep(pauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }

  return { round };
}

/** Notes that nothing came; throws `failure` once that has lasted too long. */
function trouble(read: Forward, failure: Failure, forMs: number): void {
  read.troubleSinceMs ??= Date.now();
  if (Date.now() - read.troubleSinceMs >= forMs) throw failure;
}

const missing = (read: Forward): Failure =>
  new Failure('Drift', `${placeText(read.place)} does not exist, or this worker may not describe its topic.`, 'Create it or grant DESCRIBE and READ on it, then retry.');

const cutShort = (read: Forward, end: bigint | null): Failure =>
  new Failure('MirrorDamaged', `${placeText(read.place)} ${end === null ? `does not reach offset ${read.position}` : `ends at offset ${end}`}, but was to be read up to ${read.to}: it was truncated or created anew, or its leader lost records.`, 'Compare its topic id and its ends with the inventory; copies and positions made from the old log cannot be trusted.');

/** The promise's result, or the abort reason as soon as there is one. The work itself goes on unheard. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  work.catch(() => undefined);
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
