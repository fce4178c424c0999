/**
 * Records class data archives: what a JVM of the stack loads while it starts, in a form it can map in place of parsing.
 *
 * A broker starts in about 2 s in place of 4, a Connect worker in 3 in place of 7. The recording runs once per machine: both
 * brokers and a Connect worker are started, asked whether they are ready, and stopped, which writes the archives.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareConnect } from './connect.ts';
import { bootstrapOf, newClusterId, prepareBroker } from './kafka.ts';
import { openHousehold } from './household.ts';
import type { Household } from './household.ts';
import { RunningPart } from './part.ts';
import type { PartSpec } from './part.ts';
import { reservePorts } from './ports.ts';
import type { JarSetName } from './tools.ts';

interface Recording {
  readonly java: string;
  readonly classpaths: Readonly<Record<JarSetName, string>>;
  /** Receives `<jar set>.jsa`. */
  readonly folder: string;
  say(now: string): void;
}

export const recordArchives = async (of: Recording): Promise<void> => {
  const scratch = mkdtempSync(join(tmpdir(), 'cutover-archives-'));
  const household = openHousehold({ folder: scratch, removeFolder: true });
  const ports = await reservePorts(5);
  try {
    of.say('starting brokers once to record what they load');
    const [c1 = 0, k1 = 0, c2 = 0, k2 = 0, rest = 0] = ports.ports;
    const jars = (name: JarSetName): { name: JarSetName; classpath: string; archive: null } => ({ name, classpath: of.classpaths[name], archive: null });
    const plan = (name: JarSetName, client: number, controller: number): Parameters<typeof prepareBroker>[0] => ({
      java: of.java, jars: jars(name), aim: 'start', name, folder: join(scratch, name), logFolder: scratch,
      ports: [{ client, controller }], clusterId: newClusterId(), logins: null, settings: {},
    });
    const target = plan('broker-target', c2, k2);
    const source = recorder(of, household, 'broker-source', await prepareBroker(plan('broker-source', c1, k1), 0));
    const broker = recorder(of, household, 'broker-target', await prepareBroker(target, 0));
    await Promise.all([source.start().then(() => source.stop()), broker.start()]);
    const worker = recorder(of, household, 'connect', prepareConnect({
      java: of.java, jars: jars('connect'), aim: 'start', groupId: 'record', port: rest, bootstrap: bootstrapOf(target.ports),
      replicationFactor: 1, login: null, folder: join(scratch, 'connect'), logFolder: scratch, settings: {},
    }));
    of.say('starting Connect once to record what it loads');
    await worker.start();
    of.say('writing the archives');
    await worker.stop();
    await broker.stop();
    requireArchives(of);
  } finally {
    await household.endAll();
    household.close();
    ports.release();
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
};

const recorder = (of: Recording, household: Household, name: JarSetName, spec: PartSpec): RunningPart => {
  mkdirSync(of.folder, { recursive: true });
  return new RunningPart({ ...spec, args: [`-XX:ArchiveClassesAtExit=${join(of.folder, `${name}.jsa`)}`, ...spec.args], stopWithinMs: 90_000 }, household);
};

const requireArchives = ({ folder, classpaths }: Recording): void => {
  const missing = Object.keys(classpaths).filter((name) => !existsSync(join(folder, `${name}.jsa`)));
  if (missing.length > 0) throw new Error(`Java wrote no class data archive for ${missing.join(', ')}.`);
};
