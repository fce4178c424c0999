/** Options that several commands share. */
import type { Command } from 'commander';

export interface TemporalFlags { readonly json?: boolean; readonly profile?: string; readonly taskQueue: string }

export const withTemporalFlags = (command: Command): Command => command
  .option('--json', 'JSON on stdout')
  .option('--profile <name>', "profile of Temporal's configuration (as for temporal --profile)")
  .option('--task-queue <name>', "task queue of the workers: the catalog's temporal.taskQueue", process.env['CUTOVER_TASK_QUEUE'] ?? 'cutover');

export const profileOf = (o: Pick<TemporalFlags, 'profile'>): { readonly profile?: string } => (o.profile === undefined ? {} : { profile: o.profile });
