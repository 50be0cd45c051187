import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { uuid7 } from '@muster/contracts/ids';
import { EventStore } from '@muster/event-store/event-store';
import { KeyRing } from '@muster/event-store/keys';
import { Accounts } from '@muster/event-store/accounts';
import { eventually } from '@muster/testing/eventually';
import { repository, startServers, type Servers } from '@muster/testing/servers';
import { Injectable, Module, type DynamicModule } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bootstrap, type Running } from './bootstrap.js';
import { Bus } from './bus.js';
import type { RuntimeEnv } from './config.js';
import { Database } from './database.js';
import { ServiceEnv } from './edge.module.js';
import { Log } from './log.js';
import { Metrics } from './metrics.js';
import { Readiness } from './readiness.js';
import { RuntimeModule } from './runtime.module.js';

const isBuilt = ['embedded-eventstore', 'embedded-mongo'].every((lib) =>
  existsSync(join(repository, 'libs', lib, 'dist', 'main.js')),
);

@Injectable()
class Everything {
  constructor(
    readonly bus: Bus,
    readonly readiness: Readiness,
    readonly log: Log,
    readonly metrics: Metrics,
    readonly eventStore: EventStore,
    readonly keys: KeyRing,
    readonly accounts: Accounts,
    readonly database: Database,
    readonly env: ServiceEnv,
  ) {}
}

@Module({})
class RootModule {}

function root(env: RuntimeEnv): DynamicModule {
  const imports = [RuntimeModule.forService('contacts', env)];
  return { module: RootModule, imports, providers: [Everything] };
}

describe.skipIf(!isBuilt)('the stores of a service', () => {
  let servers: Servers<'nats' | 'eventStore' | 'mongo'>;
  let service: Running | undefined;
  beforeEach(async () => {
    servers = await startServers({ nats: true, eventStore: true, mongo: true });
  });
  afterEach(async () => {
    await service?.close();
    service = undefined;
    await servers.stop();
  });

  async function host(prepare?: (httpPort: () => number) => void): Promise<Running> {
    const env: RuntimeEnv = {
      NATS_URL: servers.nats.url,
      EVENTSTORE_URL: servers.eventStore.url,
      MONGO_URL: servers.mongo.url,
      MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
      HTTP_HOST: '127.0.0.1',
      HTTP_PORT: 0,
      LOG_LEVEL: 'silent',
      DRAIN_MS: 2_000,
    };
    service = await bootstrap({
      service: 'contacts',
      module: root(env),
      env,
      prepare: (app) =>
        prepare?.(() => (app.getHttpServer().address() as { port: number } | null)?.port ?? 0),
    });
    return service;
  }

  it('are injected by class and usable', async () => {
    const { app } = await host();
    const all = app.get(Everything);
    expect(all.env.env.MONGO_URL).toBe(servers.mongo.url);
    await all.database.collection<{ _id: string }>('things').insertOne({ _id: 'one' });
    expect(await all.database.collection('things').countDocuments()).toBe(1);
    expect(all.database.connection.name).toBe('muster_contacts');
    const [key] = await all.keys.newKeys(1);
    const keyDatabase = all.database.connection.getClient().db('muster_keys');
    expect(await keyDatabase.collection('data_keys').countDocuments()).toBe(1);
    expect((await all.keys.get([key!.id])).get(key!.id)?.secret).toEqual(key!.secret);
    expect(await all.eventStore.read(`contact-${uuid7()}_${uuid7()}`, {})).toEqual([]);
    await expect(all.accounts.get(uuid7())).rejects.toMatchObject({ code: 'account:not_found' });
  });

  it('may be down when the service starts', async () => {
    await Promise.all([servers.mongo.kill(), servers.eventStore.kill()]);
    let port = (): number => 0;
    const starting = host((httpPort) => (port = httpPort));
    const health = async (): Promise<{ missing: string[] }> =>
      (await (await fetch(`http://127.0.0.1:${port()}/health/ready`)).json()) as { missing: string[] };
    await eventually(async () => expect((await health()).missing).toContain('mongo'));
    expect((await health()).missing).toEqual(['mongo', 'eventstore', 'accounts', 'requests']);
    await Promise.all([servers.mongo.restart(), servers.eventStore.restart()]);
    const { app } = await starting;
    const { keys, database } = app.get(Everything);
    await database.collection<{ _id: string }>('things').insertOne({ _id: 'one' });
    expect(await keys.newKeys(2)).toHaveLength(2);
  });

  it('make the service not ready when they go down later, and ready when they are back', async () => {
    const { app } = await host();
    const readiness = app.get(Readiness);
    await servers.mongo.kill();
    await eventually(async () => (await readiness.missing()).includes('mongo'));
    await servers.mongo.restart();
    await servers.eventStore.kill();
    await eventually(async () => (await readiness.missing()).includes('eventstore'));
    await servers.eventStore.restart();
    await eventually(async () => (await readiness.missing()).length === 0, 30_000);
  });
});
