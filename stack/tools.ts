/** The programs of the stack: the `temporal` binary from the Go module proxy, Kafka's jars from Maven, and what makes Java start fast. */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cacheFolder, ensureArtefact, isCached, keyOf, keyOfFiles } from './cache.ts';
import type { Artefact } from './cache.ts';
import { checkPrerequisites, javaCommand, temporalOnPath } from './prerequisites.ts';
import type { Prerequisite } from './prerequisites.ts';
import { Progress } from './progress.ts';
import type { Task } from './progress.ts';
import { recordArchives } from './archives.ts';

export const jarSetNames = ['broker-source', 'broker-target', 'connect'] as const;
export type JarSetName = (typeof jarSetNames)[number];

export interface JarSet {
  readonly name: JarSetName;
  readonly classpath: string;
  /** A class data archive that halves the start of a JVM; `null`: there is none, it starts without. */
  readonly archive: string | null;
}
export interface KafkaTools {
  readonly java: string;
  readonly jars: Readonly<Record<JarSetName, JarSet>>;
}
/** `null`: not asked for. */
export interface Tools {
  readonly temporal: string | null;
  readonly kafka: KafkaTools | null;
}
/** A stack without brokers needs no Java, one without Temporal no Go. */
export interface Wanted { readonly temporal: boolean; readonly kafka: boolean }

/** Must equal the version in tools/temporal/go.mod: a Go build does not know the version of what it builds. */
export const temporalRelease = '1.8.2';
const here = (...path: readonly string[]): string => join(import.meta.dirname, 'tools', ...path);

/** Runs a build, shows every line to `onLine`, and fails with the last of them. */
const run = async (command: string, args: readonly string[], cwd: string, onLine: (line: string) => void): Promise<void> => {
  const child = spawn(command, [...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const last: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      if (last.push(line) > 15) last.shift();
      onLine(line);
    });
  }
  const code = await new Promise<number | string | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit, signal) => resolve(exit ?? signal));
  });
  if (code !== 0) throw new Error(`"${command} ${args.join(' ')}" in ${cwd} ended with ${code}:\n${last.join('\n')}`);
};

const buildTemporal = async (folder: string, task: Task): Promise<void> => {
  const main = 'github.com/temporalio/cli/cmd/temporal';
  const module = here('temporal');
  task.say('fetching Go modules');
  let packages = 0;
  await run('go', ['list', '-trimpath', '-deps', main], module, () => { packages++; });
  let built = 0;
  task.say(`compiling ${packages} packages`);
  const ldflags = `-s -w -X github.com/temporalio/cli/internal/temporalcli.Version=${temporalRelease}`;
  await run('go', ['build', '-trimpath', '-v', '-ldflags', ldflags, '-o', join(folder, 'temporal'), main], module, () => {
    built++;
    task.say(`${built} of up to ${packages} packages compiled`);
  });
};

const copyJars = (name: JarSetName) => async (folder: string, task: Task): Promise<void> => {
  task.say('fetching jars');
  let fetched = 0;
  await run('mvn', ['-B', '-f', here(name, 'pom.xml'), 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${folder}`], here(name), (line) => {
    if (/^(\[INFO\] )?(Downloaded from|Copying)/.test(line)) task.say(`${++fetched} files fetched or copied`);
  });
  if (jarsIn(folder).length === 0) throw new Error(`Maven ended well and copied no jar for ${name} into ${folder}. Run "mvn -f ${here(name, 'pom.xml')} dependency:copy-dependencies" by hand to see why.`);
};

const temporalArtefact = (): Artefact => ({
  name: 'temporal', lane: 'go', build: buildTemporal,
  key: keyOfFiles([here('temporal', 'go.mod'), here('temporal', 'go.sum')], { platform: `${process.platform}-${process.arch}` }),
});
const jarArtefact = (name: JarSetName): Artefact => ({ name, lane: 'maven', key: keyOfFiles([here(name, 'pom.xml')]), build: copyJars(name) });

const jarsIn = (folder: string): readonly string[] => readdirSync(folder).filter((file) => file.endsWith('.jar')).sort();
/** Spelled out and sorted: a class data archive is only accepted with the class path it was recorded with. */
const classpathOf = (folder: string): string => jarsIn(folder).map((jar) => join(folder, jar)).join(':');

const ensureArchives = async (java: string, version: string, classpaths: Readonly<Record<JarSetName, string>>, progress: Progress): Promise<Readonly<Record<JarSetName, string | null>>> => {
  const artefact: Artefact = {
    name: 'java-archives', lane: 'archives', key: keyOf({ java: version, arch: process.arch, ...classpaths }),
    build: (folder, task) => recordArchives({ java, classpaths, folder, say: (now) => task.say(now) }),
  };
  try {
    const folder = await ensureArtefact(artefact, progress);
    const file = (name: JarSetName): string => join(folder, `${name}.jsa`);
    return { 'broker-source': file('broker-source'), 'broker-target': file('broker-target'), connect: file('connect') };
  } catch (error) {
    // Only speed is lost, so the stack starts without; it is said, and tried again next time.
    process.stderr.write(`set-up · java-archives: could not be recorded, brokers start slower: ${error instanceof Error ? error.message : String(error)}\n`);
    return { 'broker-source': null, 'broker-target': null, connect: null };
  }
};

/** What the stack runs; builds what is missing, side by side where that is safe. Throws `MissingPrerequisites` before it builds anything. */
export const ensureTools = async (wanted: Wanted, progress: Progress = new Progress()): Promise<Tools> => {
  const onPath = wanted.temporal ? await temporalOnPath() : null;
  const needed: Prerequisite[] = wanted.kafka ? ['java'] : [];
  const building: Prerequisite[] = [];
  if (wanted.kafka && jarSetNames.some((name) => !isCached(jarArtefact(name)))) building.push('mvn');
  if (wanted.temporal && onPath === null && !isCached(temporalArtefact())) building.push('go');
  const { java: javaVersion = '' } = await checkPrerequisites([...needed, ...building]);
  if (building.length > 0) process.stderr.write(`set-up · builds what is missing into ${cacheFolder()}, once per machine\n`);

  const [temporal, kafka] = await Promise.all([
    wanted.temporal ? (onPath ?? ensureArtefact(temporalArtefact(), progress).then((folder) => join(folder, 'temporal'))) : null,
    wanted.kafka ? ensureKafka(javaVersion, progress) : null,
  ]);
  return { temporal, kafka };
};

const ensureKafka = async (javaVersion: string, progress: Progress): Promise<KafkaTools> => {
  const java = javaCommand();
  const folders = await Promise.all(jarSetNames.map((name) => ensureArtefact(jarArtefact(name), progress)));
  const classpaths = Object.fromEntries(jarSetNames.map((name, i) => [name, classpathOf(folders[i] ?? '')])) as Record<JarSetName, string>;
  const archives = await ensureArchives(java, javaVersion, classpaths, progress);
  const set = (name: JarSetName): JarSet => ({ name, classpath: classpaths[name], archive: archives[name] });
  return { java, jars: { 'broker-source': set('broker-source'), 'broker-target': set('broker-target'), connect: set('connect') } };
};
