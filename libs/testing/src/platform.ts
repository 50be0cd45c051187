import { randomBytes } from 'node:crypto';
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

/** Every store and every service as real processes on free ports, for journeys and faults across all of them. */
export interface Platform {
  /** Address of the public API, without a slash at the end. */
  readonly url: string;
  readonly operatorKey: string;
  readonly servers: Servers<'nats' | 'redis' | 'eventStore' | 'mongo'>;
  readonly services: Readonly<Record<PlatformServiceName, Service>>;
  /** Every folder in which anything is kept, for searches for personal values. */
  readonly folders: readonly string[];
  /** The last lines that every process printed, together. */
  output(): string;
  /** Ends everything, gateway first and stores last, and removes every folder. */
  stop(): Promise<void>;
}

export interface PlatformOptions {
  /** More variables for single services. */
  env?: Partial<Record<PlatformServiceName, Readonly<Record<string, string>>>>;
}

/** Starts the whole platform; everything must be built. When a part does not start, the rest is ended. */
export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const servers = await startServers({ nats: true, redis: true, eventStore: true, mongo: true });
  const files = await mkdtemp(join(tmpdir(), 'muster-test-imports-'));
  removeWithUs(files);
  const started: Service[] = [];
  const stop = async (): Promise<void> => {
    for (const service of started.toReversed()) if (service.name === 'gateway') await service.stop();
    await Promise.all(started.map((service) => service.stop()));
    await servers.stop();
    await rm(files, { recursive: true, force: true });
  };
  const operatorKey = `op_${randomBytes(24).toString('base64url')}`;
  const stores = {
    NATS_URL: servers.nats.url,
    EVENTSTORE_URL: servers.eventStore.url,
    MONGO_URL: servers.mongo.url,
    MASTER_KEY: randomBytes(32).toString('base64'),
    LOG_LEVEL: 'info',
  };
  const start = async (
    name: PlatformServiceName,
    own: Record<string, string>,
    port?: number,
  ): Promise<Service> => {
    const service = await startService(
      name,
      { ...stores, ...own, ...options.env?.[name] },
      port ? { port } : {},
    );
    started.push(service);
    return service;
  };
  try {
    const imports = { REDIS_URL: servers.redis.url, DATA_DIR: files };
    const outcomes = await Promise.allSettled(
      BEHIND_THE_GATEWAY.map((name) => start(name, name === 'imports' ? imports : {})),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    const port = await freePort();
    const byName = (name: string): Service => started.find((service) => service.name === name) as Service;
    const own = {
      OPERATOR_KEY: operatorKey,
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      IMPORTS_URL: byName('imports').url,
    };
    const gateway = await start('gateway', own, port);
    const behind = Object.fromEntries(BEHIND_THE_GATEWAY.map((name) => [name, byName(name)]));
    const services = { ...(behind as Record<Behind, Service>), gateway };
    const { nats, redis, eventStore, mongo } = servers;
    const folders = [nats.dir, redis.dir, eventStore.dir, mongo.dir, files];
    const output = (): string =>
      [nats, redis, eventStore, mongo, ...started].map((process) => process.output()).join('\n');
    return { url: gateway.url, operatorKey, servers, services, folders, output, stop };
  } catch (failure) {
    await stop();
    throw failure;
  }
}
