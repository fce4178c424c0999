/** Consumers first: through the engine, in a world where things go wrong. */
import { chain, demo, loop, ownReader, pipeline, twoWriters, unfenced, writerOnly } from '../fakes/migrations.ts';
import { properties } from './properties.ts';
import { waysBack } from './wayback.ts';

/** Both consumers in one batch. */
const together = { ...demo, name: 'together', batches: [['audit', 'billing']] };
const shapes = [demo, together, unfenced, twoWriters, chain, pipeline, loop, writerOnly, ownReader];
properties({ scheme: 'consumerFirst', firstOpening: 'cut enriched/approve the cut', holds: ['move audit/approve the batch', 'cut enriched/approve the cut'], shapes });
waysBack({ scheme: 'consumerFirst', shapes });
