/** The real stack: started, used, its parts stopped, killed and paused; two side by side; logins and rights. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Connection, Client } from '@temporalio/client';
import { Kafka, logLevel } from 'kafkajs';
import type { SASLOptions } from 'kafkajs';
import { parse } from 'yaml';
import { parseCatalog } from '../../src/domain/parse-catalog.ts';
import { users } from '../../stack/access.ts';
import type { Login } from '../../stack/access.ts';
import { answersApiVersions } from '../../stack/kafka.ts';
import { identify, isAlive } from '../../stack/processes.ts';
import { startStack } from '../../stack/stack.ts';
import type { Stack, StackCluster } from '../../stack/stack.ts';
import { searchAttributes } from '../../stack/temporal.ts';

/** kafkajs, so that the stack is not judged by the client that started it. */
const kafka = (cluster: StackCluster, login: Pick<Login, 'username' | 'password'> | null): Kafka => new Kafka({
  brokers: [...cluster.bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 5 },
  ...(login === null ? {} : { sasl: { mechanism: 'scram-sha-512', username: login.username, password: login.password } satisfies SASLOptions }),
});
const createTopic = async (cluster: StackCluster, topic: string): Promise<void> => {
  const admin = kafka(cluster, cluster.login('admin')).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1 }], waitForLeaders: true });
  await admin.disconnect();
};
const produce = async (cluster: StackCluster, topic: string, login: Login | null, value = 'v'): Promise<void> => {
  const producer = kafka(cluster, login).producer();
  try {
    await producer.connect();
    await producer.send({ topic, messages: [{ value }] });
  } finally {
    await producer.disconnect();
  }
};
const topics = async (cluster: StackCluster): Promise<readonly string[]> => {
  const admin = kafka(cluster, cluster.login('admin')).admin();
  await admin.connect();
  try {
    return await admin.listTopics();
  } finally {
    await admin.disconnect();
  }
};
const ends = async (cluster: StackCluster, topic: string): Promise<string | undefined> => {
  const admin = kafka(cluster, cluster.login('admin')).admin();
  await admin.connect();
  try {
    return (await admin.fetchTopicOffsets(topic))[0]?.high;
  } finally {
    await admin.disconnect();
  }
};
const json = async (url: string): Promise<unknown> => (await fetch(url, { signal: AbortSignal.timeout(10_000) })).json();
const portOf = (cluster: StackCluster): number => Number((cluster.bootstrap[0] ?? '').split(':')[1]);

describe('a plain stack', () => {
  let stack: Stack;
  before(async () => { stack = await startStack({ variant: 'plain' }); });
  after(() => stack.stop());

  it('the brokers are of the two releases, and take records', async () => {
    for (const cluster of [stack.source, stack.target]) {
      await createTopic(cluster, 'orders');
      await produce(cluster, 'orders', null);
      assert.equal(await ends(cluster, 'orders'), '1');
    }
    assert.match(readFileSync(stack.source.logFile, 'utf8'), /Kafka version: 3\.9\./);
    assert.match(readFileSync(stack.target.logFile, 'utf8'), /Kafka version: 4\.3\./);
  });

  it('both Connect workers know the mirror connectors and stand on their own cluster', async () => {
    for (const [connect, cluster] of [[stack.connect.forward, stack.target], [stack.connect.back, stack.source]] as const) {
      const plugins = (await json(`${connect.url}/connector-plugins`)) as readonly { readonly class: string }[];
      assert.ok(plugins.some((plugin) => plugin.class.endsWith('.MirrorSourceConnector')));
      const worker = (await json(connect.url)) as { readonly version: string; readonly kafka_cluster_id: string };
      assert.deepEqual([worker.version, worker.kafka_cluster_id], ['4.3.1', cluster.clusterId]);
    }
  });

  it('Temporal has the search attributes and serves its UI', async () => {
    const connection = await Connection.connect({ address: stack.temporal.address });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: stack.temporal.namespace });
    for (const name of searchAttributes) assert.ok(customAttributes?.[name] !== undefined, name);
    await connection.close();
    assert.equal((await fetch(stack.temporal.uiUrl ?? '')).status, 200);
  });

  it('Temporal is killed and comes back with its workflows, on the same address', async () => {
    const started = async (): Promise<string> => {
      const connection = await Connection.connect({ address: stack.temporal.address });
      const { status } = await new Client({ connection }).workflow.getHandle('kept').describe();
      await connection.close();
      return status.name;
    };
    const connection = await Connection.connect({ address: stack.temporal.address });
    await new Client({ connection }).workflow.start('nobody-runs-this', { taskQueue: 'none', workflowId: 'kept' });
    await connection.close();
    await stack.temporal.restart('killed');
    assert.equal(await started(), 'RUNNING');
  });

  it('a broker is killed and comes back with its records, on the same address', async () => {
    const pid = stack.source.pid;
    await stack.source.kill();
    assert.equal(stack.source.state, 'stopped');
    assert.equal(await answersApiVersions(portOf(stack.source)), false);
    await stack.source.start();
    assert.notEqual(stack.source.pid, pid);
    assert.equal(await ends(stack.source, 'orders'), '1');
  });

  it('a broker that is paused does not answer, and answers again when it continues', async () => {
    await stack.target.pause();
    try {
      assert.equal(await answersApiVersions(portOf(stack.target), 500), false);
    } finally {
      stack.target.resume();
    }
    assert.equal(await answersApiVersions(portOf(stack.target), 10_000), true);
  });

  it('a Connect worker is restarted on the same address', async () => {
    await stack.connect.forward.restart();
    assert.equal((await fetch(`${stack.connect.forward.url}/health`)).status, 200);
  });

  it('the catalog is one the worker accepts, with the fleets it was given', () => {
    const file = stack.writeCatalog({ fleets: { shop: { kind: 'manual', tell: 'Move the shop.' } } });
    const catalog = parseCatalog(parse(readFileSync(file, 'utf8')));
    assert.deepEqual(catalog.clusters['old']?.bootstrap, stack.source.bootstrap);
    assert.deepEqual(catalog.connects['back'], { url: stack.connect.back.url, cluster: 'old', groupId: 'back' });
    assert.deepEqual(Object.keys(catalog.fleets), ['shop']);
  });

  it('the worker runs as a process of its own: started when it says ready, told of Temporal, killed and restarted', async () => {
    const entry = join(stack.folder, 'worker.ts');
    writeFileSync(entry, "console.log('starting'); console.log('ready', process.env.TEMPORAL_ADDRESS, process.argv.slice(2).join(' ')); setInterval(() => {}, 1000);");
    const worker = await stack.startWorker({ entry, env: { EXTRA: 'yes' } });
    assert.match(readFileSync(worker.logFile, 'utf8'), new RegExp(`^ready ${stack.temporal.address} --catalog ${stack.catalogFile}$`, 'm'));
    const first = worker.pid;
    await worker.restart('killed');
    assert.notEqual(worker.pid, first);
  });

  it('a worker that cannot start says why', async () => {
    const entry = join(stack.folder, 'broken.ts');
    writeFileSync(entry, "throw new Error('no such catalog');");
    await assert.rejects(stack.startWorker({ name: 'broken', entry }), /^Error: broken ended before it was ready \(exit code 1\)\. Its log is .*broken\.log and ends with:\n[^]*no such catalog/);
  });
});

