/** What the login of a connection may do with topics, as the cluster itself says (KIP-430). */
import { metadataV12 } from '@platformatic/kafka';
import { itemized, toFailure } from './faults.ts';
import type { ClusterWire } from './wire.ts';

/** Codes of `AclOperation`, the bits of the answer. */
const operations = { READ: 3, WRITE: 4, CREATE: 5, DELETE: 6, ALTER: 7, DESCRIBE: 8, DESCRIBE_CONFIGS: 10, ALTER_CONFIGS: 11 } as const;
export type Right = keyof typeof operations;

/** A topic that does not exist, or that may not even be described, has none. Without an authorizer everybody has all. */
export async function readRights(wire: ClusterWire, topics: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<Right>>> {
  const node = await wire.anyNode();
  const connection = await wire.connection(node);
  try {
    const answer = await itemized(metadataV12.api.async(connection, [...topics], false, true));
    return new Map(answer.topics.flatMap((t) => (typeof t.name === 'string' && t.errorCode === 0 ? [[t.name, rightsIn(t.topicAuthorizedOperations)] as const] : [])));
  } catch (error) {
    throw toFailure(error, { cluster: wire.name, principal: wire.principal, what: 'read rights on topics', at: `${connection.host}:${connection.port}` });
  }
}

const rightsIn = (bits: number): ReadonlySet<Right> => new Set((Object.keys(operations) as Right[]).filter((name) => (bits & (1 << operations[name])) !== 0));
