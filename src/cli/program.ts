/** The command line as one value: commands, options, and how anything that is thrown becomes one message and an exit code. */
import { Command, CommanderError } from 'commander';
import { Failure } from '../domain/failures.ts';
import { Stop, type ExitCode, type Io } from './io.ts';
import { checkCommand } from './check.ts';
import { decideCommand, rollbackCommand } from './decide.ts';
import { doctorCommand } from './doctor.ts';
import { estateCommand } from './estate.ts';
import { reconcileCommand } from './reconcile.ts';
import { recoverCommand } from './recover.ts';
import { planCommand } from './plan.ts';
import { rehearseCommand } from './rehearse.ts';
import { recommendCommand } from './recommend.ts';
import { startCommand } from './start.ts';
import { statusCommand } from './status.ts';
import { explain, failureType } from './temporal.ts';
import { verifyCommand } from './verify.ts';
import { workerCommand } from './worker.ts';

export type Run = (action: (io: Io) => Promise<ExitCode>) => Promise<void>;

/** Runs one command line (without `node` and the script) and answers its exit code; throws nothing. */
export async function runCli(argv: readonly string[], io: Io): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const program = new Command('cutover');
  const run: Run = async (action) => { exitCode = await action(io); };
  program
    .description('Moves Kafka applications from one cluster to another: durably, exactly and reversibly.')
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showHelpAfterError('(cutover help shows the commands)');
  for (const add of [planCommand, checkCommand, rehearseCommand, startCommand, statusCommand, decideCommand, rollbackCommand, recoverCommand, reconcileCommand, verifyCommand, estateCommand, workerCommand, doctorCommand, recommendCommand]) add(program, run);
  for (const command of program.commands) command.exitOverride();
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    return failed(error, io);
  }
}

function failed(error: unknown, io: Io): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // already told by commander
  io.err(`${explain(error, null).trimEnd()}\n`);
  if (error instanceof Stop) return error.exitCode;
  const type = error instanceof Failure ? error.type : failureType(error);
  return type === 'BadMigration' || type === 'BadCatalog' ? 2 : 1;
}
