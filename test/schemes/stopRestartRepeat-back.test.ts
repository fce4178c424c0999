/** Stop, restart, repeat, after its openings: through the engine, in a world where things go wrong. */
import { batched } from './shapes.ts';
import { waysBack } from './wayback.ts';

waysBack({ scheme: 'stopRestartRepeat', shapes: batched });
