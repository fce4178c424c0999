/** The processes of applications: stopped and started side by side; believed only when fleet and brokers agree. */
import type { Side } from '../domain/authority.ts';
import { Failure } from '../domain/failures.ts';
import { groupsOf, type Application, type Migration } from '../domain/migration.ts';
import type { Cluster, Fleet, FleetState, Ports } from '../domain/ports.ts';
import type { At } from './boundary.ts';
import { requireExplicit, type PlacedLately } from './explicit.ts';
import type { LedgerBook } from './ledger.ts';
import { applicationsOf, both, clusterOf, faultOf, list, nameOf, refuse, unique, type Fault, type Said } from './outside.ts';
import type { Pace } from './pace.ts';
import type { Ask, FleetBefore } from './work.ts';

interface OfApplications extends Ask { readonly applications: readonly string[] }

/** Whether the application has a fleet for each side, which then knows of its own processes only. */
export const hasTwoSets = (m: Migration, a: Application): boolean => m.blueGreen?.fleets[a.name] !== undefined;
/** The fleet with the processes on one side. */
const fleetOn = (ports: Ports, m: Migration, a: Application, on: Side): Fleet => ports.fleet(on === 'source' ? a.fleet : (m.blueGreen?.fleets[a.name] ?? a.fleet));
/** One fleet for both sides, whether it is one or two in the catalog. */
export function fleetOf(ports: Ports, m: Migration, a: Application): Fleet {
  if (!hasTwoSets(m, a)) return ports.fleet(a.fleet);
  const [blue, green] = both.map((side) => fleetOn(ports, m, a, side));
  if (!blue || !green) return ports.fleet(a.fleet);
  return {
    kind: blue.kind === 'manual' ? green.kind : blue.kind,
    beside: true,
    stop: async (name, until, only) => { await Promise.all([...(only === 'target' ? [] : [blue.stop(name, until)]), ...(only === 'source' ? [] : [green.stop(name, until)])]); },
    start: (name, on, until) => (on === 'source' ? blue : green).start(name, on, until),
    ask: async (name, until) => {
      const [b, g] = await Promise.all([blue.ask(name, until), green.ask(name, until)]);
      return { source: b.source, target: g.target, say: `blue: ${b.say}; green: ${g.say}` };
    },
  };
}
/** Nobody is left there; of an application with one fleet for both sides, nowhere. */
export const isGoneFrom = (m: Migration, a: Asked, on: Side): boolean => (hasTwoSets(m, a.application) ? a.state[on] === 0 : a.state.source === 0 && a.state.target === 0);

/** One application with what its fleet says. */
export interface Asked { readonly application: Application; readonly fleet: Fleet; readonly state: FleetState }
export const askAll = (ports: Ports, m: Migration, names: readonly string[], at: At): Promise<readonly Asked[]> =>
  Promise.all(applicationsOf(m, names).map(async (application) => {
    const fleet = fleetOf(ports, m, application);
    return { application, fleet, state: await fleet.ask(application.name, at.until) };
  }));

export const placeOf = (s: FleetState): FleetBefore[string] => {
  if (s.source === 'unknown' || s.target === 'unknown') return 'unknown';
  if (s.source > 0 && s.target > 0) return 'both';
  return s.source > 0 ? 'source' : s.target > 0 ? 'target' : 'stopped';
};

export const fleets = (ports: Ports, record: LedgerBook, { pace, placed }: { readonly pace: Pace; readonly placed: PlacedLately }) => ({
  captureFleet: (x: OfApplications, at: At): Promise<FleetBefore> => record.capture(x, at, async () =>
    Object.fromEntries((await askAll(ports, x.m, x.applications, at)).map((a) => [a.application.name, placeOf(a.state)]))),

  async stopFleet(x: OfApplications & { readonly only?: Side; readonly on?: Side }, at: At): Promise<Said> {
    const applications = applicationsOf(x.m, x.applications);
    const fleetHere = (a: Application): Fleet => (x.on === undefined ? fleetOf(ports, x.m, a) : fleetOn(ports, x.m, a, x.on));
    await allOf('Stopping the applications', applications, async (a) => {
      const fromMs = at.now();
      await fleetHere(a).stop(a.name, at.until, x.only);
      if (fleetHere(a).kind !== 'manual') pace.stopped(a.name, at.now() - fromMs, at.now());
    });
    // Wherever they were at work they had a place until now: an undo that starts them again asks nobody.
    for (const side of both) placed.mark(applications.flatMap(groupsOf), side, at.now());
    const told = applications.filter((a) => fleetHere(a).kind === 'manual').map((a) => a.name);
    // A manual fleet's processes may still be alive: fencing their transactional ids would break them, not tidy up after them.
    const aborted = await abortLeftOpen(ports, x.m, { applications: applications.filter((a) => !told.includes(a.name)), on: x.on, only: x.only }, at);
    return { say: `stopped ${list(x.applications)}${x.only === undefined ? '' : ` on the ${x.only}`}${told.length > 0 ? ` (${list(told)}: people were told, the brokers will show it)` : ''}${aborted.length > 0 ? `; aborted what ${list(aborted)} left open` : ''}.` };
  },

  async startFleet(x: OfApplications & { readonly on: Side; readonly beside?: true }, at: At): Promise<Said> {
    const applications = applicationsOf(x.m, x.applications);
    if (x.beside) requireBeside(ports, applications);
    await requireExplicit(ports, placed, x, at);
    await allOf('Starting the applications', applications, (a) => fleetOf(ports, x.m, a).start(a.name, x.on, at.until, x.beside && 'beside'));
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
async function abortLeftOpen(ports: Ports, m: Migration, o: { readonly applications: readonly Application[]; readonly on: Side | undefined; readonly only: Side | undefined }, at: At): Promise<readonly string[]> {
  // Of two sets the one on the other side still works with the same ids.
  const sides = (id: string): readonly Side[] => both.filter((side) => (o.only ?? side) === side).filter((side) => o.on === undefined || side === o.on || !o.applications.some((a) => a.transactionalIds.includes(id) && hasTwoSets(m, a)));
  const ids = unique(o.applications.flatMap((a) => a.transactionalIds));
  const asked = ids.flatMap((id) => sides(id).map(async (side) => {
    const cluster: Cluster = clusterOf(ports, m, side);
    const transaction = await cluster.transaction(id);
    if (transaction?.state !== 'Ongoing') return [];
    at.until.check();
    await cluster.fenceTransactionalId(id, at.until);
    return [`${id} on ${nameOf(m, side)}`];
  }));
  return (await Promise.all(asked)).flat();
}
