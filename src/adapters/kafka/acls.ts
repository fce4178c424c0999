/** Fences: DENY WRITE on topics and DENY READ on groups, set and taken away, and believed only when every broker shows it (each keeps a copy of its own). */
import { createAclsV2, deleteAclsV2, describeAclsV2, describeConfigsV4 } from '@platformatic/kafka';
import type { DenyRule, GroupDenyRule, Until } from '../../domain/ports.ts';
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
/** In configuration requests. */
const brokerResource = 4;
/** Codes of Kafka's ACL protocol; patterns are LITERAL, permissions DENY, hosts `*`. */
const any = 1;
const kinds = { topic: { resourceType: 2, operation: 4, spoken: 'WRITE' }, group: { resourceType: 3, operation: 3, spoken: 'READ' } } as const;
const literal = 3;
const denyPermission = 2;
const anyHost = '*';

/** Either fence in one form. */
interface Rule { readonly kind: keyof typeof kinds; readonly name: string; readonly principal: string }
type Either = DenyRule | GroupDenyRule;
const ruleOf = (rule: Either): Rule => ('topic' in rule ? { kind: 'topic', name: rule.topic, principal: rule.principal } : { kind: 'group', name: rule.group, principal: rule.principal });
const ruleText = (rule: Rule): string => `${kinds[rule.kind].spoken} of ${rule.principal} on ${rule.kind} ${rule.name}`;
const same = (a: Rule, b: Rule): boolean => a.kind === b.kind && a.name === b.name && a.principal === b.principal;
const has = (rules: readonly Rule[], rule: Rule): boolean => rules.some((one) => same(one, rule));
const exactly = (rule: Rule) => ({ resourceType: kinds[rule.kind].resourceType, resourceName: rule.name, resourcePatternType: literal, principal: rule.principal, host: anyHost, operation: kinds[rule.kind].operation, permissionType: denyPermission }) as const;
const everything = { resourceType: any, resourceName: null, resourcePatternType: literal, principal: null, host: anyHost, operation: any, permissionType: denyPermission } as const;

interface Seen { readonly code: number; readonly said: string | null; readonly rules: readonly Rule[] }

async function rulesOn(wire: ClusterWire, node: number): Promise<Seen> {
  await wire.version(node, 29, [2, 2]);
  const answer = await read(wire, node, { what: 'describe ACLs' }, (to) => describeAclsV2.api.async(to, everything));
  const rules = answer.resources.flatMap((resource) => resource.acls.flatMap((acl): readonly Rule[] =>
    (['topic', 'group'] as const).filter((kind) => kinds[kind].resourceType === resource.resourceType && kinds[kind].operation === acl.operation)
      .map((kind) => ({ kind, name: resource.resourceName, principal: acl.principal }))));
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

/**
 * `super.users` as a broker tells it; `null`: it does not. It is a setting of the authorizer, which brokers show without its
 * value as soon as they do not know its type, and only to those who may read settings.
 */
export async function readSuperUsers(wire: ClusterWire): Promise<readonly string[] | null> {
  const node = await wire.anyNode();
  await wire.version(node, 32, [4, 4]);
  const answer = await read(wire, node, { what: 'describe the settings of a broker' }, (to) => describeConfigsV4.api.async(to, [{ resourceType: brokerResource, resourceName: String(node), configurationKeys: ['super.users'] }], false, false));
  const value = answer.results[0]?.configs.find((one) => one.name === 'super.users')?.value ?? null;
  return value === null ? null : value.split(';').map((one) => one.trim()).filter((one) => one !== '');
}

/** Rules every broker shows. A cluster without an authorizer has none. */
export const readDenyRules = async (wire: ClusterWire, topics: readonly string[]): Promise<readonly DenyRule[]> =>
  (await shownEverywhere(wire, 'topic', topics)).map(({ name, principal }) => ({ topic: name, principal }));
export const readGroupDenyRules = async (wire: ClusterWire, groups: readonly string[]): Promise<readonly GroupDenyRule[]> =>
  (await shownEverywhere(wire, 'group', groups)).map(({ name, principal }) => ({ group: name, principal }));

async function shownEverywhere(wire: ClusterWire, kind: Rule['kind'], names: readonly string[]): Promise<readonly Rule[]> {
  const [first, ...others] = await onEveryBroker(wire);
  const wanted = new Set(names);
  const everywhere = (first ?? []).filter((rule) => others.every((rules) => has(rules, rule)));
  const spelled = (rule: Rule): string => `${rule.principal} ${rule.name}`;
  return everywhere.filter((rule) => rule.kind === kind && wanted.has(rule.name)).sort((a, b) => (spelled(a) < spelled(b) ? -1 : 1));
}

async function onEveryBroker(wire: ClusterWire): Promise<readonly (readonly Rule[])[]> {
  const { brokers } = await wire.metadata([]);
  return Promise.all(brokers.map(async ({ nodeId }) => {
    const { code, said, rules } = await rulesOn(wire, nodeId);
    if (code !== 0 && code !== securityDisabled) throw codeFailure(code, { cluster: wire.name, principal: wire.principal, what: 'describe ACLs', right: 'DESCRIBE on the cluster' }, said);
    return rules;
  }));
}

export async function deny(wire: ClusterWire, fences: readonly Either[], until: Until): Promise<void> {
  until.check();
  const rules = fences.map(ruleOf);
  const present = await onEveryBroker(wire);
  const missing = rules.filter((rule) => !present.every((seen) => has(seen, rule)));
  if (missing.length === 0) return;
  const controller = await controllerOf(wire);
  await wire.version(controller, 30, [2, 2]);
  const doing = { what: `deny ${listing(missing.map(ruleText))}`, right: 'ALTER on the cluster' };
  const answer = await write(wire, controller, doing, until, (to) => createAclsV2.api.async(to, missing.map(exactly)));
  const refused = answer.results.find((one) => one.errorCode !== 0);
  if (refused !== undefined) throw aclRefused(wire, refused.errorCode, doing, refused.errorMessage);
  await settle(until, { cluster: wire.name, ...doing }, visibleMs, async () => {
    const seen = await onEveryBroker(wire);
    const open = rules.filter((rule) => !seen.every((broker) => has(broker, rule)));
    return { done: open.length === 0, seen: `no rule for ${listing(open.map(ruleText))} on at least one broker` };
  });
}

export async function allow(wire: ClusterWire, fences: readonly Either[], until: Until): Promise<void> {
  until.check();
  const rules = fences.map(ruleOf);
  const present = await onEveryBroker(wire);
  const there = rules.filter((rule) => present.some((seen) => has(seen, rule)));
  if (there.length === 0) return;
  const controller = await controllerOf(wire);
  await wire.version(controller, 31, [2, 2]);
  const doing = { what: `no longer deny ${listing(there.map(ruleText))}`, right: 'ALTER on the cluster' };
  const answer = await write(wire, controller, doing, until, (to) => deleteAclsV2.api.async(to, there.map(exactly)));
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
