/**
 * Kafka Connect's REST interface, typed. Absence is a value (`null`), a rebalance is waited out, and no error carries what a
 * connector's configuration says: Connect hands passwords out in clear.
 */
import { z } from 'zod';
import { Failure } from '../../domain/failures.ts';
import { believed, firstLine, habits, notConnect, type Answer, type Habits, type Patience, type Request } from './http.ts';

const states = ['RUNNING', 'PAUSED', 'STOPPED', 'FAILED', 'UNASSIGNED', 'RESTARTING'] as const;
const state = z.enum(states).catch('UNASSIGNED');
const rootShape = z.object({ version: z.string(), kafka_cluster_id: z.string() });
const pluginsShape = z.array(z.object({ class: z.string(), version: z.string().nullish() }));
const statusShape = z.object({
  connector: z.object({ state, trace: z.string().nullish() }),
  tasks: z.array(z.object({ id: z.number(), state, trace: z.string().nullish() })),
});
const tasksShape = z.array(z.object({ id: z.object({ connector: z.string(), task: z.number() }), config: z.record(z.string(), z.string().nullable()) }));
const configShape = z.record(z.string(), z.string().nullable());
const offsetsShape = z.object({ offsets: z.array(z.object({ partition: z.record(z.string(), z.unknown()), offset: z.record(z.string(), z.unknown()).nullable() })) });
const validationShape = z.object({
  error_count: z.number(),
  configs: z.array(z.object({ value: z.object({ name: z.string(), errors: z.array(z.string()) }) })),
});
const listShape = z.record(z.string(), z.object({ info: z.object({ config: configShape }).nullish(), status: statusShape.nullish() }));

export type Root = z.infer<typeof rootShape>;
export type ConnectorStatus = z.infer<typeof statusShape>;
export type ConnectorConfig = Readonly<Record<string, string>>;
export type ConnectorTask = { readonly id: number; readonly config: Readonly<Record<string, string | null>> };
export interface StoredOffset { readonly partition: Readonly<Record<string, unknown>>; readonly offset: Readonly<Record<string, unknown>> | null }
export interface ListedConnector { readonly name: string; readonly config: Readonly<Record<string, string | null>>; readonly state: ConnectorStatus['connector']['state'] | 'unknown'; readonly tasks: number }

/** Every call throws `Unreachable`, `Unauthorized`, `BadCatalog` or `Unsupported`; 404 of a connector is `null` or `absent`. */
export interface ConnectRest {
  readonly url: string;
  root(p: Patience): Promise<Root>;
  plugins(p: Patience): Promise<readonly string[]>;
  /** One sentence per fault, values left out. */
  validate(config: ConnectorConfig, p: Patience): Promise<readonly string[]>;
  list(p: Patience): Promise<readonly ListedConnector[]>;
  /** By name, of those whose state it knows. */
  statuses(p: Patience): Promise<ReadonlyMap<string, ConnectorStatus>>;
  createStopped(name: string, config: ConnectorConfig, p: Patience): Promise<'created' | 'exists'>;
  /** These settings alone; `null` takes one away. Where it is to run the connector begins anew, tasks and all. `unknown`: a worker before 3.8, which cannot. */
  change(name: string, settings: Readonly<Record<string, string | null>>, p: Patience): Promise<'accepted' | 'absent' | 'unknown'>;
  /** All of its settings: what is left out is gone. One that is not there is `created`, and would run. */
  configure(name: string, config: ConnectorConfig, p: Patience): Promise<'accepted' | 'created'>;
  config(name: string, p: Patience): Promise<Readonly<Record<string, string | null>> | null>;
  status(name: string, p: Patience): Promise<ConnectorStatus | null>;
  tasks(name: string, p: Patience): Promise<readonly ConnectorTask[] | null>;
  stop(name: string, p: Patience): Promise<'accepted' | 'absent'>;
  resume(name: string, p: Patience): Promise<'accepted' | 'absent'>;
  /** The connector alone, or one task: done when answered, and without a write to Connect's own topics. */
  restart(name: string, p: Patience): Promise<'accepted' | 'absent'>;
  restartTask(name: string, task: number, p: Patience): Promise<'accepted' | 'absent'>;
  remove(name: string, p: Patience): Promise<'accepted' | 'absent'>;
  offsets(name: string, p: Patience): Promise<readonly StoredOffset[] | null>;
  /** The connector must be STOPPED without tasks. */
  patchOffsets(name: string, offsets: readonly StoredOffset[], p: Patience): Promise<void>;
  resetOffsets(name: string, p: Patience): Promise<void>;
}

