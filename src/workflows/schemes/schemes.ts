/** Every scheme by its workflow type. */
import type { Scheme } from '../../domain/scheme.ts';
import type { Use } from '../resources/use.ts';
import { consumerFirst } from './consumerFirst.ts';
import { producerFirst } from './producerFirst.ts';
import { stopRestartRepeat } from './stopRestartRepeat.ts';

export const schemes = { stopRestartRepeat, producerFirst, consumerFirst } as const satisfies Record<string, Scheme<Use>>;
export type SchemeName = keyof typeof schemes;
export const isSchemeName = (name: string): name is SchemeName => Object.hasOwn(schemes, name);
/** Schemes whose target is fed by a mirror: they need a Connect worker. */
export const copies: Readonly<Record<SchemeName, boolean>> = { stopRestartRepeat: true, producerFirst: false, consumerFirst: true };
