/** The Cutover catalog of a stack: clusters `old` and `new`, Connect workers `forward` and `back`, passwords as references to files. */
import { renameSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import type { Catalog, ClusterConfig, ConnectConfig, FleetConfig, HookConfig } from '../src/domain/catalog.ts';
import type { Login, User } from './access.ts';

export interface CatalogParts {
  readonly clusters: Readonly<Record<string, { readonly bootstrap: readonly string[]; login(user: User): Login | null }>>;
  readonly connects: Readonly<Record<string, { readonly url: string; readonly cluster: string; readonly groupId: string }>>;
}
export interface CatalogChoices {
  readonly fleets?: Readonly<Record<string, FleetConfig>>;
  readonly hooks?: Readonly<Record<string, HookConfig>>;
  readonly taskQueue?: string;
}

const sasl = (login: Login | null): ClusterConfig['sasl'] & {} | null =>
  login === null ? null : { mechanism: login.mechanism, username: login.username, password: `file:${login.passwordFile}` };

export const catalogOf = (parts: CatalogParts, choices: CatalogChoices = {}): Catalog => {
  const clusters = Object.entries(parts.clusters).map(([name, cluster]): [string, ClusterConfig] => {
    const login = sasl(cluster.login('cutover'));
    return [name, { bootstrap: cluster.bootstrap, ...(login === null ? {} : { sasl: login }) }];
  });
  const logins = Object.entries(parts.clusters).flatMap(([name, cluster]) => {
    const login = sasl(cluster.login('mm2'));
    return login === null ? [] : [[name, login] as const];
  });
  const connects = Object.entries(parts.connects).map(([name, { url, cluster, groupId }]): [string, ConnectConfig] =>
    [name, { url, cluster, groupId, ...(logins.length === 0 ? {} : { logins: Object.fromEntries(logins) }) }]);
  return {
    temporal: { taskQueue: choices.taskQueue ?? 'cutover' },
    clusters: Object.fromEntries(clusters), connects: Object.fromEntries(connects), fleets: choices.fleets ?? {}, ...(choices.hooks === undefined ? {} : { hooks: choices.hooks }),
  };
};

/** Replaced as a whole, so that a worker that starts meanwhile never reads half of it. */
export const writeCatalogFile = (file: string, catalog: Catalog): void => {
  writeFileSync(`${file}.new`, stringify(catalog, { aliasDuplicateObjects: false }));
  renameSync(`${file}.new`, file);
};
