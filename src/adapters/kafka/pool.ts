/** Authenticated connections to the brokers of one cluster: one per address, opened on first use, replaced when broken. */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { Connection, ConnectionStatuses } from '@platformatic/kafka';
import type { ConnectionOptions } from '@platformatic/kafka';
import { resolveSecret } from '../secrets/secrets.ts';
import type { ClusterConfig } from '../../domain/catalog.ts';
import { Failure } from '../../domain/failures.ts';
import { toFailure } from './faults.ts';

export interface Address { readonly host: string; readonly port: number }
export interface Login extends Pick<ClusterConfig, 'sasl' | 'tls'> { readonly name: string; readonly clientId?: string }

/** Longest wait for a TCP connection with its login. */
const connectTimeoutMs = 5_000;
/** A broker that has not answered by then is given up together with its connection (the library can only do both). */
export const requestTimeoutMs = 10_000;
/** Requests of one connection are pipelined; the library's default of 5 would make 100 commits wait for 20 round trips. */
const maxInflights = 256;

export interface Pool {
  to(address: Address): Promise<Connection>;
  close(): Promise<void>;
}

export const addressText = (address: Address): string => `${address.host}:${address.port}`;
export const principalOf = (login: Pick<ClusterConfig, 'sasl'>): string | undefined => (login.sasl === undefined ? undefined : `User:${login.sasl.username}`);

export function openPool(login: Login): Pool {
  const open = new Map<string, Promise<Connection>>();
  let closed = false;

  async function connect(address: Address): Promise<Connection> {
    const connection = new Connection(login.clientId ?? 'cutover', await connectionOptions(login, address));
    // Without a listener Node would end the process on the first broken connection; the waiting requests get the error anyway.
    connection.on('error', () => {});
    try {
      await connection.connect(address.host, address.port);
      return connection;
    } catch (error) {
      throw toFailure(error, { cluster: login.name, principal: principalOf(login), what: 'connect', at: addressText(address) });
    }
  }

  async function to(address: Address): Promise<Connection> {
    if (closed) throw new Failure('Unreachable', `The connections to cluster ${login.name} have been closed.`, 'The worker is shutting down; the call is retried.');
    const key = addressText(address);
    const existing = open.get(key);
    if (existing !== undefined) {
      const connection = await existing;
      if (connection.isConnected()) return connection;
      if (connection.status === ConnectionStatuses.REAUTHENTICATING) {
        await connection.ready();
        return connection;
      }
      if (open.get(key) !== existing) return to(address);
    }
    const fresh = connect(address);
    open.set(key, fresh);
    fresh.catch(() => open.get(key) === fresh && open.delete(key));
    return fresh;
  }

  async function close(): Promise<void> {
    closed = true;
    const all = await Promise.allSettled(open.values());
    open.clear();
    await Promise.all(all.flatMap((one) => (one.status === 'fulfilled' ? [one.value.close()] : [])));
  }

  return { to, close };
}

async function connectionOptions(login: Login, address: Address): Promise<ConnectionOptions> {
  const { sasl, tls } = login;
  return {
    connectTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    maxInflights,
    ...(sasl === undefined ? {} : { sasl: { mechanism: sasl.mechanism, username: sasl.username, password: await resolveSecret(sasl.password) } }),
    ...(tls === undefined || tls === false ? {} : { tls: await tlsOptions(login.name, tls), tlsServerName: isIP(address.host) === 0 }),
  };
}

async function tlsOptions(cluster: string, tls: true | { readonly caFile: string }): Promise<NonNullable<ConnectionOptions['tls']>> {
  if (tls === true) return {};
  try {
    return { ca: await readFile(tls.caFile, 'utf8') };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new Failure('BadCatalog', `The certificate file ${tls.caFile} of cluster ${cluster} cannot be read (${code}).`);
  }
}
