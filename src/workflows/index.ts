/** Every workflow type. The first argument is what a person types; the second is the journal of an earlier run. */
import { migrate, type Result } from './migrate.ts';

export { lock } from './lock.ts';
export { estate } from './estate.ts';
/** Started by `estate` alone. */
export const groundwork = (migration: unknown, journal?: unknown): Promise<Result> => migrate('groundwork', migration, journal);
export { assess } from './assess.ts';
export { reconcile } from './reconcile.ts';
export { verify } from './verify.ts';

export const stopRestartRepeat = (migration: unknown, journal?: unknown): Promise<Result> => migrate('stopRestartRepeat', migration, journal);
export const producerFirst = (migration: unknown, journal?: unknown): Promise<Result> => migrate('producerFirst', migration, journal);
export const consumerFirst = (migration: unknown, journal?: unknown): Promise<Result> => migrate('consumerFirst', migration, journal);
export const stopWaitRestart = (migration: unknown, journal?: unknown): Promise<Result> => migrate('stopWaitRestart', migration, journal);
export const restartAllAtOnce = (migration: unknown, journal?: unknown): Promise<Result> => migrate('restartAllAtOnce', migration, journal);
export const dualConsume = (migration: unknown, journal?: unknown): Promise<Result> => migrate('dualConsume', migration, journal);
export const blueGreen = (migration: unknown, journal?: unknown): Promise<Result> => migrate('blueGreen', migration, journal);
