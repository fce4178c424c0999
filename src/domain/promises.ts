/** What a scheme promises, needs and is not for: the same eight things for every scheme, as a plan prints them. */
export interface Promises {
  /** Records acknowledged and never read: none, or how many and who consents. */
  readonly loss: string;
  readonly repeats: string;
  readonly order: string;
  readonly writeOutage: string;
  readonly readOutage: string;
  readonly wayBack: string;
  /** Data copied? Two sets of consumers? A tolerance? */
  readonly needs: readonly string[];
  /** When not to use it. */
  readonly notFor: readonly string[];
  /** What this migration in particular must be told, such as writers without a fence. */
  readonly also?: readonly string[];
}

/** One sentence each, with its word in front. */
export const promised = (p: Promises): readonly string[] => [
  `Loss: ${p.loss}`, `Repeats: ${p.repeats}`, `Order: ${p.order}`, `Write outage: ${p.writeOutage}`, `Read outage: ${p.readOutage}`, `Way back: ${p.wayBack}`,
  ...p.needs.map((x) => `Needs: ${x}`), ...p.notFor.map((x) => `Not for: ${x}`), ...(p.also ?? []),
];
