/** A Kafka cluster of the stack: KRaft, usually one node that is broker and controller, plain or with SASL/SCRAM and ACLs. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mechanism, withAdmin } from './access.ts';
import type { Login, Logins } from './access.ts';
import { jvmArgs } from './jvm.ts';
import type { JvmAim } from './jvm.ts';
import type { PartSpec } from './part.ts';
import type { JarSet } from './tools.ts';

export interface BrokerPlan {
  readonly java: string;
  readonly jars: JarSet;
  readonly aim: JvmAim;
  /** `old` or `new`: name of files and logs. */
  readonly name: string;
  readonly folder: string;
  readonly logFolder: string;
  /** Of every node of the cluster, in the order of their ids from 1 on. */
  readonly ports: readonly { readonly client: number; readonly controller: number }[];
  readonly clusterId: string;
  readonly logins: Logins | null;
  /** Broker settings on top of ours. */
  readonly settings: Readonly<Record<string, string>>;
}

/** 22 characters, as `kafka-storage random-uuid` makes them. */
export const newClusterId = (): string => {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? newClusterId() : id; // Kafka refuses a leading dash: command lines would take it for an option
};

export const bootstrapOf = (ports: BrokerPlan['ports']): readonly string[] => ports.map(({ client }) => `127.0.0.1:${client}`);

const jaas = (kind: 'scram.Scram' | 'plain.Plain', login: Login, more = ''): string =>
  `org.apache.kafka.common.security.${kind}LoginModule required username="${login.username}" password="${login.password}"${more};`;

const securitySettings = (logins: Logins | null): Readonly<Record<string, string>> => {
  if (logins === null) return { 'listener.security.protocol.map': 'CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT' };
  return {
    'listener.security.protocol.map': 'CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT',
    'sasl.enabled.mechanisms': mechanism,
    'sasl.mechanism.inter.broker.protocol': mechanism,
    // SCRAM users live in the metadata the controllers serve, so controllers cannot log in with it.
    'sasl.mechanism.controller.protocol': 'PLAIN',
    'listener.name.client.scram-sha-512.sasl.jaas.config': jaas('scram.Scram', logins.admin),
    'listener.name.controller.sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.controller.plain.sasl.jaas.config': jaas('plain.Plain', logins.admin, ` user_admin="${logins.admin.password}"`),
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:admin',
    'allow.everyone.if.no.acl.found': 'false',
  };
};

