/**
 * Who may write, read and mirror where. Steps declare what they mean as `Effect`s; the checker walks every prefix of a
 * plan and of its rollback over these effects and refuses a plan that breaks a rule.
 * Rules: `authority-rules.ts`; walk: `authority-check.ts`.
 */
export type Side = 'source' | 'target';
export const otherSide = (side: Side): Side => (side === 'source' ? 'target' : 'source');

export type Effect =
  | { readonly do: 'create-topics'; readonly topics: readonly string[]; readonly on: Side }
  | { readonly do: 'remove-topics'; readonly topics: readonly string[]; readonly on: Side }
  /**
   * `mirror` names cut set and direction. `running` with `anew`: another connector, seeded at the last cut; without it the
   * one that was silenced goes on. `silent`: will never write again unless `running` is said again.
   */
  | { readonly do: 'mirror'; readonly mirror: string; readonly topics: readonly string[]; readonly toward: Side; readonly state: 'running' | 'silent' | 'gone'; readonly anew?: true }
  /**
   * Where the processes of an application run from now on. `both`: two sets of them, which share no member. `resting`: one of
   * the two has stopped for a while, and what comes on its side waits for it.
   */
  | { readonly do: 'run'; readonly application: string; readonly on: Side | 'both' | 'stopped'; readonly resting?: true }
  /**
   * Every partition of these topics has an explicit position for the group on that side; `none` takes them away. `cut`: where
   * that side's log was cut last (or is about to be), for a group that has read everything on the other side. `start`: where
   * that side's log begins, for a group that may read again what was copied there. `behind`: behind all that is in that log,
   * because the group has read it, or reads on the other side what it is a copy of. `end`: where the log ends now, for a second set.
   * `unless`: a member is at work there; then the group stays where it is.
   */
  | { readonly do: 'position'; readonly group: string; readonly topics: readonly string[]; readonly on: Side; readonly from: 'translated' | 'cut' | 'start' | 'behind' | 'end' | 'none'; readonly unless?: 'at work' }
  | { readonly do: 'fence'; readonly topics: readonly string[]; readonly on: Side; readonly state: 'up' | 'down' }
  /** A proof that held when the step was done. `quiet`: fleet and brokers agree that these applications are gone. */
  | { readonly do: 'prove-quiet'; readonly applications: readonly string[] }
  /** That cluster is dead, and a person said so: who ran there counts as gone (of two sets the one there), and what has not come back from there as given up. */
  | { readonly do: 'give-up'; readonly on: Side; readonly applications: readonly string[] }
  | { readonly do: 'prove-mirror-drained'; readonly mirror: string }
  | { readonly do: 'prove-group-drained'; readonly group: string; readonly topics: readonly string[]; readonly on: Side }
  /** Given up by consent, counted: whatever of these topics the group has not read on that side is never read. */
  | { readonly do: 'forgo'; readonly group: string; readonly topics: readonly string[]; readonly on: Side }
  /** What these applications write and read themselves has run dry: nothing of it is unread, and nothing new came for a declared time. */
  | { readonly do: 'prove-dry'; readonly applications: readonly string[]; readonly topics: readonly string[] }
  /**
   * A second set of an application on the target while the first one works on the source: `muted` has no effect, `doubling`
   * does everything a second time. It becomes the application itself when that is said to `run` there.
   */
  | { readonly do: 'second-set'; readonly application: string; readonly state: 'muted' | 'doubling' | 'gone' }
  /** Every group of these second sets has read, on the target, all that the first ones have read on the source. */
  | { readonly do: 'prove-even'; readonly applications: readonly string[] }
  /** Authority over these topics changes; `set` is the cut set's name. */
  | { readonly do: 'cut'; readonly set: string; readonly topics: readonly string[]; readonly to: Side };

/** The rules a plan is held against, in words an operator can check a plan with. */
export const rules = {
  'writers-at-authority': 'an application that writes runs only where every topic it writes has its authority.',
  'mirror-one-way': 'a mirror copies only away from the authority, alone on its topics, and never again after a cut it ran before.',
  'reads-what-comes': 'a group reads, on one side, only where what it must read next is or will be.',
  'positions-first': 'before an application starts, each of its groups has an explicit and current position for every topic it reads.',
  'cut-is-proven': 'a cut comes after its writers are proven quiet and its mirror is drained and silent, and it takes along all topics of its writers.',
  'holds': 'a person is asked before an outage and before anything that cannot be undone, and never while an application is stopped.',
  'second-set-muted': 'a second set of an application that writes is muted, and what any second set has missed or had before the switch is proven even first.',
  'topics-first': 'a topic exists before it is mirrored, positioned, cut or used, and is removed only when none of that remains.',
  'fence-stands': 'a fence goes up only after the writers behind it stopped, and comes down before they start.',
  'undo-restores': 'a complete rollback leaves applications, mirrors, fences and authority as they were.',
  'nothing-left': 'at the end every application runs on the target, every topic has its authority there, and no mirror copies any more.',
} as const;
export type Rule = keyof typeof rules;

export interface Breach {
  readonly rule: Rule;
  /** The step (`stepId`) that breaks it; in a rollback the step whose undo does. */
  readonly step: string;
  readonly application: string | null;
  /** `forward`, or `rollback from <step>`. */
  readonly at: string;
  readonly why: string;
}
