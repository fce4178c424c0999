/** What a mirror is configured as, and how its offset syncs read. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectorConfig, differing, syncsTopic, unmirrorable } from '../../../src/adapters/mirror/connector.ts';
import { decodeSync } from '../../../src/adapters/mirror/syncs.ts';
import type { Catalog } from '../../../src/domain/catalog.ts';

const catalog: Catalog = {
  temporal: { taskQueue: 'cutover' },
  clusters: {
    old: { bootstrap: ['old:9092'], sasl: { mechanism: 'PLAIN', username: 'u', password: 'env:A' } },
    new: { bootstrap: ['new:9092'], connectBootstrap: ['inside:9092'], tls: true },
  },
  connects: { forward: { url: 'http://connect', cluster: 'new', groupId: 'g', logins: { new: { mechanism: 'SCRAM-SHA-512', username: 'mm2', password: 'env:B' } } } },
  fleets: {},
};
const spec = { connect: 'forward', name: 'm1', from: 'old', to: 'new', topics: ['b', 'orders.v1'], seed: [] };
const config = (partitions = 4): Promise<Readonly<Record<string, string>>> =>
  connectorConfig(spec, { partitions, replicationFactor: 3 }, { catalog, secret: (ref) => Promise.resolve(`pass"${ref}\\`) });

describe('the configuration of a mirror', () => {
  it('copies nothing but committed records, exactly once, under their own names, and never looks for new partitions', async () => {
    const c = await config();
    assert.equal(c['exactly.once.support'], 'required');
    assert.equal(c['source.consumer.isolation.level'], 'read_committed');
    assert.equal(c['topics'], 'b,orders\\.v1');
    assert.equal(c['refresh.topics.enabled'], 'false');
    // MirrorMaker copies DENY WRITE by default: a fence on one side would shut the producers out on the other.
    assert.equal(c['sync.topic.acls.enabled'], 'false');
    assert.equal(c['sync.topic.configs.enabled'], 'false');
    assert.equal(c['source.cluster.alias'], spec.name);
    assert.equal(syncsTopic(spec), 'mm2-offset-syncs.m1.internal');
  });
  it('logs in to each cluster with the login meant for Connect, else the cluster\'s own; passwords are quoted for JAAS', async () => {
    const c = await config();
    assert.equal(c['source.cluster.security.protocol'], 'SASL_PLAINTEXT');
    assert.equal(c['source.cluster.sasl.jaas.config'], 'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="pass\\"env:A\\\\";');
    assert.equal(c['target.cluster.security.protocol'], 'SASL_SSL');
    assert.equal(c['target.cluster.bootstrap.servers'], 'inside:9092');
    assert.match(c['target.cluster.sasl.jaas.config'] ?? '', /ScramLoginModule required username="mm2"/);
  });
  it('has as many tasks as its partitions need, at most four', async () => {
    assert.deepEqual(await Promise.all([1, 16, 17, 40, 1000].map(async (n) => (await config(n))['tasks.max'])), ['1', '1', '2', '3', '4']);
  });
  it('differs by names of settings, never by values', async () => {
    const c = await config();
    assert.deepEqual(differing(c, { ...c, name: 'm1', 'tasks.max': '9' }), []);
    assert.deepEqual(differing(c, { ...c, topics: 'other', extra: 'x' }), ['extra', 'topics']);
  });
  it('knows the topics MirrorMaker would rename or skip', () => {
    const cases = { 'app-heartbeats': /renames/, '__consumer_offsets': /skips/, '.hidden': /skips/, 'mm2-x.internal': /skips/, 'a.checkpoints.internal': /skips/ };
    for (const [topic, says] of Object.entries(cases)) assert.match(unmirrorable(topic) ?? '', says);
    for (const topic of ['orders', 'orders.internal', 'heartbeats-of-pumps', '_schemas']) assert.equal(unmirrorable(topic), null);
  });
});

describe('an offset sync', () => {
  const key = (topic: string, partition: number): Buffer => {
    const name = Buffer.from(topic);
    const b = Buffer.alloc(2 + name.length + 4);
    b.writeInt16BE(name.length, 0);
    name.copy(b, 2);
    b.writeInt32BE(partition, 2 + name.length);
    return b;
  };
  const value = (from: bigint, to: bigint): Buffer => {
    const b = Buffer.alloc(16);
    b.writeBigInt64BE(from, 0);
    b.writeBigInt64BE(to, 8);
    return b;
  };
  it('pairs a record of the origin with its copy', () => {
    assert.deepEqual(decodeSync(key('bestellungen-ä', 7), value(5n, 2n ** 40n)), { topic: 'bestellungen-ä', partition: 7, anchor: { from: 5n, to: 2n ** 40n } });
  });
  it('is passed over when it is something else', () => {
    assert.equal(decodeSync(Buffer.from('x'), value(1n, 1n)), null);
    assert.equal(decodeSync(key('t', 0), Buffer.alloc(15)), null);
    assert.equal(decodeSync(Buffer.concat([key('t', 0), Buffer.alloc(1)]), value(1n, 1n)), null);
  });
});
