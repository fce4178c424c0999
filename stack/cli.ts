/** `npm run stack -- up|down|status`: a stack that stays after the command, for trying things by hand. */
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { answersApiVersions } from './kafka.ts';
import { isAlive } from './processes.ts';
import { startStack } from './stack.ts';
import type { Variant } from './stack.ts';
import { readState, stopFromState } from './state.ts';
import type { StackState } from './state.ts';
import { isConnectHealthy } from './connect.ts';
import { isTemporalHealthy } from './temporal.ts';

interface Choices { readonly folder: string; readonly json?: true }
type Answer = 'answers' | 'does not answer';
interface ServiceStatus { readonly service: string; readonly address: string; readonly answer: Answer }

const print = (choices: Choices, value: unknown, text: readonly string[]): void => {
  process.stdout.write(choices.json === true ? `${JSON.stringify(value)}\n` : `${text.join('\n')}\n`);
};

const addresses = (state: StackState): readonly string[] => [
  ...(state.temporal === null ? [] : [`Temporal      ${state.temporal.address} (namespace ${state.temporal.namespace})`, `Temporal UI   ${state.temporal.uiUrl ?? 'off'}`]),
  ...Object.entries(state.clusters).map(([name, bootstrap]) => `Kafka ${name.padEnd(7)} ${bootstrap.join(',')}`),
  ...Object.entries(state.connects).map(([name, url]) => `Connect ${name.padEnd(5)} ${url}`),
  `Catalog       ${state.catalogFile}`,
  `Folder, logs  ${state.folder}`,
];

const stop = (line: string): never => { throw new Error(line); };
const stateOf = (folder: string): StackState =>
  readState(folder) ?? stop(`No stack was left running in ${folder}. Start one with "npm run stack -- up", or name its folder with --folder.`);

const up = async (choices: Choices & { readonly variant: Variant }): Promise<void> => {
  const since = Date.now();
  const stack = await startStack({ variant: choices.variant, folder: choices.folder, say: (line) => process.stderr.write(`${line}\n`) });
  stack.detach();
  const state = stateOf(choices.folder);
  print(choices, state, [`The stack is up after ${((Date.now() - since) / 1000).toFixed(1)} s.`, ...addresses(state), `Stop it with  npm run stack -- down --folder ${choices.folder}`]);
};

const down = async (choices: Choices): Promise<void> => {
  const state = stateOf(choices.folder);
  const { stopped, gone } = await stopFromState(state);
  const names = (parts: readonly { readonly name: string }[]): string => parts.map((part) => part.name).join(', ') || 'nothing';
  print(choices, { stopped: stopped.map((part) => part.name), gone: gone.map((part) => part.name), folder: state.folder },
    [`Stopped: ${names(stopped)}.`, ...(gone.length === 0 ? [] : [`Had ended before: ${names(gone)}.`]), `Logs and data stay in ${state.folder}.`]);
};

/** A service that hangs or refuses is down for whoever needs it, whatever the reason. */
const asks = async (ask: () => Promise<boolean>): Promise<Answer> => {
  try {
    return (await ask()) ? 'answers' : 'does not answer';
  } catch {
    return 'does not answer';
  }
};

const servicesOf = (state: StackState): Promise<readonly ServiceStatus[]> => {
  const service = async (name: string, address: string, ask: () => Promise<boolean>): Promise<ServiceStatus> => ({ service: name, address, answer: await asks(ask) });
  const { temporal } = state;
  const uiUrl = temporal?.uiUrl ?? null;
  const uiPort = uiUrl === null ? null : Number(new URL(uiUrl).port);
  return Promise.all([
    ...(temporal === null ? [] : [service('temporal', temporal.address, () => isTemporalHealthy({ http: temporal.httpPort, ui: uiPort }, temporal.namespace))]),
    ...Object.entries(state.clusters).flatMap(([name, bootstrap]) => bootstrap.map((address) => service(`kafka-${name}`, address, () => answersApiVersions(Number(address.split(':')[1]))))),
    ...Object.entries(state.connects).map(([name, url]) => service(`connect-${name}`, url, () => isConnectHealthy(Number(new URL(url).port)))),
  ]);
};

const status = async (choices: Choices): Promise<void> => {
  const state = stateOf(choices.folder);
  const services = await servicesOf(state);
  const parts = state.parts.map((part) => ({ name: part.name, pid: part.pid, running: isAlive(part), logFile: part.logFile }));
  const well = services.every((one) => one.answer === 'answers') && parts.every((part) => part.running);
  print(choices, { well, services, parts, folder: state.folder }, [
    ...services.map((one) => `${one.service.padEnd(14)} ${one.answer.padEnd(15)} ${one.address}`),
    ...parts.filter((part) => !part.running).map((part) => `${part.name.padEnd(14)} has ended; its log is ${part.logFile}`),
    ...addresses(state).slice(-2),
  ]);
  if (!well) process.exitCode = 1;
};

const folder = (): Option => new Option('--folder <dir>', 'data and logs; one stack per folder').default(join(tmpdir(), 'cutover-stack')).argParser((value) => resolve(value));
const json = (): Option => new Option('--json', 'one line of JSON on standard output');

const program = new Command('stack').description('The stack for trying Cutover by hand: Temporal with UI, two Kafka clusters, two Connect workers.');
program.command('up').description('start it and leave it running').addOption(folder()).addOption(json())
  .addOption(new Option('--variant <variant>', 'plain, or with logins and rights').choices(['plain', 'sasl']).default('plain'))
  .action(up);
program.command('down').description('stop it').addOption(folder()).addOption(json()).action(down);
program.command('status').description('ask each service').addOption(folder()).addOption(json()).action(status);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
