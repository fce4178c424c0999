/** Who may do what on the SASL variant: one user per role, each with a password of its own on each cluster. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AclOperations, AclPermissionTypes, Admin, ResourcePatternTypes, ResourceTypes } from '@platformatic/kafka';
import type { Acl } from '@platformatic/kafka';

/** `admin` is a super user; `mm2` is Connect with its mirrors; `cutover` the orchestrator; the others are applications. */
export const users = ['admin', 'mm2', 'cutover', 'shop', 'billing', 'audit', 'enricher'] as const;
export type User = (typeof users)[number];
export const mechanism = 'SCRAM-SHA-512';

export interface Login {
  readonly mechanism: typeof mechanism;
  readonly username: User;
  readonly password: string;
  /** Holds the password and nothing else. */
  readonly passwordFile: string;
}
export type Logins = Readonly<Record<User, Login>>;

/** Every password ends in characters that look different once URL-encoded, as real ones do: a leak in that spelling must be findable. */
const newPassword = (): string => `${randomBytes(12).toString('hex')}/+`;

export const createLogins = (folder: string, cluster: string): Logins => {
  mkdirSync(folder, { recursive: true });
  const login = (username: User): Login => {
    const [password, passwordFile] = [newPassword(), join(folder, `${cluster}-${username}`)];
    writeFileSync(passwordFile, password, { mode: 0o600 });
    chmodSync(passwordFile, 0o600);
    return { mechanism, username, password, passwordFile };
  };
  return Object.fromEntries(users.map((user) => [user, login(user)])) as Record<User, Login>;
};

type Resource = 'TOPIC' | 'GROUP' | 'CLUSTER' | 'TRANSACTIONAL_ID';
type Operation = 'READ' | 'WRITE' | 'CREATE' | 'DELETE' | 'ALTER' | 'DESCRIBE' | 'DESCRIBE_CONFIGS' | 'ALTER_CONFIGS';
interface Grant { readonly user: User; readonly on: Resource; readonly named: string; readonly may: readonly Operation[] }
/** `orders*` is a prefix, `*` is everything. */
const grants: readonly Grant[] = [
  // What facts say Connect with exactly-once needs, for topics and groups of any name: the stack does not know them beforehand.
  { user: 'mm2', on: 'TOPIC', named: '*', may: ['READ', 'WRITE', 'CREATE', 'DESCRIBE', 'DESCRIBE_CONFIGS'] },
  { user: 'mm2', on: 'GROUP', named: '*', may: ['READ', 'DESCRIBE'] },
  { user: 'mm2', on: 'TRANSACTIONAL_ID', named: '*', may: ['WRITE', 'DESCRIBE'] },
  // The orchestrator creates, compares and commits; the only records it writes are its own ledger, canaries and what a rehearsal copies.
  { user: 'cutover', on: 'CLUSTER', named: 'kafka-cluster', may: ['DESCRIBE', 'DESCRIBE_CONFIGS', 'ALTER', 'CREATE'] },
  { user: 'cutover', on: 'TOPIC', named: '*', may: ['READ', 'CREATE', 'DELETE', 'ALTER', 'DESCRIBE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'] },
  { user: 'cutover', on: 'TOPIC', named: '__cutover*', may: ['WRITE'] },
  // The stand-ins of a rehearsal log in as the orchestrator.
  { user: 'cutover', on: 'TOPIC', named: 'cutover-rehearsal.*', may: ['WRITE'] },
  { user: 'cutover', on: 'GROUP', named: '*', may: ['READ', 'DELETE', 'DESCRIBE'] },
  { user: 'cutover', on: 'TRANSACTIONAL_ID', named: '*', may: ['WRITE', 'DESCRIBE'] },
  { user: 'shop', on: 'TOPIC', named: '*', may: ['WRITE', 'DESCRIBE'] },
  { user: 'shop', on: 'TRANSACTIONAL_ID', named: 'shop*', may: ['WRITE', 'DESCRIBE'] },
  { user: 'billing', on: 'TOPIC', named: '*', may: ['READ', 'DESCRIBE'] },
  { user: 'billing', on: 'GROUP', named: 'billing*', may: ['READ', 'DESCRIBE'] },
  { user: 'audit', on: 'TOPIC', named: '*', may: ['READ', 'DESCRIBE'] },
  { user: 'audit', on: 'GROUP', named: 'audit*', may: ['READ', 'DESCRIBE'] },
  { user: 'enricher', on: 'TOPIC', named: '*', may: ['READ', 'WRITE', 'DESCRIBE'] },
  { user: 'enricher', on: 'GROUP', named: 'enricher*', may: ['READ', 'DESCRIBE'] },
  { user: 'enricher', on: 'TRANSACTIONAL_ID', named: 'enricher*', may: ['WRITE', 'DESCRIBE'] },
];

const rulesOf = ({ user, on, named, may }: Grant): readonly Acl[] => {
  const prefixed = named.length > 1 && named.endsWith('*');
  return may.map((operation) => ({
    resourceType: ResourceTypes[on],
    resourceName: prefixed ? named.slice(0, -1) : named,
    resourcePatternType: ResourcePatternTypes[prefixed ? 'PREFIXED' : 'LITERAL'],
    principal: `User:${user}`,
    host: '*',
    operation: AclOperations[operation],
    permissionType: AclPermissionTypes.ALLOW,
  }));
};

/** An admin client of the cluster, closed after the call. */
export const withAdmin = async <T>(of: { readonly bootstrap: readonly string[]; readonly login: Login | null }, act: (admin: Admin) => Promise<T>): Promise<T> => {
  const { login } = of;
  const admin = new Admin({
    clientId: 'cutover-stack', bootstrapBrokers: [...of.bootstrap], retries: 0, timeout: 10_000, connectTimeout: 5_000,
    ...(login === null ? {} : { sasl: { mechanism: login.mechanism, username: login.username, password: login.password } }),
  });
  try {
    return await act(admin);
  } finally {
    await admin.close();
  }
};

export interface TopicWanted { readonly name: string; readonly partitions: number; readonly configs?: Readonly<Record<string, string>> }
const shownWithinMs = 10_000;
/** With one replica each. A broker learns of a topic after the controller has answered: until it lists them all. */
export const createTopics = (of: { readonly bootstrap: readonly string[]; readonly login: Login | null }, topics: readonly TopicWanted[]): Promise<void> =>
  withAdmin(of, async (admin) => {
    for (const { name, partitions, configs = {} } of topics)
      await admin.createTopics({ topics: [name], partitions, replicas: 1, configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })) });
    for (const end = Date.now() + shownWithinMs; ;) {
      const listed = await admin.listTopics();
      const missing = topics.filter((t) => !listed.includes(t.name)).map((t) => t.name);
      if (missing.length === 0) return;
      if (Date.now() > end) throw new Error(`${missing.join(', ')} were created, and ${shownWithinMs / 1_000} s later not listed.`);
      await sleep(20);
    }
  });

export const grantAccess = (of: { readonly bootstrap: readonly string[]; readonly login: Login }): Promise<void> =>
  withAdmin(of, (admin) => admin.createAcls({ creations: grants.flatMap(rulesOf) }));