describe('two stacks side by side', () => {
  it('do not see each other, and leave nothing behind', async () => {
    const only = { temporal: { ui: false }, connects: 'none', target: 'none' } as const;
    const [one, other] = await Promise.all([startStack(only), startStack(only)]);
    await createTopic(one.source, 'mine');
    assert.deepEqual([await topics(one.source), await topics(other.source)], [['mine'], []]);
    assert.notEqual(one.temporal.address, other.temporal.address);
    assert.throws(() => one.target, /started without a target cluster/);
    const processes = [...one.parts, ...other.parts].map(({ pid }) => identify(pid ?? 0));
    await one.stop();
    assert.equal(await answersApiVersions(portOf(other.source)), true);
    await other.stop();
    for (const id of processes) assert.ok(id !== null && !isAlive(id));
    for (const folder of [one.folder, other.folder]) assert.equal(existsSync(folder), false);
  });
});

describe('a stack with logins and rights', () => {
  let stack: Stack;
  before(async () => { stack = await startStack({ variant: 'sasl', temporal: 'none', connects: 'forward' }); });
  after(() => stack.stop());

  it('every user logs in to both clusters, each with a password of its own', async () => {
    const passwords = new Set<string>();
    for (const cluster of [stack.source, stack.target]) {
      for (const user of users) {
        const login = cluster.login(user) ?? assert.fail(user);
        passwords.add(login.password);
        const admin = kafka(cluster, login).admin();
        await admin.connect();
        await admin.disconnect();
      }
    }
    assert.equal(passwords.size, 2 * users.length);
  });

  it('a wrong password, and the password of the other cluster, are refused', async () => {
    const other = stack.target.login('shop');
    for (const password of ['wrong', other?.password ?? '']) {
      const admin = kafka(stack.source, { username: 'shop', password }).admin();
      await assert.rejects(admin.connect(), /authentication/i);
      await admin.disconnect();
    }
  });

  it('an application may do what it is for and nothing else', async () => {
    await createTopic(stack.source, 'orders');
    await produce(stack.source, 'orders', stack.source.login('shop'));
    await produce(stack.source, 'orders', stack.source.login('enricher'));
    await assert.rejects(produce(stack.source, 'orders', stack.source.login('billing')), /not authorized/i);
    await assert.rejects(produce(stack.source, 'orders', stack.source.login('cutover')), /not authorized/i);
    assert.equal(await ends(stack.source, 'orders'), '2');
  });

  it('the orchestrator may deny an application to write, and it is refused', async () => {
    const admin = kafka(stack.source, stack.source.login('cutover')).admin();
    await admin.connect();
    const deny = { resourceType: 2, resourceName: 'orders', resourcePatternType: 3, principal: 'User:shop', host: '*', operation: 4, permissionType: 2 };
    await admin.createAcls({ acl: [deny] });
    await assert.rejects(produce(stack.source, 'orders', stack.source.login('shop')), /not authorized/i);
    await admin.disconnect();
  });

  it('Connect logged in as its own user and mirrors a topic exactly once', async () => {
    const [from, to] = [stack.source.login('mm2'), stack.target.login('mm2')];
    const security = (prefix: string, login: Login | null): Record<string, string> => ({
      [`${prefix}security.protocol`]: 'SASL_PLAINTEXT', [`${prefix}sasl.mechanism`]: 'SCRAM-SHA-512',
      [`${prefix}sasl.jaas.config`]: `org.apache.kafka.common.security.scram.ScramLoginModule required username="${login?.username}" password="${login?.password}";`,
    });
    await createTopic(stack.target, 'orders');
    const config = {
      'connector.class': 'org.apache.kafka.connect.mirror.MirrorSourceConnector', 'tasks.max': '1', 'source.cluster.alias': 'old', 'target.cluster.alias': 'new',
      'source.cluster.bootstrap.servers': stack.source.bootstrap.join(','), 'target.cluster.bootstrap.servers': stack.target.bootstrap.join(','),
      ...security('source.cluster.', from), ...security('target.cluster.', to),
      'replication.policy.class': 'org.apache.kafka.connect.mirror.IdentityReplicationPolicy', 'topics': 'orders', 'replication.factor': '1',
      'offset-syncs.topic.replication.factor': '1', 'offset-syncs.topic.location': 'target', 'sync.topic.configs.enabled': 'false', 'sync.topic.acls.enabled': 'false',
      'heartbeats.replication.enabled': 'false', 'exactly.once.support': 'required', 'source.consumer.isolation.level': 'read_committed', 'errors.tolerance': 'none',
    };
    const created = await fetch(`${stack.connect.forward.url}/connectors`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name: 'm', config }) });
    assert.equal(created.status, 201, await created.text());
    const deadline = Date.now() + 60_000;
    let end = await ends(stack.target, 'orders');
    while (Number(end) < 2 && Date.now() < deadline) end = await ends(stack.target, 'orders');
    const status = JSON.stringify(await json(`${stack.connect.forward.url}/connectors/m/status`));
    assert.ok(Number(end) >= 2, `two records and a transaction marker expected on the target, seen ${end}; ${status}`);
  });

  it('the catalog refers to passwords in files only the owner can read, and holds none', () => {
    const text = readFileSync(stack.catalogFile, 'utf8');
    for (const cluster of [stack.source, stack.target]) {
      for (const user of users) {
        const login = cluster.login(user) ?? assert.fail(user);
        assert.equal(text.includes(login.password), false);
        assert.equal(readFileSync(login.passwordFile, 'utf8'), login.password);
        assert.equal(statSync(login.passwordFile).mode & 0o777, 0o600);
      }
    }
    const catalog = parseCatalog(parse(text));
    assert.equal(catalog.clusters['old']?.sasl?.password, `file:${stack.source.login('cutover')?.passwordFile}`);
    assert.equal(catalog.connects['forward']?.logins?.['new']?.username, 'mm2');
  });
});

