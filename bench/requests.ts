/** Counts Kafka requests by cluster and kind, as the client library announces each one before it is sent. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

const names: Readonly<Record<number, string>> = { 0: 'Produce', 1: 'Fetch', 2: 'ListOffsets', 3: 'Metadata', 8: 'OffsetCommit', 9: 'OffsetFetch', 10: 'FindCoordinator', 15: 'DescribeGroups', 16: 'ListGroups', 18: 'ApiVersions', 32: 'DescribeConfigs', 69: 'ConsumerGroupDescribe' };
export const channel = 'tracing:plt:kafka:connections:api:start';
export function nameOf(message: unknown): string {
  const { apiKey } = message as { readonly apiKey?: number };
  return names[apiKey ?? -1] ?? `API ${apiKey}`;
}

/** Kind of request → how many; the sum over all kinds. */
export interface Requests { readonly all: number; readonly by: Readonly<Record<string, number>> }

export async function counting<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly requests: Requests }> {
  const by = new Map<string, number>();
  const heard = (message: unknown): void => {
    const name = nameOf(message);
    by.set(name, (by.get(name) ?? 0) + 1);
  };
  subscribe(channel, heard);
  try {
    const result = await work();
    return { result, requests: { all: [...by.values()].reduce((a, b) => a + b, 0), by: Object.fromEntries([...by].sort(([, a], [, b]) => b - a)) } };
  } finally {
    unsubscribe(channel, heard);
  }
}
