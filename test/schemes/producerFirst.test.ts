/** Producers first: through the engine, in a world where things go wrong. Its way back: `producerFirst-back.test.ts`. */
import { properties } from './properties.ts';
import { withoutCopy } from './shapes.ts';

properties({ scheme: 'producerFirst', firstOpening: 'cut orders/approve the cut', holds: ['cut orders/approve the cut'], shapes: withoutCopy });
