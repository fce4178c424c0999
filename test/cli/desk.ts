/** A desk to give commands at: a real Temporal that the command line finds as `temporal` does, and a folder for migration files. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Work } from '../../src/activities/work.ts';
import { startServer, taskQueue, type Server } from '../workflows/server.ts';

export interface Case { readonly file: string; readonly id: string }
export interface Desk extends AsyncDisposable {
  readonly server: Server;
  readonly folder: string;
  /** The example under another name, written to the folder. */
  migration(name: string, more?: object): Promise<Case>;
}

export async function openDesk(work: Work): Promise<Desk> {
  const kept = { ...process.env };
  const server = await startServer(work);
  const folder = await mkdtemp(join(tmpdir(), 'cutover-cli-'));
  const env = { TEMPORAL_ADDRESS: server.stack.temporal.address, TEMPORAL_NAMESPACE: server.stack.temporal.namespace, CUTOVER_TASK_QUEUE: taskQueue };
  Object.assign(process.env, env);
  const example = JSON.parse(await readFile(fileURLToPath(new URL('../../examples/migration.json', import.meta.url)), 'utf8')) as object;
  return {
    server, folder,
    migration: async (name, more = {}) => {
      const file = join(folder, `${name}.json`);
      await writeFile(file, JSON.stringify({ ...example, ...more, name }));
      return { file, id: `cutover/east/west/${name}` };
    },
    [Symbol.asyncDispose]: async () => {
      for (const name of Object.keys(env)) {
        if (kept[name] === undefined) delete process.env[name];
        else process.env[name] = kept[name];
      }
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}
