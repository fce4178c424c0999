/** Restart all at once on an empty target: through the engine, in a world where things go wrong; no more is lost than was consented to. */
import { chain, demo, loop, losing, ownReader, pipeline, twoWriters, unfenced, writerOnly } from '../fakes/migrations.ts';
import { properties } from './properties.ts';
import { waysBack } from './wayback.ts';

const [scheme, variant, on] = ['restartAllAtOnce', 'nothing copied', losing(demo)] as const;
const shapes = [demo, unfenced, twoWriters, chain, pipeline, loop, ownReader, writerOnly].map((m) => losing(m));
properties({ scheme, variant, seldom: true, on, firstOpening: 'cut everything/approve the cut', holds: ['cut everything/approve the cut'], shapes });
waysBack({ scheme, variant, on, shapes });
