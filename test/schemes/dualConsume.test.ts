/** Dual consume: through the engine, in a world where things go wrong. Order across the switch is not promised. Its way back: `dualConsume-back.test.ts`. */
import { properties } from './properties.ts';
import { withoutCopy } from './shapes.ts';

properties({ scheme: 'dualConsume', firstOpening: 'cut enriched/approve the cut', holds: ['cut enriched/approve the cut'], shapes: withoutCopy });