export function createConnectRest(url: string, h: Habits = habits): ConnectRest {
  const base = url.replace(/\/+$/, '');
  const ask = (r: Request, p: Patience): Promise<Answer> => believed(base, r, p, h);
  const of = (name: string, tail = ''): string => `/connectors/${encodeURIComponent(name)}${tail}`;
  const read = async <T>(r: Request, shape: z.ZodType<T>, p: Patience): Promise<T | null> => {
    const answer = await ask(r, p);
    return answer.status === 404 ? null : parsed(base, r, shape, answer);
  };
  const must = async <T>(r: Request, shape: z.ZodType<T>, p: Patience): Promise<T> => {
    const value = await read(r, shape, p);
    if (value === null) throw notConnect(base, r);
    return value;
  };
  const act = async (r: Request, p: Patience): Promise<'accepted' | 'absent'> => ((await ask(r, p)).status === 404 ? 'absent' : 'accepted');
  return {
    url: base,
    root: (p) => must({ method: 'GET', path: '/', what: 'ask who it is' }, rootShape, p),
    plugins: async (p) => (await must({ method: 'GET', path: '/connector-plugins', what: 'list its plugins' }, pluginsShape, p)).map((x) => x.class),
    validate: async (config, p) => {
      const plugin = (config['connector.class'] ?? '').split('.').at(-1) ?? '';
      const v = await must({ method: 'PUT', path: `/connector-plugins/${plugin}/config/validate`, body: config, what: 'validate a connector configuration', quiet: true }, validationShape, p);
      return v.error_count === 0 ? [] : v.configs.flatMap((c) => c.value.errors.map((e) => validationFault(c.value.name, e)));
    },
    list: async (p) => Object.entries(await must({ method: 'GET', path: '/connectors?expand=info&expand=status', what: 'list its connectors' }, listShape, p))
      .map(([name, c]) => ({ name, config: c.info?.config ?? {}, state: c.status?.connector.state ?? 'unknown', tasks: c.status?.tasks.length ?? 0 })),
    statuses: async (p) => new Map(Object.entries(await must({ method: 'GET', path: '/connectors?expand=status', what: 'list the states of its connectors' }, listShape, p))
      .flatMap(([name, { status }]) => (status ? [[name, status] as const] : []))),
    createStopped: async (name, config, p) => {
      const answer = await ask({ method: 'POST', path: '/connectors', body: { name, config, initial_state: 'STOPPED' }, what: `create connector ${name}`, quiet: true }, p);
      return answer.status === 409 ? 'exists' : 'created';
    },
    change: async (name, settings, p) => {
      const { status } = await ask({ method: 'PATCH', path: of(name, '/config'), body: settings, what: `change settings of connector ${name}`, quiet: true, recent: true }, p);
      return status === 404 ? 'absent' : status === 405 ? 'unknown' : 'accepted';
    },
    configure: async (name, config, p) => ((await ask({ method: 'PUT', path: of(name, '/config'), body: config, what: `set the configuration of connector ${name}`, quiet: true }, p)).status === 201 ? 'created' : 'accepted'),
    config: (name, p) => read({ method: 'GET', path: of(name, '/config'), what: `read the configuration of connector ${name}`, quiet: true }, configShape, p),
    status: (name, p) => read({ method: 'GET', path: of(name, '/status'), what: `read the status of connector ${name}` }, statusShape, p),
    tasks: async (name, p) => (await read({ method: 'GET', path: of(name, '/tasks'), what: `read the tasks of connector ${name}`, quiet: true }, tasksShape, p))?.map((t) => ({ id: t.id.task, config: t.config })) ?? null,
    stop: (name, p) => act({ method: 'PUT', path: of(name, '/stop'), what: `stop connector ${name}` }, p),
    resume: (name, p) => act({ method: 'PUT', path: of(name, '/resume'), what: `resume connector ${name}` }, p),
    restart: (name, p) => act({ method: 'POST', path: of(name, '/restart'), what: `restart connector ${name}` }, p),
    restartTask: (name, task, p) => act({ method: 'POST', path: of(name, `/tasks/${task}/restart`), what: `restart task ${task} of connector ${name}` }, p),
    remove: (name, p) => act({ method: 'DELETE', path: of(name), what: `delete connector ${name}` }, p),
    offsets: async (name, p) => (await read({ method: 'GET', path: of(name, '/offsets'), what: `read the stored offsets of connector ${name}` }, offsetsShape, p))?.offsets ?? null,
    patchOffsets: async (name, offsets, p) => {
      if ((await act({ method: 'PATCH', path: of(name, '/offsets'), body: { offsets }, what: `set the stored offsets of connector ${name}` }, p)) === 'absent')
        throw new Failure('Drift', `Connector ${name} is gone from Connect at ${base}; its offsets could not be set.`);
    },
    resetOffsets: async (name, p) => void (await act({ method: 'DELETE', path: of(name, '/offsets'), what: `reset the stored offsets of connector ${name}` }, p)),
  };
}

function parsed<T>(base: string, r: Request, shape: z.ZodType<T>, answer: Answer): T {
  const result = shape.safeParse(answer.body);
  if (result.success) return result.data;
  // Paths only: a message of the parser may quote values.
  const where = result.error.issues.slice(0, 3).map((i) => i.path.join('.') || 'the whole answer').join(', ');
  throw new Failure('BadCatalog', `Connect at ${base}, asked to ${r.what}, gave an answer of another shape (${where}).`, 'Check that the URL is that of a Kafka Connect 3.7 or newer.');
}

/** Keys and what is wrong with them; values are cut out where Kafka's messages quote them. */
const validationFault = (key: string, error: string): string =>
  /jaas|password|secret|keystore|truststore/i.test(key) ? `${key} is refused` : `${key}: ${firstLine(error).replace(/Invalid value .* for configuration/i, 'invalid value for')}`;
