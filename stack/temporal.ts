/** The real Temporal dev server of the stack: one process with its UI, on a SQLite file that survives a restart. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { PartSpec } from './part.ts';

export interface TemporalPlan {
  readonly binary: string;
  readonly folder: string;
  readonly logFolder: string;
  readonly ports: { readonly grpc: number; readonly http: number; readonly metrics: number; readonly ui: number | null };
  readonly namespace: string;
}

/** All of type Keyword. */
export const searchAttributes = ['CutoverPhase', 'CutoverState', 'CutoverSource', 'CutoverTarget'] as const;

/** By default a shard hands over 20 tasks a second: an activity in sequence then costs 100 ms in place of 22. */
const dynamicConfig: Readonly<Record<string, string>> = {
  'history.transferProcessorMaxPollRPS': '2000',
  'history.timerProcessorMaxPollRPS': '2000',
};

export const prepareTemporal = (plan: TemporalPlan): PartSpec => {
  mkdirSync(plan.folder, { recursive: true });
  mkdirSync(plan.logFolder, { recursive: true });
  const { ports } = plan;
  return {
    name: 'temporal', command: plan.binary,
    args: [
      'server', 'start-dev', '--ip', '127.0.0.1', '--namespace', plan.namespace, '--log-level', 'warn',
      '--db-filename', join(plan.folder, 'temporal.db'),
      // Committed is what the kernel has: a killed server loses nothing, and nobody waits for the disk at every step.
      '--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=normal',
      '--port', String(ports.grpc), '--http-port', String(ports.http), '--metrics-port', String(ports.metrics),
      ...(ports.ui === null ? ['--headless'] : ['--ui-port', String(ports.ui), '--ui-disable-news-fetch']),
      ...searchAttributes.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
      ...Object.entries(dynamicConfig).flatMap(([name, value]) => ['--dynamic-config-value', `${name}=${value}`]),
    ],
    // Memory is there; collecting it less often leaves the cores to the brokers.
    env: { GOGC: '400' },
    logFile: join(plan.logFolder, 'temporal.log'), stopWithinMs: 15_000,
    isReady: () => isTemporalHealthy(ports, plan.namespace),
  };
};

/** The namespace is served (through the server's own HTTP API) and the UI answers. */
export const isTemporalHealthy = async (ports: Pick<TemporalPlan['ports'], 'http' | 'ui'>, namespace: string): Promise<boolean> => {
  const asked = [`http://127.0.0.1:${ports.http}/api/v1/namespaces/${namespace}`, ...(ports.ui === null ? [] : [`http://127.0.0.1:${ports.ui}/healthz`])];
  const answers = await Promise.all(asked.map(async (url) => {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    await answer.arrayBuffer();
    return answer.status;
  }));
  return answers.every((status) => status === 200);
};
