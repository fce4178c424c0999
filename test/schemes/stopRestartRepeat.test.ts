/** Stop, restart, repeat: through the engine, in a world where things go wrong. Its way back: `stopRestartRepeat-back.test.ts`. */
import { properties } from './properties.ts';
import { batched } from './shapes.ts';

properties({ scheme: 'stopRestartRepeat', firstOpening: 'cut enriched/approve the cut', holds: ['approve/approve the move', 'cut enriched/approve the cut'], shapes: batched });
