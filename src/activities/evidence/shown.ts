/** How one thing that was looked at becomes claims and figures; a look that fails makes its claim fail, and the figure says why. */
import type { Side } from '../../domain/authority.ts';
import { Failure } from '../../domain/failures.ts';
import type { Inventory } from '../../domain/migration.ts';
import type { Ports } from '../../domain/ports.ts';
import type { Claim } from '../../domain/scheme.ts';
import type { At } from '../boundary.ts';
import type { LedgerBook } from '../ledger.ts';
import type { Pace } from '../pace.ts';
import type { Ask, EvidenceAbout } from '../work.ts';

export interface Shown { readonly claims: readonly Claim[]; readonly figures: readonly string[] }
export type EvidenceAsk = Ask & { readonly inventory: Inventory; readonly about: EvidenceAbout };
export type About<K extends EvidenceAbout['kind']> = EvidenceAsk & { readonly about: Extract<EvidenceAbout, { readonly kind: K }> };
/** What every look may reach. */
export interface Reach { readonly ports: Ports; readonly record: LedgerBook; readonly pace: Pace; readonly at: At }
export interface OfApplications { readonly applications: readonly string[]; readonly on: Side }

export const claim = (text: string, holds: boolean, ...figures: readonly string[]): Shown => ({ claims: [{ text, holds }], figures });

export async function shown(text: string, look: () => Promise<Shown>): Promise<Shown> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Failure) return claim(text, false, `could not be looked at: ${error.message}`);
    throw error;
  }
}

/** Nothing that a person approves: told beside the claims, also when it cannot be told. */
export async function told(what: string, look: () => Promise<readonly string[]>): Promise<Shown> {
  try {
    return { claims: [], figures: await look() };
  } catch (error) {
    if (error instanceof Failure) return { claims: [], figures: [`${what}: unknown, could not be looked at: ${error.message}`] };
    throw error;
  }
}
