/** A Connect worker of the stack: distributed, usually alone in its group, exactly-once, MirrorMaker's connectors on its class path. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Login } from './access.ts';
import { jvmArgs } from './jvm.ts';
import type { JvmAim } from './jvm.ts';
import { log4j2, properties } from './kafka.ts';
import type { PartSpec } from './part.ts';
import type { JarSet } from './tools.ts';

export interface ConnectPlan {
  readonly java: string;
  readonly jars: JarSet;
  readonly aim: JvmAim;
  /** `group.id`, also the prefix of its topics and of its connectors' transactional ids. */
  readonly groupId: string;
  /** Counts from 1 within its group; 1 when not given. */
  readonly member?: number;
  readonly port: number;
  /** The cluster it is bootstrapped on, which its source connectors write to. */
  readonly bootstrap: readonly string[];
  readonly replicationFactor: number;
  readonly login: Login | null;
  readonly folder: string;
  readonly logFolder: string;
  readonly settings: Readonly<Record<string, string>>;
}

const securitySettings = (login: Login | null): Readonly<Record<string, string>> => {
  if (login === null) return {};
  const settings = {
    'security.protocol': 'SASL_PLAINTEXT',
    'sasl.mechanism': login.mechanism,
    'sasl.jaas.config': `org.apache.kafka.common.security.scram.ScramLoginModule required username="${login.username}" password="${login.password}";`,
  };
  // The worker's own connections, and those it makes for connectors, are configured apart from each other.
  return Object.fromEntries(['', 'producer.', 'consumer.', 'admin.'].flatMap((prefix) => Object.entries(settings).map(([name, value]) => [`${prefix}${name}`, value])));
};

const workerSettings = (plan: ConnectPlan): Readonly<Record<string, string>> => {
  const bytes = 'org.apache.kafka.connect.converters.ByteArrayConverter';
  const copies = String(plan.replicationFactor);
  return {
    'bootstrap.servers': plan.bootstrap.join(','),
    'group.id': plan.groupId,
    'key.converter': bytes, 'value.converter': bytes, 'header.converter': bytes,
    'offset.storage.topic': `${plan.groupId}-offsets`, 'offset.storage.replication.factor': copies, 'offset.storage.partitions': '1',
    'config.storage.topic': `${plan.groupId}-configs`, 'config.storage.replication.factor': copies,
    'status.storage.topic': `${plan.groupId}-status`, 'status.storage.replication.factor': copies, 'status.storage.partitions': '1',
    'offset.flush.interval.ms': '1000',
    'scheduled.rebalance.max.delay.ms': '0',
    'task.shutdown.graceful.timeout.ms': '10000',
    'listeners': `http://127.0.0.1:${plan.port}`,
    'rest.advertised.host.name': '127.0.0.1',
    'plugin.discovery': 'service_load', // the slow scan of the class path is left out; all our connectors have manifests
    'exactly.once.source.support': 'enabled',
    'connector.client.config.override.policy': 'All',
    ...securitySettings(plan.login),
    ...plan.settings,
  };
};

export const prepareConnect = (plan: ConnectPlan): PartSpec => {
  mkdirSync(plan.folder, { recursive: true });
  mkdirSync(plan.logFolder, { recursive: true });
  const [config, logging] = [join(plan.folder, 'worker.properties'), join(plan.folder, 'log.properties')];
  writeFileSync(config, properties(workerSettings(plan)), { mode: 0o600 });
  writeFileSync(logging, log4j2);
  const name = `connect-${plan.groupId}${(plan.member ?? 1) === 1 ? '' : `-${plan.member}`}`;
  return {
    name, command: plan.java,
    args: jvmArgs({
      jars: plan.jars, aim: plan.aim, heap: ['128m', '1g'], main: ['org.apache.kafka.connect.cli.ConnectDistributed', config],
      flags: [`-Dkafka.logs.dir=${plan.logFolder}`, `-Dlog4j2.configurationFile=${logging}`],
    }),
    logFile: join(plan.logFolder, `${name}.log`), readyWithinMs: 180_000, stopWithinMs: 20_000,
    isReady: () => isConnectHealthy(plan.port),
  };
};

/** `GET /health`: 200 once the worker has read its topics and joined its group; other paths answer earlier. */
export const isConnectHealthy = async (port: number): Promise<boolean> => {
  const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(5_000) });
  await answer.arrayBuffer();
  return answer.status === 200;
};
