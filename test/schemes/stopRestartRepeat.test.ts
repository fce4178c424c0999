/** Stop, restart, repeat: through the engine, in a world where things go wrong. */
import { chain, demo, loop, ownReader, pipeline, twoWriters, unfenced, writerOnly } from '../fakes/migrations.ts';
import { properties } from './properties.ts';
import { waysBack } from './wayback.ts';

properties({ scheme: 'stopRestartRepeat', firstOpening: 'cut enriched/approve the cut', holds: ['approve/approve the move', 'cut enriched/approve the cut'], shapes: [demo, unfenced, twoWriters, chain, pipeline, loop, writerOnly, ownReader] });
waysBack({ scheme: 'stopRestartRepeat', shapes: [demo, unfenced, twoWriters, chain, pipeline, loop, writerOnly, ownReader] });
