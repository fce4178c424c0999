/** The composition root: catalog → adapters → activities → Temporal worker. */
import { Client } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Runtime, Worker, makeTelemetryFilterString } from '@temporalio/worker';
import { Connection } from '@temporalio/client';
import { createReconcile, createWork } from '../activities/create.ts';
import { createVerify } from '../activities/verify.ts';
import type { Work } from '../activities/work.ts';
import { loadCatalog } from '../adapters/catalog/load.ts';
import { createComparer } from '../adapters/kafka/compare/comparer.ts';
import { createLocks, registeredSearchAttributes } from '../adapters/temporal/locks.ts';
import { redact } from '../adapters/secrets/secrets.ts';
import { workflowBundle } from './bundle.ts';
import { openPorts } from './ports.ts';

export interface WorkerOptions {
  /** Called once, with the line that says so, when the worker polls its queue. */
  readonly onReady?: (line: string) => void;
  /** For tests: faults put around activities. */
  readonly wrap?: (work: Work) => Work;
}

export async function runWorker(catalogFile: string, options: WorkerOptions = {}): Promise<void> {
  const catalog = await loadCatalog(catalogFile);
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  Runtime.install({ telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} } } });
  const [connection, clientConnection, bundle] = await Promise.all([NativeConnection.connect(connectionOptions), Connection.connect(connectionOptions), workflowBundle()]);
  const client = new Client({ connection: clientConnection, namespace });
  const ports = openPorts(catalog);
  const comparer = createComparer(catalog);
  try {
    const { taskQueue } = catalog.temporal;
    const work = createWork(ports, {
      registeredSearchAttributes: () => registeredSearchAttributes(client),
      locks: createLocks(client, taskQueue),
      redact, comparer,
    });
    const worker = await Worker.create({
      connection, namespace, taskQueue,
      workflowBundle: { codePath: bundle },
      activities: { ...(options.wrap ? options.wrap(work) : work), ...createVerify(ports, { comparer, redact }), ...createReconcile(ports, { redact }) },
      // A cancel reaches an activity with its next heartbeat: throttled to 80 % of the timeout by default.
      maxHeartbeatThrottleInterval: '200ms',
      // With the default of 10 s an outage ended 17 s after its worker was killed; with this one 5 s.
      stickyQueueScheduleToStartTimeout: '1s',
      shutdownGraceTime: '3s',
      shutdownForceTime: '10s',
    });
    options.onReady?.(`ready: polling ${taskQueue} in ${namespace}`);
    await worker.run();
  } finally {
    await Promise.all([ports.close(), comparer.close()]);
    await clientConnection.close();
    await connection.close();
  }
}
