/** The worker's config: clusters, Connect workers and fleets by name. Credentials only as references; see `parseCatalog`. */

/** `env:NAME` or `file:/path`; resolved inside activities, never earlier. */
export type SecretRef = string;

export interface ClusterConfig {
  readonly bootstrap: readonly string[];
  readonly sasl?: { readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; readonly username: string; readonly password: SecretRef };
  /** `true`: TLS with the system's certificate authorities; or a file with PEM certificates. */
  readonly tls?: boolean | { readonly caFile: string };
  /** How Connect reaches this cluster when that differs from `bootstrap`. */
  readonly connectBootstrap?: readonly string[];
}
export interface ConnectConfig {
  /** Base URL of the REST interface. */
  readonly url: string;
  /** Cluster (catalog name) this Connect worker group is bootstrapped on: the side its source connectors write to. */
  readonly cluster: string;
  /** `group.id` of the worker group: the prefix of its transactional ids. */
  readonly groupId: string;
  /**
   * What the *connector* needs to log in to the clusters; per cluster name. Falls back to the cluster's own `sasl`. The one for
   * the worker's own `cluster` must be the login of the worker's producer: as it, the right to write is asked before an opening.
   */
  readonly logins?: Readonly<Record<string, ClusterConfig['sasl'] & {}>>;
}
export type FleetConfig =
  | { readonly kind: 'command'; readonly stop: Command; readonly start: { readonly source: Command; readonly target: Command }; readonly ask: Command; readonly beside?: Beside; readonly timeoutMs: number }
  | { readonly kind: 'webhook'; readonly url: string; readonly token?: SecretRef; readonly beside?: true; readonly timeoutMs: number }
  | { readonly kind: 'manual'; readonly tell: string };
/** How one set of processes is started beside another on the other side, and stopped without it. */
export interface Beside { readonly start: Readonly<Record<'source' | 'target', Command>>; readonly stop: Readonly<Record<'source' | 'target', Command>> }
/** Something of the operator's own with a state that can be asked for and, but for checks, set: where traffic goes, who is muted, whether green is fine. */
export type HookConfig =
  | { readonly kind: 'webhook'; readonly url: string; readonly token?: SecretRef; readonly timeoutMs: number }
  | { readonly kind: 'command'; /** Absent: it is only asked. */ readonly set?: Command; readonly ask: Command; readonly timeoutMs: number };
/** Program and arguments; run without a shell. */
export type Command = readonly [string, ...string[]];

export interface Catalog {
  readonly temporal: { readonly taskQueue: string };
  readonly clusters: Readonly<Record<string, ClusterConfig>>;
  readonly connects: Readonly<Record<string, ConnectConfig>>;
  readonly fleets: Readonly<Record<string, FleetConfig>>;
  readonly hooks?: Readonly<Record<string, HookConfig>>;
}
