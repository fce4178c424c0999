/** Producers first: through the engine, in a world where things go wrong. */
import { chain, demo, pipeline, twoWriters, unfenced, writerOnly } from '../fakes/migrations.ts';
import { properties } from './properties.ts';
import { waysBack } from './wayback.ts';

properties({ scheme: 'producerFirst', firstOpening: 'cut orders/approve the cut', holds: ['cut orders/approve the cut'], shapes: [demo, unfenced, twoWriters, chain, pipeline, writerOnly] });
waysBack({ scheme: 'producerFirst', shapes: [demo, unfenced, twoWriters, chain, pipeline, writerOnly] });
