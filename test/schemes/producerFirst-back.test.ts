/** Producers first, after its openings: through the engine, in a world where things go wrong. */
import { withoutCopy } from './shapes.ts';
import { waysBack } from './wayback.ts';

waysBack({ scheme: 'producerFirst', shapes: withoutCopy });
