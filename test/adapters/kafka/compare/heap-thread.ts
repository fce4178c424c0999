/** Comparisons of logs that are counted off rather than read, in a thread that has loaded what a thread of the comparison has. */
import { hash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import '../../../../src/adapters/kafka/compare/task.ts';
import '../../../../src/adapters/kafka/wire.ts';
import { compare, type Pair } from '../../../../src/domain/diff/compare.ts';
import { compareKeys, type Keyed, type Wanted } from '../../../../src/domain/diff/compacted.ts';
import { begun, type Counts, type Places } from '../../../../src/domain/diff/difference.ts';
import type { Half } from '../../../../src/domain/positions.ts';

/** `keys` of so many keys: the same on both sides, or on the source only. `hole`, `replay`: of so many records. */
export interface HeapJob { readonly what: 'same keys' | 'missing keys' | 'changed keys' | 'hole' | 'replay'; readonly n: number }
export interface HeapAnswer { readonly counts: Counts; /** Most differences in one report, or listed. */ readonly most: number }

const around = 5_000;
const from = 3_000_000_000;
/** Texts as `fingerprintOf` and `keyedRecords` make them. */
const fingerprint = (i: number, value = ''): string => `${1_700_000_000_000n + BigInt(i)}.${hash('sha1', `${value}${i}`, 'base64url')}`;

async function keys({ what, n }: HeapJob): Promise<HeapAnswer> {
  const ends = { origin: BigInt(from + n), copy: BigInt(from + n) };
  async function* keyed(half: Half, first: bigint, to: bigint, wanted?: Wanted): AsyncGenerator<Keyed, void, undefined> {
    if (half === 'copy' && what === 'missing keys') return;
    for (let i = Math.max(0, Number(first) - from); i < Math.min(n, Number(to) - from); i += 1) {
      const key = hash('sha1', `key ${i}`, 'base64url');
      if (wanted?.(key) !== false) yield { offset: BigInt(from + i), fingerprint: fingerprint(i, what === 'changed keys' ? half : ''), key, gone: false };
    }
  }
  const { state, differences } = await compareKeys({ where: 'Partition prices/0', starts: { origin: 0n, copy: 0n }, ends, keyed, between: keyed, list: 5_000, top: async (half) => ends[half] });
  return { counts: state.counts, most: differences.length };
}

/** Which record of the history stands at a place; the copy's as the job says. */
const recordAt = ({ what, n }: HeapJob, half: Half, i: number): number => (half === 'origin' ? i : what === 'hole' ? (i < around ? i : i + n) : i < around + n ? i : i - n);
const lengthOf = ({ what, n }: HeapJob, half: Half): number => 2 * around + (half === 'origin' ? n : what === 'hole' ? 0 : 2 * n);

async function records(job: HeapJob): Promise<HeapAnswer> {
  const ends: Places = { origin: BigInt(lengthOf(job, 'origin')), copy: BigInt(lengthOf(job, 'copy')) };
  const pair: Pair = {
    between: async function* (half, first, to) {
      for (let i = Number(first); i < Math.min(lengthOf(job, half), Number(to)); i += 1) yield { offset: BigInt(i), fingerprint: `1700000000000.abcdefghijklmnopqrs${recordAt(job, half, i)}` };
    },
    alike: async (at) => {
      let [i, j] = [Number(at.origin), Number(at.copy)];
      while (i < Number(ends.origin) && j < Number(ends.copy) && i === recordAt(job, 'copy', j)) [i, j] = [i + 1, j + 1];
      return { at: { origin: BigInt(i), copy: BigInt(j) }, matched: i - Number(at.origin), why: i >= Number(ends.origin) && j >= Number(ends.copy) ? 'end' : 'differ' };
    },
    starts: async () => ({ origin: 0n, copy: 0n }), hashed: () => ({ value: '', from: '0' }), sealed: async () => '',
  };
  let most = 0;
  const { state } = await compare(pair, { state: begun({ origin: 0n, copy: 0n }), ends, horizon: 'closed', report: (_state, fresh) => { most = Math.max(most, fresh.length); } });
  return { counts: state.counts, most };
}

for (const job of workerData as readonly HeapJob[]) parentPort?.postMessage(await (job.what === 'hole' || job.what === 'replay' ? records(job) : keys(job)));
