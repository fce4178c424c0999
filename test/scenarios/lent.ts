/**
 * One stack for all scenarios of a process, lent to one after the other: each finds clusters, Connect and Temporal as if they had
 * just been started, on servers that are warm. A stack that somebody left broken is not mended: whoever comes next gets another.
 */
import { join } from 'node:path';
import { after } from 'node:test';
import { AclOperations, AclPermissionTypes, ResourcePatternTypes, ResourceTypes } from '@platformatic/kafka';
import { Client, Connection } from '@temporalio/client';
import { until } from '../../demo/ending.ts';
import { withAdmin } from '../../stack/access.ts';
import { startStack, type Stack, type StackCluster, type StackConnect, type Variant } from '../../stack/stack.ts';

const kept = new Map<Variant, Stack>();
after(async () => { await Promise.all([...kept.values()].map((stack) => stack.stop())); });

let lent = 0;
/** `folder`: for whoever it is lent to, empty. Nothing of what an earlier one left there runs, is stored or is asked any more. */
export async function lend(variant: Variant): Promise<{ readonly stack: Stack; readonly folder: string }> {
  const before = kept.get(variant);
  const cleared = before && await clear(before).catch(async (e: unknown) => {
    console.log(`  another stack is started: ${e instanceof Error ? e.message : String(e)}`);
    kept.delete(variant);
    await before.stop();
    return null;
  });
  const stack = cleared ?? await startStack({ variant });
  kept.set(variant, stack);
  return { stack, folder: join(stack.folder, `stage-${++lent}`) };
}

async function clear(stack: Stack): Promise<Stack> {
  const { temporal, source, target, connect } = stack;
  const servers: readonly { readonly name: string; readonly state: string }[] = [temporal, ...source.brokers, ...target.brokers, connect.forward, connect.back];
  const faults = [
    ...servers.filter((p) => p.state !== 'running').map((p) => `${p.name} is ${p.state}`),
    // It would go on working on what is cleared.
    ...stack.parts.filter((p) => p.state !== 'stopped' && !servers.some((s) => s.name === p.name)).map((p) => `${p.name} still runs`),
  ];
  if (faults.length > 0) throw new Error(faults.join('; '));
  await clearTemporal(stack);
  for (const worker of [connect.forward, connect.back]) await clearConnect(worker);
  const internal = [connect.forward, connect.back].flatMap(({ groupId }) => ['configs', 'offsets', 'status'].map((what) => `${groupId}-${what}`));
  for (const cluster of [source, target]) await clearCluster(cluster, { topics: internal, groups: [connect.forward.groupId, connect.back.groupId] });
  return stack;
}

async function clearTemporal({ temporal }: Stack): Promise<void> {
  const connection = await Connection.connect({ address: temporal.address });
  try {
    const { workflow } = new Client({ connection, namespace: temporal.namespace });
    for await (const { workflowId, runId } of workflow.list({ query: 'ExecutionStatus = "Running"' })) await workflow.getHandle(workflowId, runId).terminate('its stage is over');
  } finally {
    await connection.close();
  }
}

async function clearConnect({ url }: StackConnect): Promise<void> {
  const ask = async (method: 'GET' | 'DELETE', path: string): Promise<string> => {
    const answer = await fetch(`${url}${path}`, { method, signal: AbortSignal.timeout(20_000) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} of Connect: ${answer.status} ${text}`);
    return text;
  };
  const connectors = async (): Promise<readonly string[]> => JSON.parse(await ask('GET', '/connectors')) as readonly string[];
  for (const name of await connectors()) await ask('DELETE', `/connectors/${encodeURIComponent(name)}`);
  await until('Connect has no connector', 20_000, async () => (await connectors()).length === 0);
}

/** Topics, groups and deny rules; what the cluster and Connect keep for themselves stays. */
async function clearCluster(cluster: StackCluster, own: { readonly topics: readonly string[]; readonly groups: readonly string[] }): Promise<void> {
  await withAdmin({ bootstrap: cluster.bootstrap, login: cluster.login('admin') }, async (admin) => {
    const groups = async (): Promise<readonly string[]> => [...(await admin.listGroups()).keys()].filter((g) => !own.groups.includes(g));
    const topics = async (): Promise<readonly string[]> => (await admin.listTopics()).filter((t) => !own.topics.includes(t));
    const [oldGroups, oldTopics] = [await groups(), await topics()];
    if (oldGroups.length > 0) await admin.deleteGroups({ groups: [...oldGroups] });
    if (oldTopics.length > 0) await admin.deleteTopics({ topics: [...oldTopics] });
    if (cluster.login('admin') !== null) await admin.deleteAcls({ filters: [{ resourceType: ResourceTypes.ANY, resourceName: null, resourcePatternType: ResourcePatternTypes.ANY, principal: null, host: null, operation: AclOperations.ANY, permissionType: AclPermissionTypes.DENY }] });
    await until(`${cluster.name} is empty`, 20_000, async () => (await groups()).length + (await topics()).length === 0);
  });
}
