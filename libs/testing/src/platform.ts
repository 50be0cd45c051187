import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.js';
import { startService, type Service } from './processes.js';
import { removeWithUs } from './reaper.js';
import { startServers, type Servers } from './servers.js';

const BEHIND_THE_GATEWAY = ['compliance', 'contacts', 'groups', 'imports', 'inbound'] as const;
type Behind = (typeof BEHIND_THE_GATEWAY)[number];
export type PlatformServiceName = Behind | 'gateway';
type Variables = Readonly<Record<string, string>>;

const STORES = ['nats', 'redis', 'eventStore', 'mongo'] as const;
/** Twelve processes may start on two busy cores. */
const READY_MS = 180_000;

/** Every store and every service as real processes on free ports, for journeys and faults across all of them. */
export interface Platform {
  /** Address of the public API, without a slash at the end. */
  readonly url: string;
  readonly operatorKey: string;
  readonly servers: Servers<(typeof STORES)[number]>;
  readonly services: Readonly<Record<PlatformServiceName, Service>>;
  /** Every folder in which anything is kept, by who keeps it there, for searches for personal values. */
  readonly folders: Readonly<Record<(typeof STORES)[number] | 'imports' | 'logs', string>>;
  /** Starts one more process of a service, with the same settings, on a port of its own. It ends with the platform. */
  replica(name: Behind): Promise<Service>;
  /** The last lines that every process printed, together. */
  output(): string;
  /** Ends every process in an orderly way, gateway first and stores last, and keeps the folders. */
  halt(): Promise<void>;
  /** Ends everything and removes every folder. */
  stop(): Promise<void>;
}

export interface PlatformOptions {
  /** More variables for single services. */
  env?: Partial<Record<PlatformServiceName, Variables>>;
}

/** The services of one platform: how each is started, and how all are ended. */
class Fleet {
  readonly started: Service[] = [];

  constructor(
    private readonly settings: Readonly<Record<Behind, Variables>>,
    /** The folder that what they print is written to, a file for each service. */
    private readonly logs: string,
  ) {}

  async start(name: PlatformServiceName, env: Variables, port?: number): Promise<Service> {
    const onLine = (line: string): void => appendFileSync(join(this.logs, `${name}.log`), `${line}\n`);
    const place = port === undefined ? {} : { port };
    const service = await startService(name, env, { onLine, readyMs: READY_MS, ...place });
    this.started.push(service);
    return service;
  }

  replica(name: Behind): Promise<Service> {
    return this.start(name, this.settings[name]);
  }

  async startAllBehind(): Promise<Record<Behind, Service>> {
    const outcomes = await Promise.allSettled(BEHIND_THE_GATEWAY.map((name) => this.replica(name)));
    const entries = outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return [outcome.value.name, outcome.value];
    });
    return Object.fromEntries(entries) as Record<Behind, Service>;
  }

  async stop(): Promise<void> {
    for (const service of this.started) if (service.name === 'gateway') await service.stop();
    await Promise.all(this.started.map((service) => service.stop()));
  }
}

async function folder(name: string): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), `muster-test-${name}-`));
  removeWithUs(path);
  return path;
}

function settingsOf(
  servers: Platform['servers'],
  files: string,
  more: PlatformOptions['env'] = {},
): { stores: Variables; behind: Record<Behind, Variables> } {
  const stores = {
    NATS_URL: servers.nats.url,
    EVENTSTORE_URL: servers.eventStore.url,
    MONGO_URL: servers.mongo.url,
    MASTER_KEY: randomBytes(32).toString('base64'),
    LOG_LEVEL: 'info',
  };
  const imports = { REDIS_URL: servers.redis.url, DATA_DIR: files };
  const entries = BEHIND_THE_GATEWAY.map((name) => [
    name,
    { ...stores, ...(name === 'imports' && imports), ...more[name] },
  ]);
  return { stores, behind: Object.fromEntries(entries) as Record<Behind, Variables> };
}

/** Starts the whole platform; everything must be built. When a part does not start, the rest is ended. */
export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const servers = await startServers({ nats: true, redis: true, eventStore: true, mongo: true });
  const { nats, redis, eventStore, mongo } = servers;
  const [files, logs] = [await folder('imports'), await folder('logs')];
  const { stores, behind } = settingsOf(servers, files, options.env);
  const fleet = new Fleet(behind, logs);
  const folders = {
    nats: nats.dir,
    redis: redis.dir,
    eventStore: eventStore.dir,
    mongo: mongo.dir,
    imports: files,
    logs,
  };
  const stop = async (): Promise<void> => {
    await fleet.stop();
    await servers.stop();
    for (const path of [files, logs]) await rm(path, { recursive: true, force: true });
  };
  const halt = async (): Promise<void> => {
    await fleet.stop();
    await Promise.all([nats, redis, eventStore, mongo].map((server) => server.kill('SIGTERM')));
  };
  const operatorKey = `op_${randomBytes(24).toString('base64url')}`;
  try {
    const started = await fleet.startAllBehind();
    const port = await freePort();
    const addresses = { PUBLIC_URL: `http://127.0.0.1:${port}`, IMPORTS_URL: started.imports.url };
    const env = { ...stores, OPERATOR_KEY: operatorKey, ...addresses, ...options.env?.gateway };
    const gateway = await fleet.start('gateway', env, port);
    const services = { ...started, gateway };
    const replica = (name: Behind): Promise<Service> => fleet.replica(name);
    const output = (): string =>
      [nats, redis, eventStore, mongo, ...fleet.started].map((process) => process.output()).join('\n');
    return { url: gateway.url, operatorKey, servers, services, folders, replica, output, halt, stop };
  } catch (failure) {
    await stop();
    throw failure;
  }
}
