/** Stop, wait, restart on an empty target: through the engine, in a world where things go wrong. */
import { bare, chain, demo, pipeline, quietLoop, quietRetries, twoWriters, unfenced, writerOnly } from '../fakes/migrations.ts';
import { properties } from './properties.ts';
import { waysBack } from './wayback.ts';

const [scheme, variant, on] = ['stopWaitRestart', 'nothing copied', bare(demo)] as const;
const shapes = [demo, unfenced, twoWriters, chain, pipeline, writerOnly, quietLoop, quietRetries].map(bare);
properties({ scheme, variant, seldom: true, on, firstOpening: 'cut everything/approve the cut', holds: ['cut everything/approve the cut'], shapes });
waysBack({ scheme, variant, on, shapes });
