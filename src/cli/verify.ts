/** `cutover verify`: compares both clusters record by record and says exactly what differs; exit code 1 when anything does. */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { type Command, Option } from 'commander';
import { differenceText, differing } from '../domain/diff/difference.ts';
import { parseVerification, type Verification, type VerifyProgress, type VerifyResult } from '../domain/verification.ts';
import { stopVerify, verifyProgress } from '../workflows/verify-messages.ts';
import type { verify } from '../workflows/verify.ts';
import { Stop, print, type ExitCode, type Io } from './io.ts';
import { readDocument } from './migration-file.ts';
import { profileOf, withTemporalFlags, type TemporalFlags } from './options.ts';
import type { Run } from './program.ts';
import { asking, awaitPollers, noWorker, withTemporal, type Temporal } from './temporal.ts';

interface VerifyOptions extends TemporalFlags { readonly live?: boolean; readonly out?: string; readonly cap?: string; readonly bytesPerSecond?: string; readonly recordsPerSecond?: string }
const pollMs = 1_000;
/** Differences printed on a terminal; a file takes all that are listed. */
const mostPrinted = 20;

export function verifyCommand(program: Command, run: Run): void {
  withTemporalFlags(program.command('verify').description('compare both clusters record by record; writes nothing but the ledger (exit code 0 only if nothing differs)')
    .argument('<file>', 'a migration, or {source, target, topics}: JSON or YAML')
    .option('-l, --live', 'behind a running mirror, what has been copied, until Ctrl-C')
    .option('-o, --out <file>', 'write the differences to this file, JSON, one a line')
    .addOption(new Option('--cap <n>', 'list at most so many differences (all are counted)'))
    .option('--bytes-per-second <n>', 'read at most so many bytes a second, both sides together')
    .option('--records-per-second <n>', 'read at most so many records a second, both sides together'))
    .action((file: string, options: VerifyOptions) => run((io) => compare(io, file, options)));
}

const numberOf = (given: string | undefined): number | undefined => (given === undefined ? undefined : Number(given));

async function verificationOf(file: string, o: VerifyOptions): Promise<Verification> {
  const document = await readDocument(file);
  if (document === null || typeof document !== 'object') return parseVerification(document);
  const given = document as { readonly rate?: object };
  const rate = { ...given.rate, ...(o.bytesPerSecond === undefined ? {} : { bytesPerSecond: numberOf(o.bytesPerSecond) }), ...(o.recordsPerSecond === undefined ? {} : { recordsPerSecond: numberOf(o.recordsPerSecond) }) };
  return parseVerification({ ...given, ...(Object.keys(rate).length === 0 ? {} : { rate }), ...(o.cap === undefined ? {} : { cap: numberOf(o.cap) }), ...(o.live === true ? { live: true } : {}) });
}

async function compare(io: Io, file: string, options: VerifyOptions): Promise<ExitCode> {
  const v = await verificationOf(file, options);
  return withTemporal<ExitCode>(profileOf(options), async (t) => {
    if ((await awaitPollers(t, options.taskQueue)).workflows.length === 0) throw new Stop(1, noWorker(options.taskQueue));
    const workflowId = `cutover-verify/${v.source}/${v.target}/${randomUUID().slice(0, 8)}`;
    const handle = await asking(t, () => t.client.workflow.start<typeof verify>('verify', {
      workflowId, taskQueue: options.taskQueue, args: [v], staticSummary: `verify ${v.source} against ${v.target}`,
    }));
    io.err(`comparing  ${workflowId}\n`);
    const result = await followed(io, t, { handle, live: v.live === 'until-stopped' });
    if (options.out !== undefined) await writeFile(options.out, result.differences.map((d) => `${JSON.stringify(d)}\n`).join(''));
    print(io, options.json === true, { json: result, text: resultText(result, options.out) });
    return result.same ? 0 : 1;
  });
}

/** The result, with a line on stderr whenever there is news. Ctrl-C stops a live comparison; any other goes on by itself. */
async function followed(io: Io, t: Temporal, x: { readonly handle: WorkflowHandle<typeof verify>; readonly live: boolean }): Promise<VerifyResult> {
  const interrupted = io.interrupted();
  const ended = x.handle.result();
  ended.catch(() => undefined); // thrown below
  let last = '';
  let told = false;
  for (;;) {
    if (interrupted.aborted && !x.live) throw new Stop(1, `No longer watching; ${x.handle.workflowId} goes on. Its result stays in Temporal and in the ledger.`);
    if (interrupted.aborted && !told) {
      await asking(t, () => x.handle.signal(stopVerify));
      told = true;
    }
    const over = await Promise.race([ended.then(() => true), wait(pollMs, false, told ? {} : { signal: interrupted }).catch(() => false)]);
    if (over) return ended;
    const line = await asking(t, () => x.handle.query(verifyProgress)).then(progressLine, () => last); // a worker that is away answers later
    if (line !== last) io.err(`${line}\n`);
    last = line;
  }
}

const progressLine = (p: VerifyProgress): string => {
  const share = p.total === 'unknown' || p.total === 0 ? '' : ` ${Math.floor(p.done / p.total * 100)} %`;
  const eta = p.etaMs === 'unknown' || p.state !== 'comparing' ? '' : `, ETA ${Math.ceil(p.etaMs / 1_000)} s`;
  return `${p.state.padEnd(10)}${share} ${p.say}${p.perSecond === 'unknown' ? '' : ` ${p.perSecond} a second${eta}.`}`;
};

function resultText(r: VerifyResult, out: string | undefined): string {
  const names = { origin: r.source, copy: r.target };
  const shown = r.differences.slice(0, mostPrinted).map((d) => `  ${differenceText(d.partition, d, names)}`);
  const more = differing(r.counts) - shown.length;
  return [
    r.say,
    ...(shown.length === 0 ? [] : ['Differences']), ...shown,
    ...(more > 0 ? [`  and ${more} more`] : []),
    ...(out === undefined ? [] : [`${r.differences.length} of ${differing(r.counts)} written to ${out}`]),
    ...r.partitions.filter((p) => p.hash !== null).slice(0, mostPrinted).map((p) => `  ${p.partition}  ${p.counts.matched} records  ${p.hash === '' ? 'empty' : p.hash?.slice(0, 16)}`),
    '',
  ].join('\n');
}
