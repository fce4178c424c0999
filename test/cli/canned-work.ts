/** Activities of a calm world: every look is done, every write works, every claim holds. For tests of what is said, not of what is done. */
import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Assessment, Work } from '../../src/activities/work.ts';
import type { Migration } from '../../src/domain/migration.ts';
import { expand } from '../../src/domain/parse-migration.ts';

const names = ['shop.orders', 'shop.payments', 'shop.invoices.open', 'shop.invoices.paid'];
function assess({ m }: { readonly m: Migration }): Assessment {
  const resolve = (patterns: readonly string[]): readonly string[] => expand(patterns, names).names;
  const migration = {
    ...m, topics: resolve(m.topics),
    applications: m.applications.map((a) => ({ ...a, writes: resolve(a.writes), reads: a.reads.map((r) => ({ ...r, topics: resolve(r.topics) })) })),
  };
  return {
    migration,
    inventory: {
      clusterIds: { source: 'source-id', target: 'target-id' }, groups: ['billing', 'reports'], authorizer: { source: 'present', target: 'none' },
      topics: migration.topics.map((name) => ({ name, id: `id-${name}`, partitions: 3 })),
    },
  };
}

const aboutStragglers = (x: object): boolean => 'about' in x && typeof x.about === 'object' && x.about !== null && 'kind' in x.about && x.about.kind === 'stragglers';

interface Asked { readonly m: Migration; readonly c?: { readonly before?: string | null } }

export interface Calm { readonly work: Work; /** `false`: the claims at holds do not hold. */ claimsHold: boolean; /** Activities that fail in a way that may pass. */ readonly failing: Set<string> }
export function calm(): Calm {
  const said = (say: string): { say: string; done: true; fromMs: number; toMs: number } => ({ say, done: true, fromMs: Date.now(), toMs: Date.now() });
  const world: { claimsHold: boolean; work: Work; readonly failing: Set<string> } = { claimsHold: true, work: {} as Work, failing: new Set() };
  const special: Readonly<Record<string, (x: Asked) => unknown>> = {
    environment: () => ({ searchAttributes: [] }),
    assess,
    reassess: () => [],
    recall: () => null,
    whereabouts: () => [],
    evidence: (x) => (aboutStragglers(x) ? { claims: [], figures: [], moot: 'nothing came late.' } : { claims: [{ text: 'every partition lags at most 1000 records', holds: world.claimsHold }], figures: ['lag 12 records'] }),
    lookReady: (x) => (x.m.name === 'unseen' && x.c?.before === null ? { ...said('not seen yet'), done: false, picture: 'unanswered' } : said('lookReady: nothing to do')),
    lookCaughtUp: () => ({ ...said('caught up'), figures: { lagRecords: 1_234, recordsPerSecond: 99.6, etaMs: 65_000 } }),
  };
  const answer = (x: Asked): Promise<unknown> => {
    const name = activityInfo().activityType;
    const own = special[name];
    if (world.failing.has(name)) return Promise.reject(ApplicationFailure.create({ type: 'Unreachable', message: 'Cluster west does not answer.' }));
    return Promise.resolve(own ? own(x) : name.startsWith('capture') ? { missing: [] } : said(`${name}: nothing to do`));
  };
  // `default` is Temporal's name for the activity that stands in for all that are not registered.
  world.work = { default: answer } as unknown as Work;
  return world;
}
