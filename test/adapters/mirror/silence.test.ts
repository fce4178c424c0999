/** What silencing believes and what it does not, on a cluster in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silence } from '../../../src/adapters/mirror/silence.ts';
import type { Place } from '../../../src/adapters/mirror/place.ts';
import type { Failure } from '../../../src/domain/failures.ts';
import { noLimit } from '../kafka/until.ts';

interface Producer { producerId: bigint; epoch: number }
/** A coordinator that knows these ids; a full epoch brings a new producer id, as Kafka does it. */
function placeOf(known: Map<string, Producer>, of: { readonly stop?: 'accepted' | 'absent'; readonly fence?: (p: Producer) => Producer } = {}): { readonly place: Place; readonly fenced: string[] } {
  const fenced: string[] = [];
  const next = (p: Producer): Producer => (p.epoch >= 32_766 ? { producerId: p.producerId + 1_000n, epoch: 0 } : { ...p, epoch: p.epoch + 1 });
  const place = {
    spec: { connect: 'forward', name: 'm1', from: 'old', to: 'new', topics: ['orders'], seed: [] }, groupId: 'fwd',
    rest: { url: 'http://connect', stop: async () => of.stop ?? 'accepted' },
    to: {
      transaction: async (id: string) => known.get(id) ?? null,
      fenceTransactionalId: async (id: string) => {
        fenced.push(id);
        const after = (of.fence ?? next)(known.get(id) ?? { producerId: 1n, epoch: -1 });
        known.set(id, after);
        return after;
      },
    },
  };
  return { place: place as unknown as Place, fenced };
}
const stuck = (says: RegExp) => (e: Failure): boolean => e.type === 'MirrorStuck' && says.test(e.message);
const remembered = [{ transactionalId: 'fwd-m1-0', producerId: 7n }];

test('the producer id changed since it was remembered, because its epoch was full: fenced all the same', async () => {
  const { place, fenced } = placeOf(new Map([['fwd-m1-0', { producerId: 1_007n, epoch: 3 }]]));
  await silence(place, remembered, noLimit);
  assert.deepEqual(fenced, ['fwd-m1-0']);
});
test('the fence itself fills the epoch: another producer id with epoch 0 is a fence too', async () => {
  const { place } = placeOf(new Map([['fwd-m1-0', { producerId: 7n, epoch: 32_766 }]]));
  await silence(place, remembered, noLimit);
});
test('a task that was started since the ids were remembered is fenced too; ids nobody used are left alone', async () => {
  const { place, fenced } = placeOf(new Map([['fwd-m1-0', { producerId: 7n, epoch: 1 }], ['fwd-m1-1', { producerId: 8n, epoch: 1 }]]));
  await silence(place, remembered, noLimit);
  assert.deepEqual(fenced, ['fwd-m1-0', 'fwd-m1-1']);
});
test('mistyped, of another group, or unknown to the cluster: nothing is fenced in vain', async () => {
  const known = new Map([['fwd-m1-0', { producerId: 7n, epoch: 1 }]]);
  for (const id of ['fwd-m2-0', 'fdw-m1-0', 'fwd-m1-x', 'fwd-m1-']) {
    const { place, fenced } = placeOf(new Map(known));
    await assert.rejects(silence(place, [{ transactionalId: id, producerId: 7n }], noLimit), stuck(/Nothing was fenced/), id);
    assert.deepEqual(fenced, []);
  }
  await assert.rejects(silence(placeOf(new Map()).place, remembered, noLimit), stuck(/does not know the transactional ids fwd-m1-0/));
  await assert.rejects(silence(placeOf(new Map()).place, [], noLimit), stuck(/does not know/));
});
test('a fence that changes nothing is none', async () => {
  const { place } = placeOf(new Map([['fwd-m1-0', { producerId: 7n, epoch: 1 }]]), { fence: (p) => p });
  await assert.rejects(silence(place, remembered, noLimit), stuck(/kept its epoch/));
});
test('a connector that is gone cannot be silenced', async () => {
  const { place } = placeOf(new Map([['fwd-m1-0', { producerId: 7n, epoch: 1 }]]), { stop: 'absent' });
  await assert.rejects(silence(place, remembered, noLimit), stuck(/does not exist/));
});
