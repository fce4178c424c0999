/** The migrations on which schemes are tried, there and back. */
import { chain, demo, loop, ownReader, pipeline, twoWriters, unfenced, writerOnly } from '../fakes/migrations.ts';

export const copied = [demo, unfenced, twoWriters, chain, pipeline, loop, writerOnly, ownReader];
/** Both consumers in one batch. */
const together = { ...demo, name: 'together', batches: [['audit', 'billing']] };
export const batched = [...copied, together];
export const withoutCopy = [demo, unfenced, twoWriters, chain, pipeline, writerOnly];
