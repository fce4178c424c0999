/** Consumers first: through the engine, in a world where things go wrong. Its way back: `consumerFirst-back.test.ts`. */
import { properties } from './properties.ts';
import { batched } from './shapes.ts';

properties({ scheme: 'consumerFirst', firstOpening: 'cut enriched/approve the cut', holds: ['move audit/approve the batch', 'cut enriched/approve the cut'], shapes: batched });
