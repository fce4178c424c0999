/** Fences: DENY WRITE rules, set and taken away, and believed only when every broker shows it (each keeps a copy of its own). */
import { createAclsV2, deleteAclsV2, describeAclsV2 } from '@platformatic/kafka';
import type { DenyRule, Until } from '../../domain/ports.ts';
import type { Presence } from '../../domain/migration.ts';
import { Failure } from '../../domain/failures.ts';
import { codeFailure } from './faults.ts';
import { listing, read } from './read.ts';
import { controllerOf } from './topics.ts';
import { settle, write } from './write.ts';
import type { ClusterWire } from './wire.ts';

const securityDisabled = 54;
const clusterAuthorizationFailed = 31;
const visibleMs = 10_000;
/** Resource type TOPIC, pattern LITERAL, operation WRITE, permission DENY; host is always `*`. */
const topicResource = 2;
const literal = 3;
const writeOperation = 4;
const denyPermission = 2;
const anyHost = '*';

const filter = (rule: Partial<DenyRule>): describeAclsV2.DescribeAclsRequest[0] => ({
  resourceType: topicResource, resourceName: rule.topic ?? null, resourcePatternType: literal,
  principal: rule.principal ?? null, host: anyHost, operation: writeOperation, permissionType: denyPermission,
});
const ruleText = (rule: DenyRule): string => `${rule.principal} on topic ${rule.topic}`;

interface Seen { readonly code: number; readonly said: string | null; readonly rules: readonly DenyRule[] }

async function rulesOn(wire: ClusterWire, node: number): Promise<Seen> {
  await wire.version(node, 29, [2, 2]);
  const answer = await read(wire, node, { what: 'describe ACLs' }, (to) => describeAclsV2.api.async(to, filter({})));
  const rules = answer.resources.flatMap((resource) => resource.acls.map((acl) => ({ topic: resource.resourceName, principal: acl.principal })));
  return { code: answer.errorCode, said: answer.errorMessage ?? null, rules };
}

/** `unknown`: there is an authorizer, or may be one, but we have no right to read ACLs. */
export async function readAuthorizer(wire: ClusterWire): Promise<Presence> {
  const { code, said } = await rulesOn(wire, await wire.anyNode());
  if (code === 0) return 'present';
  if (code === securityDisabled) return 'none';
  if (code === clusterAuthorizationFailed) return 'unknown';
  throw codeFailure(code, { cluster: wire.name, principal: wire.principal, what: 'describe ACLs', right: 'DESCRIBE on the cluster' }, said);
}

/** Rules every broker shows. A cluster without an authorizer has none. */
export async function readDenyRules(wire: ClusterWire, topics: readonly string[]): Promise<readonly DenyRule[]> {
  const perBroker = await onEveryBroker(wire);
  const [first, ...others] = perBroker;
  const wanted = new Set(topics);
  const everywhere = (first ?? []).filter((rule) => others.every((rules) => has(rules, rule)));
  return everywhere.filter((rule) => wanted.has(rule.topic)).sort((a, b) => (ruleText(a) < ruleText(b) ? -1 : 1));
}

const has = (rules: readonly DenyRule[], rule: DenyRule): boolean => rules.some((one) => one.topic === rule.topic && one.principal === rule.principal);

async function onEveryBroker(wire: ClusterWire): Promise<readonly (readonly DenyRule[])[]> {
  const { brokers } = await wire.metadata([]);
  return Promise.all(brokers.map(async ({ nodeId }) => {
    const { code, said, rules } = await rulesOn(wire, nodeId);
    if (code !== 0 && code !== securityDisabled) throw codeFailure(code, { cluster: wire.name, principal: wire.principal, what: 'describe ACLs', right: 'DESCRIBE on the cluster' }, said);
    return rules;
  }));
}

export async function deny(wire: ClusterWire, rules: readonly DenyRule[], until: Until): Promise<void> {
  until.check();
  const present = await onEveryBroker(wire);
  const missing = rules.filter((rule) => !present.every((seen) => has(seen, rule)));
  if (missing.length === 0) return;
  const controller = await controllerOf(wire);
  await wire.version(controller, 30, [2, 2]);
  const doing = { what: `deny WRITE to ${listing(missing.map(ruleText))}`, right: 'ALTER on the cluster' };
  const creations = missing.map((rule) => ({ resourceType: topicResource, resourceName: rule.topic, resourcePatternType: literal, principal: rule.principal, host: anyHost, operation: writeOperation, permissionType: denyPermission }) as const);
  const answer = await write(wire, controller, doing, until, (to) => createAclsV2.api.async(to, [...creations]));
  const refused = answer.results.find((one) => one.errorCode !== 0);
  if (refused !== undefined) throw aclRefused(wire, refused.errorCode, doing, refused.errorMessage);
  await settle(until, { cluster: wire.name, ...doing }, visibleMs, async () => {
    const seen = await onEveryBroker(wire);
    const open = rules.filter((rule) => !seen.every((broker) => has(broker, rule)));
    return { done: open.length === 0, seen: `no rule for ${listing(open.map(ruleText))} on at least one broker` };
  });
}

export async function allow(wire: ClusterWire, rules: readonly DenyRule[], until: Until): Promise<void> {
  until.check();
  const present = await onEveryBroker(wire);
  const there = rules.filter((rule) => present.some((seen) => has(seen, rule)));
  if (there.length === 0) return;
  const controller = await controllerOf(wire);
  await wire.version(controller, 31, [2, 2]);
  const doing = { what: `take away DENY WRITE of ${listing(there.map(ruleText))}`, right: 'ALTER on the cluster' };
  const answer = await write(wire, controller, doing, until, (to) => deleteAclsV2.api.async(to, there.map((rule) => filter(rule))));
  const refused = answer.filterResults.find((one) => one.errorCode !== 0);
  if (refused !== undefined) throw aclRefused(wire, refused.errorCode, doing, refused.errorMessage);
  await settle(until, { cluster: wire.name, ...doing }, visibleMs, async () => {
    const seen = await onEveryBroker(wire);
    const left = rules.filter((rule) => seen.some((broker) => has(broker, rule)));
    return { done: left.length === 0, seen: `the rule for ${listing(left.map(ruleText))} on at least one broker` };
  });
}

function aclRefused(wire: ClusterWire, code: number, doing: { what: string; right: string }, said?: string | null): Failure {
  if (code === securityDisabled) return new Failure('Unsupported', `Cluster ${wire.name} has no authorizer, so it cannot ${doing.what}.`, 'Configure an authorizer, or use a migration without a fence.');
  return codeFailure(code, { cluster: wire.name, principal: wire.principal, ...doing }, said);
}