describe('from the shell', () => {
  const cli = (...args: readonly string[]): Promise<{ readonly stdout: string }> =>
    promisify(execFile)(process.execPath, [join(import.meta.dirname, '..', '..', 'stack', 'cli.ts'), ...args]);

  it('up leaves it running, status asks each service, down stops it; each twice is told', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cutover-cli-test-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const state = JSON.parse((await cli('up', '--folder', folder, '--json')).stdout) as { readonly parts: readonly { readonly pid: number; readonly started: string }[] };
    assert.equal(state.parts.length, 5);
    await assert.rejects(cli('up', '--folder', folder), /belongs to a stack that is running/);
    const status = JSON.parse((await cli('status', '--folder', folder, '--json')).stdout) as { readonly well: boolean; readonly services: readonly { readonly answer: string }[] };
    assert.deepEqual([status.well, status.services.map(({ answer }) => answer)], [true, Array(5).fill('answers')]);
    process.kill(state.parts[0]?.pid ?? 0, 'SIGKILL');
    await assert.rejects(cli('status', '--folder', folder), (error: { stdout: string }) => /temporal +does not answer[^]*temporal +has ended/.test(error.stdout));
    await cli('down', '--folder', folder);
    for (const part of state.parts) assert.equal(isAlive(part), false);
    await assert.rejects(cli('down', '--folder', folder), /No stack was left running/);
  });

  it('a folder with other things in it is refused', async () => {
    await assert.rejects(cli('up', '--folder', import.meta.dirname), /is not empty and no stack made it/);
  });
});
