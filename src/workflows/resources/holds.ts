/** Where a person decides: the question, and the evidence read for it. */
import type { EvidenceAbout } from '../../activities/work.ts';
import { hold, type Hold } from '../../domain/scheme.ts';
import { inventoryOf, type Bound } from './use.ts';

export const holds = (b: Bound) => ({
  approve: (name: string, question: string, about: EvidenceAbout): Hold => hold(name, {
    question,
    evidence: (c) => b.work.evidence({ m: b.m, c, inventory: inventoryOf(b), about }),
  }),
});
