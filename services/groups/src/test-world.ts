import { Controller, type DynamicModule } from '@nestjs/common';
import type { AccountEvent } from '@muster/contracts/account';
import { changesSince, type ConsentEvent, type Standing } from '@muster/contracts/consent';
import type { ContactEvent } from '@muster/contracts/contact';
import type { DetailKind } from '@muster/contracts/detail';
import type { Envelope } from '@muster/contracts/envelope';
import { uuid7 } from '@muster/contracts/ids';
import { streamName } from '@muster/contracts/names';
import type { Subject } from '@muster/contracts/subject';
import { EventStore } from '@muster/event-store/event-store';
import { KeyRing, type DataKey } from '@muster/event-store/keys';
import { detailKeys } from '@muster/phone/detail';
import { bootstrap, type Running } from '@muster/runtime/bootstrap';
import { Bus } from '@muster/runtime/bus';
import { Database } from '@muster/runtime/database';
import { systemEnvelope } from '@muster/runtime/envelopes';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { RuntimeModule } from '@muster/runtime/runtime.module';
import { startServers, type Servers } from '@muster/testing/servers';
import type { z } from 'zod';
import { LoopObserver } from './audience.loop.js';
import { GroupsEnv } from './config.js';
import { groupsModule } from './groups.module.js';

interface Change {
  key: string;
  standing: Standing;
  since: string;
  position: number;
}

/** What was said, as the ledger's heads would have it: every statement is in here before it is acknowledged. */
class Said {
  readonly changes = new Map<string, Change>();
  complete = true;
  /** What was said before here is more than can be told. */
  completeFrom = 0;
}

@Controller()
class LedgerStandIn {
  constructor(private readonly said: Said) {}

  @Handles(changesSince)
  async changes({ input }: Ask<typeof changesSince>): Promise<AnswerOf<typeof changesSince>> {
    const changes = [...this.said.changes.values()].filter((change) => change.position > input.after);
    return {
      changes,
      complete: this.said.complete && input.after >= this.said.completeFrom,
      position: Math.max(0, ...changes.map((one) => one.position)),
    };
  }
}

class LedgerModule {}

function ledgerModule(env: GroupsEnv, said: Said): DynamicModule {
  return {
    module: LedgerModule,
    imports: [RuntimeModule.forService('compliance', env)],
    controllers: [LedgerStandIn],
    providers: [{ provide: Said, useValue: said }],
  };
}

/** Asks and answers nothing. */
function observerModule(env: GroupsEnv): DynamicModule {
  return { module: LedgerModule, imports: [RuntimeModule.forService('gateway', env)] };
}

export interface NewContact {
  phone?: string;
  email?: string;
  firstName?: string;
  lastName?: string;
  fields?: Record<string, string | number | boolean>;
  noBasis?: boolean;
}

/** Real servers with the groups service on them, and hands that write what contacts and compliance would write. */
export class World {
  readonly account = uuid7();
  private readonly spare: DataKey[] = [];
  private readonly revisions = new Map<string, number>();
  private readonly contacts = new Map<string, { kind: DetailKind; key: string; primary: boolean }[]>();
  running: Running | null = null;

  private constructor(
    readonly servers: Servers<'nats' | 'eventStore' | 'mongo'>,
    readonly env: GroupsEnv,
    private readonly ledger: Running,
    readonly said: Said,
  ) {}

  /** Without `ledger`, compliance is somebody else's to start. */
  static async start({ ledger: standIn = true } = {}): Promise<World> {
    const servers = await startServers({ nats: true, eventStore: true, mongo: true });
    const env = GroupsEnv.parse({
      NATS_URL: servers.nats.url,
      EVENTSTORE_URL: servers.eventStore.url,
      MONGO_URL: servers.mongo.url,
      MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
      HTTP_PORT: 0,
      LOG_LEVEL: 'error',
      LEASE_MS: 900,
      DRAIN_MS: 500,
    });
    const said = new Said();
    const module = standIn ? ledgerModule(env, said) : observerModule(env);
    const ledger = await bootstrap({ service: standIn ? 'compliance' : 'gateway', module, env });
    const world = new World(servers, env, ledger, said);
    await world.openAccount();
    return world;
  }

  async stop(): Promise<void> {
    await this.running?.close();
    await this.ledger.close();
    await this.servers.stop();
  }

  /** Starts the groups service and waits until it is ready. */
  async startGroups(observer = new LoopObserver()): Promise<Running> {
    this.running = await bootstrap({
      service: 'groups',
      module: groupsModule(this.env, observer),
      env: this.env,
    });
    return this.running;
  }

