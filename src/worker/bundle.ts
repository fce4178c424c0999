/** The workflow code as one bundle, kept in the cache folder under the hash of its sources: a restarted worker is back sooner. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const src = fileURLToPath(new URL('..', import.meta.url));

async function sourceHash(): Promise<string> {
  const hash = createHash('sha256');
  hash.update(await readFile(new URL('../../package-lock.json', import.meta.url)));
  for (const folder of ['domain', 'workflows', 'activities']) {
    const files = (await readdir(join(src, folder), { recursive: true })).filter((f) => f.endsWith('.ts')).sort();
    for (const file of files) hash.update(`${folder}/${file}\0`).update(await readFile(join(src, folder, file)));
  }
  return hash.digest('hex').slice(0, 24);
}

/** Path of the bundle; built when the sources changed. */
export async function workflowBundle(): Promise<string> {
  const cache = process.env['CUTOVER_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'cutover');
  const path = join(cache, 'workflows', `${await sourceHash()}.js`);
  if (await readFile(path).then(() => true, () => false)) return path;
  const { code } = await bundleWorkflowCode({ workflowsPath: join(src, 'workflows', 'index.ts') });
  await mkdir(join(cache, 'workflows'), { recursive: true });
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, code);
  await rename(draft, path);
  return path;
}
