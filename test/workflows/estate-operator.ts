/** Drives an estate and its waves on a server with scripted activities, as an operator does. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { EstateProgress } from '../../src/domain/estate-progress.ts';
import { finishHold } from '../../src/domain/migration.ts';
import { application, estate, type TypedEstate } from '../domain/estates.ts';
import type { Said, Server } from './server.ts';

/** Three waves: a canary that reads early, the writer, and whoever reads what it has cut. */
export const threeWaves = (name: string, more: object = {}): TypedEstate => estate([
  application('reports', { hint: 'canary', reads: [{ group: 'reports', topics: ['orders'] }] }),
  application('shop', { writes: ['orders'], wave: 'orders' }),
  application('billing', { reads: [{ group: 'billing', topics: ['orders'] }], writes: ['invoices'] }),
], { name, waves: [{ name: 'orders' }], outage: { budgetMs: 60_000 }, ...more });

export class EstateOperator {
  readonly #server: Server;
  readonly #signal: AbortSignal | undefined;
  readonly name: string;
  readonly id: string;
  /** `signal`: nothing is to be waited for any more. */
  constructor(server: Server, name: string, signal?: AbortSignal) {
    this.#server = server;
    this.#signal = signal;
    this.name = name;
    this.id = `cutover-estate/east/west/${name}`;
  }
  wave(wave: string): string { return `cutover/east/west/${this.name}-${wave}`; }
  async progress(): Promise<EstateProgress> { return (await this.#server.progress(this.id)) as unknown as EstateProgress; }
  states(p: EstateProgress): readonly string[] { return p.waves.map((w) => `${w.name} ${w.state}`); }
  decide(decision: object): Promise<Said> { return this.#server.decide(this.id, { by: 'ana', ...decision }); }
  signal(name: string, input: object): Promise<Said> { return this.#server.signal(this.id, name, { by: 'ana', ...input }); }

  async begin(more: object = {}): Promise<void> {
    const said = await this.#server.start('estate', threeWaves(this.name, more), this.id);
    assert.equal(said.code, 0, said.err);
    await this.approve('begin');
  }
  async until(test: (p: EstateProgress) => boolean, withinMs = 60_000): Promise<EstateProgress> {
    let last: EstateProgress | null = null;
    for (const deadline = Date.now() + withinMs; Date.now() < deadline; await pause(300)) {
      this.#signal?.throwIfAborted();
      last = await this.progress().catch(() => last);
      if (last && test(last)) return last;
    }
    throw new Error(`not within ${withinMs} ms; last: ${JSON.stringify(last)}`);
  }
  asks(question: string): Promise<EstateProgress> { return this.until((p) => p.question?.name === question); }
  async approve(question: string): Promise<EstateProgress> {
    const p = await this.asks(question);
    const said = await this.signal('approve', { hash: p.question?.hash });
    assert.equal(said.code, 0, said.err);
    return p;
  }
  async move(wave: string): Promise<void> {
    await this.approve(`start ${wave}`);
    await this.seeThrough(wave, 'settled');
  }
  /** Answers what the wave asks, until the estate says that it is there. */
  async seeThrough(wave: string, state: string, answer: (question: string) => string | null = () => null): Promise<void> {
    for (const deadline = Date.now() + 120_000; ; await pause(400)) {
      this.#signal?.throwIfAborted();
      const w = (await this.progress().catch(() => null))?.waves.find((x) => x.name === wave);
      if (w?.state === state) return;
      if (Date.now() > deadline) throw new Error(`${wave} is ${w?.state}, wanted ${state}: ${w?.say}`);
      const q = (await this.#server.progress(this.wave(wave)).catch(() => null))?.question ?? null;
      if (q === null || q.name === finishHold) continue;
      const kind = answer(q.name) ?? (q.kind === 'hold' ? 'approve' : 'retry');
      await this.#server.signal(this.wave(wave), kind, { by: 'ana', ...(q.hash === null ? {} : { hash: q.hash }), ...(kind === 'approve' ? {} : { reason: 'as the test wants' }) });
    }
  }
}
