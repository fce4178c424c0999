/** Stop, wait, restart with a copy of the history: through the engine, in a world where things go wrong. */
import { chain, demo, pipeline, quietLoop, quietRetries, twoWriters, unfenced, writerOnly } from '../fakes/migrations.ts';
import { properties } from './properties.ts';
import { waysBack } from './wayback.ts';

const shapes = [demo, unfenced, twoWriters, chain, pipeline, writerOnly, quietLoop, quietRetries];
properties({ scheme: 'stopWaitRestart', firstOpening: 'cut everything/approve the cut', holds: ['cut everything/approve the cut'], shapes });
waysBack({ scheme: 'stopWaitRestart', shapes });
