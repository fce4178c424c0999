/** What a group would lose or repeat that does not go on where it was, counted now; at the stop it is counted once more. */
import { lossNow, repeatsNow } from '../beginning.ts';
import { count } from '../outside.ts';
import type { Beginning } from '../work.ts';
import { claim, shown, type EvidenceAsk, type Reach, type Shown } from './shown.ts';

/** Beyond what is allowed it is counted on, so that the number to ask for is known. */
const mostCounted = 1_000_000;

export function beginningShown({ ports }: Reach, x: EvidenceAsk, b: Beginning): Promise<Shown> {
  const loses = b.how === 'latest';
  const text = `Group ${b.group} ${loses ? 'loses' : 'reads'} at most ${count(b.most, 'record')}${loses ? '' : ' again'}, as the migration allows.`;
  return shown(text, async () => {
    const most = (): number => Math.max(b.most, mostCounted);
    const of = { m: x.m, groups: [b.group], on: 'source' as const };
    const n = (loses ? await lossNow(ports, of, most) : await repeatsNow(ports, of, most)).get(b.group) ?? 0;
    const many = `${n > most() ? 'more than ' : ''}${count(Math.min(n, most()), 'record')}`;
    return claim(text, n <= b.most, loses ? `${b.group}: ${many} unread now; what is unread at the stop is never read` : `${b.group}: ${many} read so far; they are read again`);
  });
}
