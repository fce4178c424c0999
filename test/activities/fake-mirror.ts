import { tpKey, type Anchor, type MirrorSpec } from '../../src/domain/ports.ts';

/** A connector in memory: `copy()` moves everything visible, or at most so many records per partition. */
export class FakeMirror {
  readonly spec: MirrorSpec;
  state: 'RUNNING' | 'STOPPED' | 'PAUSED' | 'UNASSIGNED' | 'FAILED' = 'RUNNING';
  producerId = 9n;
  /** Nobody has used its transactional id for so long that the cluster knows it no longer. */
  forgotten = false;
  trace = 'task 0: boom';
  /** RUNNING without a task. */
  idle = false;
  /** Settings of its way to the clusters that the catalog has otherwise by now. */
  readonly outdated: string[] = [];
  /** Restarted it runs. */
  heals = false;
  /** Where its syncs have ended since it gives none any more. */
  mute: bigint | null = null;
  readonly next = new Map<string, bigint>();
  readonly anchors = new Map<string, Anchor[]>();
  constructor(spec: MirrorSpec) { this.spec = spec; for (const p of spec.seed) this.next.set(tpKey(p), p.offset); }
}