  async stopGroups(): Promise<void> {
    await this.running?.close();
    this.running = null;
  }

  get store(): EventStore {
    return this.ledger.app.get(EventStore);
  }

  get keys(): KeyRing {
    return this.ledger.app.get(KeyRing);
  }

  /** The database of the groups service. */
  get database() {
    return this.ledger.app.get(Database).connection.getClient().db('muster_groups');
  }

  envelope(): Envelope {
    return systemEnvelope(this.account, { source: { kind: 'api' } });
  }

  ask<I extends z.ZodType, O extends z.ZodType>(
    subject: Subject<I, O>,
    input: z.input<I>,
    envelope: Envelope = this.envelope(),
  ): Promise<z.output<O>> {
    return this.ledger.app.get(Bus).ask(subject, envelope, input);
  }

  async keyOf(kind: DetailKind, value: string): Promise<string> {
    return detailKeys(await this.keys.peppers(this.account), kind, value)[0] as string;
  }

  private async openAccount(): Promise<void> {
    const data = { accountId: this.account, name: 'Example Club', timeZone: 'UTC', defaultCountry: 'US' };
    const opened: AccountEvent = { type: 'AccountOpened', data };
    await this.store.append(streamName('account', this.account), [opened], 'no_stream', this.envelope());
  }

  /** A data key of its own for every event; made by the hundred, as imports do. */
  private async nextKey(): Promise<DataKey> {
    for (;;) {
      const next = this.spare.pop();
      if (next) return next;
      this.spare.push(...(await this.keys.newKeys(100)));
    }
  }

  async append(stream: string, events: { type: string; data: object }[], sealed = false): Promise<number> {
    const expected = this.revisions.get(stream) ?? -1;
    const key = sealed ? await this.nextKey() : undefined;
    const appended = await this.store.append(stream, events, expected, this.envelope(), key);
    this.revisions.set(stream, appended.revision);
    return appended.position;
  }

  async register(contact: NewContact, id: string = uuid7()): Promise<{ id: string; position: number }> {
    const given = [
      ...(contact.phone ? [{ kind: 'phone' as const, value: contact.phone }] : []),
      ...(contact.email ? [{ kind: 'email' as const, value: contact.email }] : []),
    ];
    const keyed = await Promise.all(
      given.map(async ({ kind, value }) => ({ kind, value, key: await this.keyOf(kind, value) })),
    );
    const details = keyed.map(({ kind, key }) => ({ kind, key, primary: true }));
    this.contacts.set(id, details);
    const { firstName, lastName, fields, noBasis } = contact;
    const registered: ContactEvent = {
      type: 'ContactRegistered',
      data: {
        contactId: id,
        details,
        values: Object.fromEntries(keyed.map(({ key, value }) => [key, value])),
        ...(noBasis ? {} : { basis: { source: 'form', at: '2026-01-02T03:04:05.678Z' } }),
        firstName,
        lastName,
        fields,
      },
    };
    return { id, position: await this.append(streamName('contact', this.account, id), [registered], true) };
  }

  async changeContact(id: string, event: ContactEvent): Promise<number> {
    return this.append(streamName('contact', this.account, id), [event], true);
  }

  async delete(id: string): Promise<number> {
    const details = this.contacts.get(id) ?? [];
    return this.changeContact(id, { type: 'ContactDeleted', data: { details } });
  }

  async addField(data: { key: string; type: 'text' | 'number' }): Promise<number> {
    const stream = streamName('fields', this.account);
    return this.append(stream, [{ type: 'FieldAdded', data: { ...data, name: data.key, required: false } }]);
  }

  /** A statement as compliance records it: in the log and, at the same time, in its answer to changes-since. */
  async say(
    kind: DetailKind,
    value: string,
    standing: 'granted' | 'revoked',
    saidAt?: string,
  ): Promise<number> {
    const key = await this.keyOf(kind, value);
    const at = saidAt ?? new Date().toISOString();
    const event: ConsentEvent = {
      type: standing === 'granted' ? 'ConsentGranted' : 'ConsentRevoked',
      data: {
        detailKey: key,
        kind,
        origin: 'keyword',
        initiative: 'person',
        saidAt: at,
        receiptOnly: true,
        standing,
      },
    };
    const position = await this.append(streamName('consent', this.account, key), [event]);
    this.said.changes.set(key, { key, standing, since: at, position });
    return position;
  }
}
