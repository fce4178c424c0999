/** Every scheme by its workflow type. */
import type { Scheme } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';
import { blueGreen } from './blueGreen.ts';
import { consumerFirst } from './consumerFirst.ts';
import { dualConsume } from './dualConsume.ts';
import { producerFirst } from './producerFirst.ts';
import { restartAllAtOnce } from './restartAllAtOnce.ts';
import { stopRestartRepeat } from './stopRestartRepeat.ts';
import { stopWaitRestart } from './stopWaitRestart.ts';

export const schemes = { stopRestartRepeat, producerFirst, consumerFirst, dualConsume, stopWaitRestart, restartAllAtOnce, blueGreen } as const satisfies Record<string, Scheme<Use>>;
export type SchemeName = keyof typeof schemes;
export const isSchemeName = (name: string): name is SchemeName => Object.hasOwn(schemes, name);
/** Schemes whose target is fed by a mirror: they need a Connect worker. The others copy nothing, or need not. */
export const copies: Readonly<Record<SchemeName, boolean>> = { stopRestartRepeat: true, producerFirst: false, consumerFirst: true, dualConsume: false, stopWaitRestart: false, restartAllAtOnce: false, blueGreen: true };
/** Those that copy where a Connect worker is declared ("connect"), and nothing where none is. */
export const copiesEither: readonly SchemeName[] = ['stopWaitRestart', 'restartAllAtOnce'];
/** Which of them copy, by name, where this Connect worker is declared, or none. */
export const copiesWith = (connect: string | null): Readonly<Record<string, boolean>> =>
  Object.fromEntries((Object.keys(schemes) as SchemeName[]).map((name) => [name, copies[name] || (connect !== null && copiesEither.includes(name))]));
