/**
 * Who may write, read and mirror where. Steps declare what they mean as `Effect`s; the checker walks every prefix of a
 * plan and of its rollback over these effects and refuses a plan that breaks a rule. (Rules and checker: below the types.)
 */
export type Side = 'source' | 'target';
export const otherSide = (side: Side): Side => (side === 'source' ? 'target' : 'source');

export type Effect =
  | { readonly do: 'create-topics'; readonly topics: readonly string[]; readonly on: Side }
  | { readonly do: 'remove-topics'; readonly topics: readonly string[]; readonly on: Side }
  /** `mirror` is unique per cut set, direction and attempt. `silent`: will never write again unless `running` is said again. */
  | { readonly do: 'mirror'; readonly mirror: string; readonly topics: readonly string[]; readonly toward: Side; readonly state: 'running' | 'silent' | 'gone' }
  /** Where the processes of an application run from now on. */
  | { readonly do: 'run'; readonly application: string; readonly on: Side | 'both' | 'stopped' }
  /** Every partition of these topics has an explicit position for the group on that side; `none` takes them away. */
  | { readonly do: 'position'; readonly group: string; readonly topics: readonly string[]; readonly on: Side; readonly from: 'translated' | 'log-start' | 'log-end' | 'none' }
  | { readonly do: 'fence'; readonly topics: readonly string[]; readonly on: Side; readonly state: 'up' | 'down' }
  /** A proof that held when the step was done. `quiet`: fleet and brokers agree that these applications are gone. */
  | { readonly do: 'prove-quiet'; readonly applications: readonly string[] }
  | { readonly do: 'prove-mirror-drained'; readonly mirror: string }
  | { readonly do: 'prove-group-drained'; readonly group: string; readonly topics: readonly string[]; readonly on: Side }
  /** Authority over these topics changes; `set` is the cut set's name. */
  | { readonly do: 'cut'; readonly set: string; readonly topics: readonly string[]; readonly to: Side };
