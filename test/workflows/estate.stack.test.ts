/** An estate on a real Temporal, its waves over scripted activities: steered by signals, continued as new while waves are open. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Failure } from '../../src/domain/failures.ts';
import { EstateOperator } from './estate-operator.ts';
import { scripted } from './scripted.ts';
import { startServer, type Server } from './server.ts';

const world = scripted();
let server: Server;
before(async () => { server = await startServer(world.work); });
after(async () => { await server[Symbol.asyncDispose](); });

describe('an estate', { concurrency: true }, () => {
  test('three waves move one after the other, each after an approval, and only the estate finishes them', async () => {
    const it = new EstateOperator(server, 'forward');
    // Few events a run: the estate continues as new while waves are open, and their reports find it.
    await it.begin({ limits: { historyEvents: 120 } });
    await it.move('canary');
    await it.move('orders');
    const early = await it.decide({ kind: 'finish', wave: 'orders' });
    assert.equal(early.code, 0, early.err);
    const refused = await it.asks('finish');
    assert.deepEqual(refused.question?.claims.filter((c) => !c.holds).map((c) => c.text), ['Groups of wave wave-1 (waiting) still read on east what orders has cut.']);
    const said = await it.decide({ kind: 'approve', hash: refused.question?.hash });
    assert.match(`${said.out}${said.err}`, /not all claims hold/);
    await it.signal('reject', { reason: 'too early' });
    await it.move('wave-1');
    assert.deepEqual(it.states(await it.approve('finish')), ['canary settled', 'orders settled', 'wave-1 settled']);
    assert.equal((await server.ended(it.id)).status, 'COMPLETED');
    assert.ok((await it.progress()).runs > 1, 'it never continued as new');
    for (const wave of ['groundwork', 'canary', 'orders', 'wave-1']) assert.equal((await server.described(it.wave(wave))).status, 'COMPLETED', wave);
    const ground = world.of('forward-groundwork').told;
    assert.deepEqual(ground.filter((c) => ['acquireLock', 'createMirror', 'releaseLock'].includes(c)), ['acquireLock', 'createMirror', 'releaseLock']);
    assert.ok(!world.of('forward-orders').told.includes('acquireLock'), 'the locks are the estate\'s');
  });

  test('a failed wave stops the next ones and leaves the settled alone; tried again, it goes through', async () => {
    const it = new EstateOperator(server, 'failing');
    await it.begin();
    await it.move('canary');
    world.of('failing-orders').fail('createMirror', new Failure('Drift', 'Topic orders is in the way.'));
    await it.approve('start orders');
    await it.seeThrough('orders', 'back', (q) => (q.startsWith('mirror/') ? 'rollback' : null));
    const stopped = await it.asks('orders');
    assert.deepEqual(it.states(stopped), ['canary settled', 'orders back', 'wave-1 waiting']);
    assert.match(stopped.question?.text ?? '', /Wave orders was rolled back.*No further wave begins/s);
    await it.signal('retry', { wave: 'orders' });
    await it.move('orders');
    assert.equal((await it.asks('start wave-1')).waves.find((w) => w.name === 'orders')?.attempt, 2);
    await it.decide({ kind: 'skip', wave: 'wave-1', reason: 'not needed there' });
    await it.approve('skip wave-1');
    // Nobody may finish what is still read on the source.
    const open = await it.asks('finish');
    assert.ok(open.question?.claims.some((c) => !c.holds && c.text.includes('wave-1 (skipped)')));
    await server.temporal('workflow', 'terminate', '--workflow-id', it.id);
  });
});
