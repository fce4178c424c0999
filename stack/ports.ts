/**
 * Free ports that stay ours: outside the range the kernel hands out to clients, reserved by a file, then probed by binding.
 *
 * Binding port 0 and closing it again is a race: until the service binds, the kernel may give the port to any client
 * connection, and two stacks starting side by side may be given the same one.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify, isAlive } from './processes.ts';
import type { ProcessId } from './processes.ts';

/** Below every platform's default range for outgoing connections (Linux 32768, macOS and Windows 49152). */
const [lowest, highest] = [20_000, 32_000];

export interface PortReservation {
  readonly ports: readonly number[];
  /** One per port; whoever ends the reservation for us removes them. */
  readonly files: readonly string[];
  /** The reservation outlives this process: it now lasts as long as `owner` does. */
  handTo(owner: ProcessId): void;
  release(): void;
}

const reservations = (): string => join(tmpdir(), 'cutover-ports');
const fileOf = (port: number): string => join(reservations(), String(port));

export const reservePorts = async (count: number): Promise<PortReservation> => {
  mkdirSync(reservations(), { recursive: true });
  const ports: number[] = [];
  const span = highest - lowest;
  const from = Math.floor(Math.random() * span);
  for (let i = 0; i < span && ports.length < count; i++) {
    const port = lowest + ((from + i) % span);
    if (reserve(port)) {
      if (await canBind(port)) ports.push(port);
      else rmSync(fileOf(port), { force: true });
    }
  }
  const release = (): void => { for (const port of ports) rmSync(fileOf(port), { force: true }); };
  if (ports.length < count) {
    release();
    throw new Error(`Found ${ports.length} of ${count} free ports between ${lowest} and ${highest}. Stop what uses them, then start again.`);
  }
  return { ports, files: ports.map(fileOf), release, handTo: (owner) => { for (const port of ports) writeFileSync(fileOf(port), JSON.stringify(owner)); } };
};

/** True: the port is ours now. A stale reservation is only cleared; taking it in the same breath could take it from a third. */
const reserve = (port: number): boolean => {
  try {
    writeFileSync(fileOf(port), JSON.stringify(identify(process.pid)), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (ownerIsGone(port)) rmSync(fileOf(port), { force: true });
    return false;
  }
};

const ownerIsGone = (port: number): boolean => {
  try {
    const owner = JSON.parse(readFileSync(fileOf(port), 'utf8')) as ProcessId | null;
    return owner === null || !isAlive(owner);
  } catch {
    return false; // being written, or gone already
  }
};

const canBind = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
