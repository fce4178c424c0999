/** Which Kafka release a cluster runs: the finalized `metadata.version`, else what its API versions give away. */
import type { apiVersionsV3 } from '@platformatic/kafka';

/** First feature level of each release, newest first (enum MetadataVersion of Kafka 3.9.2 and 4.3.1). A release that added levels may run with an older one until its upgrade is finalized. */
const firstLevels: readonly (readonly [level: number, release: string])[] = [
  [31, '4.4'], [30, '4.3'], [28, '4.2'], [26, '4.1'], [22, '4.0'], [21, '3.9'], [20, '3.8'], [15, '3.7'], [12, '3.6'], [9, '3.5'], [8, '3.4'], [4, '3.3'], [3, '3.2'], [2, '3.1'], [1, '3.0'],
];
/** The newest level whose release we know; a higher one is a release after this table. */
const newestKnownLevel = 31;
const fetch = 1;
const findCoordinator = 10;

type Answer = Pick<apiVersionsV3.ApiVersionsResponse, 'apiKeys' | 'finalizedFeatures'>;

export function releaseOf(answer: Answer): string {
  const level = answer.finalizedFeatures?.find((feature) => feature.name === 'metadata.version')?.maxVersionLevel;
  if (level !== undefined) return level > newestKnownLevel ? 'unknown' : (firstLevels.find(([first]) => level >= first)?.[1] ?? 'unknown');
  return releaseByApis(answer);
}

/** Clusters under ZooKeeper finalize nothing. FindCoordinator 6 and Fetch 17 came with 3.9, FindCoordinator 5 with 3.8, Fetch 16 with 3.7; 4.0 dropped Fetch below 4. */
function releaseByApis({ apiKeys }: Answer): string {
  const max = (api: number): number => apiKeys.find((one) => one.apiKey === api)?.maxVersion ?? -1;
  if ((apiKeys.find((one) => one.apiKey === fetch)?.minVersion ?? 4) >= 4) return 'unknown';
  if (max(findCoordinator) === 6 && max(fetch) === 17) return '3.9';
  if (max(findCoordinator) === 5) return '3.8';
  if (max(findCoordinator) === 4 && max(fetch) === 16) return '3.7';
  return 'unknown';
}
