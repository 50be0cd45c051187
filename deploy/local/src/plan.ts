import { join } from 'node:path';
import { repository, STORES, type Settings, type Store } from './config.js';
import type { ProcessName } from './ports.js';

export const SERVICES = ['compliance', 'contacts', 'groups', 'imports', 'inbound', 'gateway'] as const;
export type ServiceName = (typeof SERVICES)[number];

export interface Secrets {
  masterKey: string;
  operatorKey: string;
}

/** How it is known that a process may be used: an HTTP 200, or a TCP port that answers as expected. */
export type Ready =
  { kind: 'http'; url: string } | { kind: 'tcp'; port: number; send?: string; expect?: RegExp };

export interface ProcessSpec {
  name: ProcessName;
  /** Processes of one stage start together; a stage starts when the one before it is ready. Stopped in reverse. */
  stage: number;
  file: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  ready: Ready;
}

/**
 * Room for the youngest objects, in megabytes a half: a chunk of an import lives for a quarter of a second, and with the
 * 16 of the default most of it is copied, once or twice, before it dies.
 */
const NODE_OPTIONS = ['--max-semi-space-size=64'];

const STORE_STAGE = 0;
const SERVICE_STAGE = 1;
const GATEWAY_STAGE = 2;

/** The stores that the stack has to start itself, because no address is configured for them. */
export function ownStores(settings: Settings): Store[] {
  return STORES.filter((store) => settings.external[store] === undefined);
}

/** The processes whose ports must be free. */
export function neededPorts(settings: Settings): ProcessName[] {
  return [...SERVICES, ...ownStores(settings)];
}

/** Where each store is reached: the configured address, or the one on this machine. */
export function addresses(settings: Settings): Record<Store, string> {
  const { external, ports } = settings;
  return {
    eventstore: external.eventstore ?? `esdb://127.0.0.1:${ports.eventstore}?tls=false`,
    mongo: external.mongo ?? `mongodb://127.0.0.1:${ports.mongo}`,
    nats: external.nats ?? `nats://127.0.0.1:${ports.nats}`,
    redis: external.redis ?? `redis://127.0.0.1:${ports.redis}`,
  };
}

export const gatewayUrl = (settings: Settings): string => `http://127.0.0.1:${settings.ports.gateway}`;

export const dataFolder = (settings: Settings, name: ProcessName): string =>
  join(settings.state, 'data', name);

/** Prints a port as an argument; every server listens on the loopback interface only. */
function storeSpec(settings: Settings, store: Store): Omit<ProcessSpec, 'name' | 'stage' | 'env'> {
  const port = settings.ports[store];
  const dir = dataFolder(settings, store);
  switch (store) {
    case 'nats':
      return {
        file: 'nats-server',
        args: ['-a', '127.0.0.1', '-p', `${port}`, '-js', '-sd', dir],
        ready: { kind: 'tcp', port, expect: /^INFO / },
      };
    case 'redis': {
      const durable = [
        '--appendonly',
        'yes',
        '--appendfsync',
        'everysec',
        '--maxmemory-policy',
        'noeviction',
      ];
      return {
        file: 'redis-server',
        args: ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', dir, '--save', '', ...durable],
        ready: { kind: 'tcp', port, send: 'PING\r\n', expect: /^\+PONG/ },
      };
    }
    default:
      return {
        file: process.execPath,
        args: [
          ...NODE_OPTIONS,
          join(repository, `libs/embedded-${store}/dist/main.js`),
          '--data',
          dir,
          '--port',
          `${port}`,
        ],
        ready: { kind: 'tcp', port },
      };
  }
}

/** The variables of a service: addresses and its own port, and what only single services need. */
export function serviceEnvironment(
  settings: Settings,
  secrets: Secrets,
  name: ServiceName,
): Record<string, string> {
  const stores = addresses(settings);
  const env: Record<string, string> = {
    NATS_URL: stores.nats,
    EVENTSTORE_URL: stores.eventstore,
    MONGO_URL: stores.mongo,
    MASTER_KEY: secrets.masterKey,
    HTTP_HOST: '127.0.0.1',
    HTTP_PORT: `${settings.ports[name]}`,
    LOG_LEVEL: settings.logLevel,
  };
  if (name === 'imports') {
    env['REDIS_URL'] = stores.redis;
    env['DATA_DIR'] = dataFolder(settings, 'imports');
  }
  if (name === 'gateway') {
    env['OPERATOR_KEY'] = secrets.operatorKey;
    env['PUBLIC_URL'] = settings.publicUrl ?? gatewayUrl(settings);
    env['IMPORTS_URL'] = `http://127.0.0.1:${settings.ports.imports}`;
  }
  return env;
}

/** Everything that has to run, in the order in which it is started. */
export function plan(settings: Settings, secrets: Secrets): ProcessSpec[] {
  const stores = ownStores(settings).map((store): ProcessSpec => ({
    name: store,
    stage: STORE_STAGE,
    env: {},
    ...storeSpec(settings, store),
  }));
  const services = SERVICES.map((name): ProcessSpec => ({
    name,
    stage: name === 'gateway' ? GATEWAY_STAGE : SERVICE_STAGE,
    file: process.execPath,
    args: [...NODE_OPTIONS, join(repository, 'services', name, 'dist/main.js')],
    env: serviceEnvironment(settings, secrets, name),
    ready: { kind: 'http', url: `http://127.0.0.1:${settings.ports[name]}/health/ready` },
  }));
  return [...stores, ...services];
}

/** The plan in stages, first to last. */
export function stages(specs: readonly ProcessSpec[]): ProcessSpec[][] {
  const numbers = [...new Set(specs.map(({ stage }) => stage))].sort((a, b) => a - b);
  return numbers.map((stage) => specs.filter((spec) => spec.stage === stage));
}
