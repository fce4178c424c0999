/** How reading requests are sent, and how lists are split over the brokers that can answer them. */
import type { Connection } from '@platformatic/kafka';
import type { TopicPartition } from '../../domain/ports.ts';
import type { Doing } from './faults.ts';
import { itemized, toFailure } from './faults.ts';
import type { ClusterWire } from './wire.ts';

export async function read<T>(wire: ClusterWire, nodeId: number, doing: Omit<Doing, 'cluster'>, send: (to: Connection) => Promise<T>): Promise<T> {
  const known: Doing = { cluster: wire.name, principal: wire.principal, ...doing };
  const to = await wire.connection(nodeId);
  try {
    return await itemized(send(to));
  } catch (error) {
    throw toFailure(error, { ...known, at: `${to.host}:${to.port}` });
  }
}

/** `[{topic, partitions}]` from a flat list, in the given order. */
export function byTopic<T extends TopicPartition>(list: readonly T[]): { readonly name: string; readonly of: readonly T[] }[] {
  const topics = new Map<string, T[]>();
  for (const one of list) {
    const of = topics.get(one.topic) ?? [];
    of.push(one);
    topics.set(one.topic, of);
  }
  return [...topics].map(([name, of]) => ({ name, of }));
}

export function groupBy<T, K>(list: readonly T[], key: (one: T) => K): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>();
  for (const one of list) {
    const k = key(one);
    const group = groups.get(k) ?? [];
    group.push(one);
    groups.set(k, group);
  }
  return groups;
}

export function chunks<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}

/** The first few names, for messages. */
export const listing = (names: readonly string[], most = 8): string =>
  names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
