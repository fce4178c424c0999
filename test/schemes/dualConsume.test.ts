/** Dual consume: through the engine, in a world where things go wrong. Order across the switch is not promised. */
import { chain, demo, pipeline, twoWriters, unfenced, writerOnly } from '../fakes/migrations.ts';
import { properties } from './properties.ts';
import { waysBack } from './wayback.ts';

const shapes = [demo, unfenced, twoWriters, chain, pipeline, writerOnly];
properties({ scheme: 'dualConsume', firstOpening: 'cut enriched/approve the cut', holds: ['cut enriched/approve the cut'], shapes });
waysBack({ scheme: 'dualConsume', shapes });
