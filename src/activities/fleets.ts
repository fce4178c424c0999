/** The processes of applications: stopped and started side by side; believed only when fleet and brokers agree. */
import type { Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import type { Application, Migration } from '../domain/migration.ts';
import type { Cluster, Fleet, FleetState, Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import type { LedgerBook } from './ledger.ts';
import { applicationsOf, both, clusterOf, faultOf, list, nameOf, refuse, unique, type Fault, type Said } from './outside.ts';
import type { Pace } from './pace.ts';
import type { Ask, FleetBefore } from './work.ts';

interface OfApplications extends Ask { readonly applications: readonly string[] }

/** One application with what its fleet says. */
export interface Asked { readonly application: Application; readonly fleet: Fleet; readonly state: FleetState }
export const askAll = (ports: Ports, m: Migration, names: readonly string[], at: At): Promise<readonly Asked[]> =>
  Promise.all(applicationsOf(m, names).map(async (application) => {
    const fleet = ports.fleet(application.fleet);
    return { application, fleet, state: await fleet.ask(application.name, at.until) };
  }));

export const placeOf = (s: FleetState): FleetBefore[string] => {
  if (s.source === 'unknown' || s.target === 'unknown') return 'unknown';
  if (s.source > 0 && s.target > 0) return 'both';
  return s.source > 0 ? 'source' : s.target > 0 ? 'target' : 'stopped';
};

export const fleets = (ports: Ports, record: LedgerBook, pace: Pace) => ({
  captureFleet: (x: OfApplications, at: At): Promise<FleetBefore> => record.capture(x, at, async () =>
    Object.fromEntries((await askAll(ports, x.m, x.applications, at)).map((a) => [a.application.name, placeOf(a.state)]))),

  async stopFleet(x: OfApplications & { readonly only?: Side }, at: At): Promise<Said> {
    const applications = applicationsOf(x.m, x.applications);
    await allOf('Stopping the applications', applications, async (a) => {
      const fromMs = at.now();
      await ports.fleet(a.fleet).stop(a.name, at.until, x.only);
      if (ports.fleet(a.fleet).kind !== 'manual') pace.stopped(a.name, at.now() - fromMs);
    });
    const told = applications.filter((a) => ports.fleet(a.fleet).kind === 'manual').map((a) => a.name);
    // A manual fleet's processes may still be alive: fencing their transactional ids would break them, not tidy up after them.
    const aborted = await abortLeftOpen(ports, x.m, applications.filter((a) => !told.includes(a.name)), at);
    return { say: `stopped ${list(x.applications)}${x.only === undefined ? '' : ` on the ${x.only}`}${told.length > 0 ? ` (${list(told)}: people were told, the brokers will show it)` : ''}${aborted.length > 0 ? `; aborted what ${list(aborted)} left open` : ''}.` };
  },

  async startFleet(x: OfApplications & { readonly on: Side; readonly beside?: true }, at: At): Promise<Said> {
    const applications = applicationsOf(x.m, x.applications);
    if (x.beside) requireBeside(ports, applications);
    await allOf('Starting the applications', applications, (a) => ports.fleet(a.fleet).start(a.name, x.on, at.until, x.beside && 'beside'));
    return { say: `told ${list(x.applications)} to start on the ${x.on}${x.beside ? ' as well' : ''}.` };
  },
});

/** A fleet that knows one set only would take the first one away. */
function requireBeside(ports: Ports, applications: readonly Application[]): void {
  refuse('Starting a second set', lacksBeside(ports, applications), 'Say in the catalog how a second set is run ("beside"), or take a scheme with one set; then retry.');
}
export const lacksBeside = (ports: Ports, applications: readonly Application[]): readonly Fault[] =>
  applications.filter((a) => !ports.fleet(a.fleet).beside).map((a) => ({ type: 'BadCatalog', text: `fleet ${a.fleet} of ${a.name} cannot run a second set of processes beside the first ("beside" is missing in the catalog).` }));

/** Side by side; every refusal in one message. */
async function allOf(what: string, applications: readonly Application[], call: (a: Application) => Promise<void>): Promise<void> {
  const faults = await Promise.all(applications.map((a) => faultOf(() => call(a))));
  const all: readonly Fault[] = faults.flat();
  if (all.length === 1 && all[0]) throw new Failure(all[0].type, all[0].text, '');
  refuse(what, all, 'Look at the named applications, then retry.');
}

/** A killed producer's transaction would hold the log until `transaction.timeout.ms`: declared ids are aborted at once. */
async function abortLeftOpen(ports: Ports, m: Migration, applications: readonly Application[], at: At): Promise<readonly string[]> {
  const ids = unique(applications.flatMap((a) => a.transactionalIds));
  const asked = ids.flatMap((id) => both.map(async (side) => {
    const cluster: Cluster = clusterOf(ports, m, side);
    const transaction = await cluster.transaction(id);
    if (transaction?.state !== 'Ongoing') return [];
    at.until.check();
    await cluster.fenceTransactionalId(id, at.until);
    return [`${id} on ${nameOf(m, side)}`];
  }));
  return (await Promise.all(asked)).flat();
}
