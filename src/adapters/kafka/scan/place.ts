/** Where in which log something was seen: the first words of every message of the reader. */
import type { TopicPartition } from '../../../domain/ports.ts';
import { Failure } from '../../../domain/failures.ts';

export interface Place extends TopicPartition {
  /** Catalog name, when known. */
  readonly cluster: string | undefined;
}

export const placeText = (place: Place): string => `Partition ${place.topic}/${place.partition}${place.cluster === undefined ? '' : ` of cluster ${place.cluster}`}`;

/** Bytes that cannot be what a producer sent. Reading on would compare wrong data, so nothing is skipped. */
export const corrupt = (place: Place, offset: bigint, seen: string): Failure =>
  new Failure('Drift', `${placeText(place)} holds a damaged record batch at offset ${offset}: ${seen}.`, 'Move the leadership of the partition to a healthy replica (or restore the log), then retry.');
