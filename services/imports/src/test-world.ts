import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AccountEvent } from '@muster/contracts/account';
import { addField } from '@muster/contracts/field';
import type { Envelope } from '@muster/contracts/envelope';
import { uuid7 } from '@muster/contracts/ids';
import { ImportView, getImport, mapImport, startImport, type Target } from '@muster/contracts/import';
import { databaseName, streamName } from '@muster/contracts/names';
import type { Subject } from '@muster/contracts/subject';
import { EventStore } from '@muster/event-store/event-store';
import { KeyRing } from '@muster/event-store/keys';
import { Bus } from '@muster/runtime/bus';
import { Database } from '@muster/runtime/database';
import { systemEnvelope } from '@muster/runtime/envelopes';
import { createLog } from '@muster/runtime/log';
import { Metrics } from '@muster/runtime/metrics';
import { eventually } from '@muster/testing/eventually';
import { startService, type Service } from '@muster/testing/processes';
import { startServers, type Servers } from '@muster/testing/servers';
import type { z } from 'zod';

const NAMES = ['compliance', 'contacts', 'groups', 'imports'] as const;
const MASTER_KEY = Buffer.alloc(32, 7);
const IMPORT_MS = 180_000;

/** Real servers and the four real services that an import touches, each a process of its own. */
export class World {
  readonly account = uuid7();

  private constructor(
    readonly servers: Servers<'nats' | 'redis' | 'eventStore' | 'mongo'>,
    readonly services: Record<(typeof NAMES)[number], Service>,
    readonly dataDir: string,
    readonly bus: Bus,
    readonly store: EventStore,
    readonly ring: KeyRing,
    private readonly keys: Database,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  static async start(more: Readonly<Record<string, string>> = {}): Promise<World> {
    const servers = await startServers({ nats: true, redis: true, eventStore: true, mongo: true });
    const dataDir = await mkdtemp(join(tmpdir(), 'muster-test-imports-'));
    const env = {
      NATS_URL: servers.nats.url,
      EVENTSTORE_URL: servers.eventStore.url,
      MONGO_URL: servers.mongo.url,
      REDIS_URL: servers.redis.url,
      DATA_DIR: dataDir,
      MASTER_KEY: MASTER_KEY.toString('base64'),
      LOG_LEVEL: 'info',
      DRAIN_MS: '2000',
      ...more,
    };
    const started = await Promise.all(NAMES.map((name) => startService(name, env)));
    const services = Object.fromEntries(started.map((service) => [service.name, service]));
    const log = createLog('spec', 'silent');
    const keys = new Database(servers.mongo.url, databaseName('keys'), log);
    const ring = new KeyRing(keys.connection, MASTER_KEY);
    const store = new EventStore(servers.eventStore.url, ring);
    const bus = new Bus({ service: 'spec', natsUrl: servers.nats.url, log, metrics: new Metrics('spec') });
    await bus.connect();
    const world = new World(servers, services as World['services'], dataDir, bus, store, ring, keys, env);
    await world.openAccount();
    return world;
  }

  async stop(): Promise<void> {
    await this.bus.close();
    await this.store.close();
    await this.keys.close();
    await Promise.all(Object.values(this.services).map((service) => service.stop()));
    await this.servers.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** A second imports process beside the first. */
  replica(): Promise<Service> {
    return startService('imports', this.env);
  }

  by(): Envelope {
    return systemEnvelope(this.account, { source: { kind: 'api' } });
  }

  ask<I extends z.ZodType, O extends z.ZodType>(
    subject: Subject<I, O>,
    input: z.input<I>,
    envelope = this.by(),
  ): Promise<z.output<O>> {
    return this.bus.ask(subject, envelope, input);
  }

  async upload(content: string | Buffer, more: Record<string, string> = {}): Promise<Response> {
    const query = new URLSearchParams({
      account: this.account,
      fileName: 'people.csv',
      envelope: Buffer.from(JSON.stringify(this.by())).toString('base64url'),
      ...more,
    });
    return fetch(`${this.services.imports.url}/uploads?${query}`, { method: 'POST', body: content });
  }

  async uploaded(content: string | Buffer, more: Record<string, string> = {}): Promise<ImportView> {
    const answer = await this.upload(content, more);
    if (answer.status !== 201) throw new Error(`upload: ${answer.status} ${await answer.text()}`);
    return ImportView.parse(await answer.json());
  }

  /** Uploads, maps and starts; answers the id. */
  async begin(
    content: string | Buffer,
    columns: Target[],
    more: Record<string, string> = {},
    header = true,
  ): Promise<string> {
    const { id } = await this.uploaded(content, more);
    await this.ask(mapImport, { id, header, columns });
    await this.ask(startImport, { id, consent: { source: 'Paper form' } });
    return id;
  }

  async look(id: string): Promise<ImportView> {
    return (await this.ask(getImport, { id })).import;
  }

  /** Waits until the import has ended and is visible everywhere. */
  async ended(id: string): Promise<ImportView> {
    let view: ImportView | undefined;
    await eventually(async () => {
      view = await this.look(id);
      return view.state !== 'running' && view.visible;
    }, IMPORT_MS);
    return view as ImportView;
  }

  async rejected(id: string): Promise<string> {
    const path = `/imports/${id}/rejected.csv?account=${this.account}`;
    const answer = await fetch(this.services.imports.url + path);
    return Buffer.from(await answer.arrayBuffer()).toString();
  }

  private async openAccount(): Promise<void> {
    const opened: AccountEvent = {
      type: 'AccountOpened',
      data: { accountId: this.account, name: 'Test', timeZone: 'UTC', defaultCountry: 'US' },
    } as AccountEvent;
    await this.store.append(streamName('account', this.account), [opened], 'no_stream', this.by());
    await this.ask(addField, { key: 'plan', name: 'Plan', type: 'choice', choices: ['free', 'gold', 'vip'] });
    await this.ask(addField, { key: 'city', name: 'City', type: 'text' });
    await this.ask(addField, { key: 'age', name: 'Age', type: 'number' });
  }
}

/** A file of `count` people whose numbers nobody else has. */
export function people(count: number, from = 0): string {
  const lines = Array.from({ length: count }, (_, n) => {
    const serial = String(2_000_000 + from + n);
    return `First${n},Last${n},+1 212 ${serial.slice(0, 3)} ${serial.slice(3)},gold`;
  });
  return `First name,Last name,Phone,Plan\n${lines.join('\n')}\n`;
}

export const PEOPLE_COLUMNS: Target[] = ['firstName', 'lastName', 'phone', 'field:plan'];
