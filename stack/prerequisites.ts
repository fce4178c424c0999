/** What must be installed on the machine, asked for only when it is needed; each missing thing is one line that says what to install. */
import { execFile } from 'node:child_process';

export type Prerequisite = 'java' | 'mvn' | 'go';

/** Runs a program and returns all it printed; `null`: there is no such program. */
export type Ask = (command: string, args: readonly string[]) => Promise<string | null>;

/** Several missing things in one error, a line each. */
export class MissingPrerequisites extends Error {
  constructor(lines: readonly string[]) {
    super(lines.join('\n'));
    this.name = 'MissingPrerequisites';
  }
}

interface Need {
  readonly what: string;
  readonly command: () => string;
  readonly args: readonly string[];
  /** Reads the version as numbers, newest part first, out of what the program prints. */
  readonly version: RegExp;
  readonly atLeast: readonly [number, number];
  readonly why: string;
  readonly install: string;
}

export const javaCommand = (): string => (process.env['JAVA_HOME'] ? `${process.env['JAVA_HOME']}/bin/java` : 'java');

const needs: Readonly<Record<Prerequisite, Need>> = {
  java: {
    what: 'Java 17', command: javaCommand, args: ['-version'], version: /version "(?:1\.)?(\d+)(?:\.(\d+))?/, atLeast: [17, 0],
    why: 'runs Kafka and Kafka Connect', install: 'Debian/Ubuntu: apt install openjdk-17-jre-headless; macOS: brew install openjdk@17',
  },
  mvn: {
    what: 'Maven 3.6', command: () => 'mvn', args: ['-version'], version: /Apache Maven (\d+)\.(\d+)/, atLeast: [3, 6],
    why: "fetches Kafka's jars, once", install: 'Debian/Ubuntu: apt install maven; macOS: brew install maven',
  },
  go: {
    what: 'Go 1.21', command: () => 'go', args: ['version'], version: /go version go(\d+)\.(\d+)/, atLeast: [1, 21],
    why: "builds Temporal's server, once; a temporal 1.8.0 or newer on the PATH would do as well", install: 'https://go.dev/dl, or macOS: brew install go',
  },
};

const ask: Ask = (command, args) =>
  new Promise((resolve) => {
    execFile(command, [...args], { timeout: 30_000 }, (error, stdout, stderr) => {
      // Whatever else goes wrong (a wrapper that fails, a broken JAVA_HOME), the version is then missing from the text, and that is said.
      resolve(error !== null && (error as NodeJS.ErrnoException).code === 'ENOENT' ? null : `${stdout}${stderr}`);
    });
  });

const fault = (need: Need, printed: string | null): string | null => {
  const advice = `It ${need.why}. Install it (${need.install}), then try again.`;
  if (printed === null) return `${need.what} or newer is needed and "${need.command()}" was not found. ${advice}`;
  const version = need.version.exec(printed);
  if (version === null) return `${need.what} or newer is needed and "${need.command()} ${need.args.join(' ')}" does not tell a version: ${printed.trim().split('\n')[0] ?? ''}. ${advice}`;
  const [major, minor] = [Number(version[1]), Number(version[2] ?? 0)];
  const enough = major > need.atLeast[0] || (major === need.atLeast[0] && minor >= need.atLeast[1]);
  return enough ? null : `${need.what} or newer is needed and "${need.command()}" is ${major}.${minor}. ${advice}`;
};

/** Throws one `MissingPrerequisites` with a line for each that is missing or too old. Returns what each printed about itself. */
export const checkPrerequisites = async (wanted: readonly Prerequisite[], askWith: Ask = ask): Promise<Readonly<Partial<Record<Prerequisite, string>>>> => {
  const answers = await Promise.all(wanted.map(async (name) => ({ name, printed: await askWith(needs[name].command(), needs[name].args) })));
  const faults = answers.map(({ name, printed }) => fault(needs[name], printed)).filter((line) => line !== null);
  if (faults.length > 0) throw new MissingPrerequisites(faults);
  return Object.fromEntries(answers.map(({ name, printed }) => [name, printed ?? '']));
};

/** `temporal --version` new enough for the flags we start it with? */
export const temporalVersion = (printed: string): readonly [number, number, number] | null => {
  const found = /version v?(\d+)\.(\d+)\.(\d+)/.exec(printed);
  return found === null ? null : [Number(found[1]), Number(found[2]), Number(found[3])];
};
export const isTemporalNewEnough = (printed: string): boolean => {
  const version = temporalVersion(printed);
  return version !== null && (version[0] > 1 || (version[0] === 1 && version[1] >= 8));
};
/** The `temporal` on the PATH, when it is new enough. */
export const temporalOnPath = async (askWith: Ask = ask): Promise<string | null> => {
  const printed = await askWith('temporal', ['--version']);
  return printed !== null && isTemporalNewEnough(printed) ? 'temporal' : null;
};