const brokerSettings = (plan: BrokerPlan, index: number): Readonly<Record<string, string>> => {
  const own = plan.ports[index];
  if (own === undefined) throw new Error(`There is no node ${index + 1} in cluster ${plan.name}.`);
  const copies = String(Math.min(3, plan.ports.length));
  const inSync = plan.ports.length >= 3 ? '2' : '1';
  return {
    'process.roles': 'broker,controller',
    'node.id': String(index + 1),
    'controller.quorum.voters': plan.ports.map(({ controller }, i) => `${i + 1}@127.0.0.1:${controller}`).join(','),
    'listeners': `CLIENT://127.0.0.1:${own.client},CONTROLLER://127.0.0.1:${own.controller}`,
    'advertised.listeners': `CLIENT://127.0.0.1:${own.client}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'CLIENT',
    ...securitySettings(plan.logins),
    'log.dirs': join(plan.folder, `data-${index + 1}`),
    'auto.create.topics.enable': 'false',
    'delete.topic.enable': 'true',
    'default.replication.factor': copies,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': copies,
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': '4',
    // Share groups came with 4.0; an older broker warns about settings it does not know.
    ...(plan.jars.name === 'broker-target' ? { 'share.coordinator.state.topic.replication.factor': copies, 'share.coordinator.state.topic.min.isr': inSync } : {}),
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'broker.heartbeat.interval.ms': '500',
    'num.network.threads': '2',
    'num.io.threads': '2',
    'background.threads': '2',
    'num.recovery.threads.per.data.dir': '1',
    // 128 MiB of heap by default, for one log cleaner with nothing to clean.
    'log.cleaner.dedupe.buffer.size': '4194304',
    ...plan.settings,
  };
};

export const properties = (settings: Readonly<Record<string, string>>): string =>
  `${Object.entries(settings).map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\')}`).join('\n')}\n`;

/** The noise of a start is left out; everything else of level INFO is kept. */
export const log4j2 = properties({
  'status': 'warn', 'appender.out.type': 'Console', 'appender.out.name': 'OUT', 'appender.out.layout.type': 'PatternLayout', 'appender.out.layout.pattern': '[%d] %p %m (%c)%n',
  'rootLogger.level': 'INFO', 'rootLogger.appenderRef.out.ref': 'OUT',
  'logger.config.name': 'org.apache.kafka.common.config', 'logger.config.level': 'WARN',
  'logger.clients.name': 'org.apache.kafka.clients', 'logger.clients.level': 'WARN',
});
const log4j1 = properties({
  'log4j.rootLogger': 'INFO, out', 'log4j.appender.out': 'org.apache.log4j.ConsoleAppender', 'log4j.appender.out.layout': 'org.apache.log4j.PatternLayout',
  'log4j.appender.out.layout.ConversionPattern': '[%d] %p %m (%c)%n', 'log4j.logger.org.apache.kafka.clients': 'WARN', 'log4j.logger.org.apache.zookeeper': 'WARN',
});

/** Writes what the node needs on disk and says how to start it. */
export const prepareBroker = async (plan: BrokerPlan, index: number): Promise<PartSpec> => {
  const node = String(index + 1);
  const data = join(plan.folder, `data-${node}`);
  const config = join(plan.folder, `server-${node}.properties`);
  const logging = join(plan.folder, 'log.properties');
  mkdirSync(data, { recursive: true });
  mkdirSync(plan.logFolder, { recursive: true });
  writeFileSync(config, properties(brokerSettings(plan, index)), { mode: 0o600 });
  const reload4j = plan.jars.name === 'broker-source';
  writeFileSync(logging, reload4j ? log4j1 : log4j2);
  const java = (heap: readonly [string, string], main: readonly [string, ...string[]]): readonly string[] => jvmArgs({
    jars: plan.jars, aim: plan.aim, heap, main,
    flags: [`-Dkafka.logs.dir=${plan.logFolder}`, reload4j ? `-Dlog4j.configuration=file:${logging}` : `-Dlog4j2.configurationFile=${logging}`],
  });
  await format(plan, { data, node, java: (main) => java(['64m', '256m'], main), config });
  const name = plan.ports.length === 1 ? `kafka-${plan.name}` : `kafka-${plan.name}-${node}`;
  const own = plan.ports[index]?.client ?? 0;
  return {
    name, command: plan.java, args: java(['96m', '768m'], ['kafka.Kafka', config]),
    logFile: join(plan.logFolder, `${name}.log`), stopWithinMs: 20_000,
    isReady: async () => (await answersApiVersions(own)) && servesMetadata({ bootstrap: [`127.0.0.1:${own}`], login: plan.logins?.admin ?? null }),
  };
};

/** Formatting costs a JVM start. Without users a hand-written meta.properties does the same. */
const format = async (plan: BrokerPlan, node: { readonly data: string; readonly node: string; readonly config: string; readonly java: (main: readonly [string, ...string[]]) => readonly string[] }): Promise<void> => {
  if (plan.logins === null) {
    writeFileSync(join(node.data, 'meta.properties'), properties({ 'version': '1', 'cluster.id': plan.clusterId, 'node.id': node.node }));
    return;
  }
  const scram = Object.values(plan.logins).flatMap((login) => ['--add-scram', `${mechanism}=[name=${login.username},password=${login.password}]`]);
  await promisify(execFile)(plan.java, [...node.java(['kafka.tools.StorageTool', 'format', '-t', plan.clusterId, '-c', node.config, ...scram])]);
};

/** ApiVersions v0, which a broker answers before anybody logs in. */
export const answersApiVersions = (port: number, withinMs = 2_000): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const done = (answer: boolean): void => { socket.destroy(); resolve(answer); };
    socket.setTimeout(withinMs, () => done(false));
    socket.once('error', () => done(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => {
      const request = Buffer.alloc(14);
      request.writeInt32BE(10, 0); // length of what follows
      request.writeInt16BE(18, 4); // ApiVersions
      request.writeInt16BE(0, 6); // version 0
      request.writeInt32BE(1, 8); // correlation id
      request.writeInt16BE(-1, 12); // no client id
      socket.write(request);
    });
    // Length, correlation id, error code.
    socket.once('data', (answer) => done(answer.length >= 10 && answer.readInt32BE(4) === 1 && answer.readInt16BE(8) === 0));
  });

/** The cluster lists at least one broker, which it does once the controller let the broker in. */
export const servesMetadata = (of: { readonly bootstrap: readonly string[]; readonly login: Login | null }): Promise<boolean> =>
  withAdmin(of, async (admin) => (await admin.metadata({ topics: [] })).brokers.size > 0);
