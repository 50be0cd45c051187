import {
  canSend,
  changesSince,
  getConsent,
  getConsentHistory,
  grantConsent,
  liftRevocation,
  revokeConsent,
} from '@muster/contracts/consent';
import type { Envelope } from '@muster/contracts/envelope';
import { uuid7 } from '@muster/contracts/ids';
import { streamName } from '@muster/contracts/names';
import { EventStore } from '@muster/event-store/event-store';
import { KeyRing } from '@muster/event-store/keys';
import { detailKeys } from '@muster/phone/detail';
import { bootstrap, type Running } from '@muster/runtime/bootstrap';
import { Bus } from '@muster/runtime/bus';
import { Database } from '@muster/runtime/database';
import { systemEnvelope } from '@muster/runtime/envelopes';
import { eventually } from '@muster/testing/eventually';
import { startServers, type Servers } from '@muster/testing/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { complianceModule } from './compliance.module.js';
import { ComplianceEnv } from './config.js';
import { Gate } from './gate.js';
import { Holdings } from './holdings.projection.js';

const account = uuid7();
let serial = 1_000;
const freshPhone = (): string => `+1415555${(serial += 1)}`;
const by = (more: Partial<Envelope> = {}): Envelope => ({
  ...systemEnvelope(account, { source: { kind: 'api' } }),
  ...more,
});

describe('the compliance service, two replicas on real servers', () => {
  let servers: Servers<'nats' | 'eventStore' | 'mongo'>;
  const replicas: Running[] = [];
  let bus: Bus;
  let store: EventStore;
  let keys: KeyRing;

  beforeAll(async () => {
    servers = await startServers({ nats: true, eventStore: true, mongo: true });
    for (let n = 0; n < 2; n += 1) replicas.push(await startReplica());
    bus = replicas[0]?.app.get(Bus) as Bus;
    store = replicas[0]?.app.get(EventStore) as EventStore;
    keys = replicas[0]?.app.get(KeyRing) as KeyRing;
    const opened = { accountId: account, name: 'Test', timeZone: 'UTC', defaultCountry: 'US' };
    await store.append(
      streamName('account', account),
      [{ type: 'AccountOpened', data: opened }],
      'no_stream',
      by(),
    );
  });
  afterAll(async () => {
    for (const replica of replicas) await replica.close();
    await servers?.stop();
  });

  function startReplica(): Promise<Running> {
    const env = ComplianceEnv.parse({
      NATS_URL: servers.nats.url,
      EVENTSTORE_URL: servers.eventStore.url,
      MONGO_URL: servers.mongo.url,
      MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
      HTTP_PORT: '0',
      LOG_LEVEL: 'error',
      DRAIN_MS: '500',
    });
    return bootstrap({ service: 'compliance', module: complianceModule(env), env });
  }

  /** A contact as the contacts service would register it, with a basis or without. */
  async function holder(phone: string, withBasis = true): Promise<string> {
    const contactId = uuid7();
    const [key] = detailKeys(await keys.peppers(account), 'phone', phone);
    const data = {
      contactId,
      details: [{ kind: 'phone', key, primary: true }],
      ...(withBasis ? { basis: { source: 'form', at: by().at } } : {}),
    };
    await store.append(
      streamName('contact', account, contactId),
      [{ type: 'ContactRegistered', data }],
      'no_stream',
      by(),
    );
    return contactId;
  }
  const ask = async (phone: string) => (await bus.ask(canSend, by(), { to: [phone] })).results[0];
  const allowed = (phone: string): Promise<void> =>
    eventually(async () => expect(await ask(phone)).toEqual({ to: phone, allowed: true }));
  const stop = (phone: string, more: object = {}) =>
    bus.ask(revokeConsent, by(), { detail: phone, origin: 'keyword', receiptOnly: true, ...more });

  it('allows a number that a contact holds with a basis, and none that nobody holds', async () => {
    const phone = freshPhone();
    expect(await ask(phone)).toEqual({ to: phone, allowed: false, reason: 'no_consent' });
    await holder(phone);
    await allowed(phone);
    const without = freshPhone();
    await holder(without, false);
    await allowed(phone);
    expect(await ask(without)).toMatchObject({ allowed: false, reason: 'no_consent' });
  });

  it('refuses from the moment a STOP is answered, on both replicas, in any spelling', async () => {
    for (let round = 0; round < 20; round += 1) {
      const phone = freshPhone();
      await holder(phone);
      if (round === 0) await allowed(phone);
      const { position } = await stop(phone);
      const national = `(415) 555-${phone.slice(-4)}`;
      for (let replica = 0; replica < 4; replica += 1) {
        const answer = await bus.ask(canSend, by(), { to: [phone, national] });
        expect(answer.results.map((one) => one.reason)).toEqual(['opted_out', 'opted_out']);
      }
      const changes = await bus.ask(changesSince, by(), { after: position - 1 });
      expect(changes.changes.map((change) => change.standing)).toContain('revoked');
    }
  });

  it('refuses a STOP that the memory of a replica has not heard of', async () => {
    const phone = freshPhone();
    await holder(phone);
    const behind = await startReplica();
    const canSendBehind = async () => (await behind.app.get(Gate).canSend(account, [phone])).results[0];
    try {
      await eventually(async () => expect(await canSendBehind()).toEqual({ to: phone, allowed: true }));
      await behind.app.get(Holdings).onModuleDestroy();
      const { position, consent } = await stop(phone);
      const holdings = behind.app.get(Holdings);
      expect(holdings.position).toBeLessThan(position);
      expect(holdings.of(account).standing(consent.detailKey)).toBe('none');
      expect(await canSendBehind()).toEqual({ to: phone, allowed: false, reason: 'opted_out' });
    } finally {
      await behind.close();
    }
  });

  it('suppresses a number of which no contact is known, and the contact that comes later', async () => {
    const phone = freshPhone();
    await stop(phone);
    await holder(phone);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await ask(phone)).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect((await bus.ask(getConsent, by(), { detail: phone })).consent).toMatchObject({
      status: 'revoked',
      sendable: false,
      origin: 'keyword',
      initiative: 'person',
    });
  });

  it('finds a suppression under the other spelling of a Mexican and a Brazilian mobile', async () => {
    await stop('+5215512345678');
    expect(await ask('+52 55 1234 5678')).toMatchObject({ allowed: false, reason: 'opted_out' });
    await stop('+551181234567');
    expect(await ask('+5511981234567')).toMatchObject({ allowed: false, reason: 'opted_out' });
  });

  it('lets START lift a STOP that is older than half a minute, and a repeated command changes nothing', async () => {
    const phone = freshPhone();
    await holder(phone);
    await stop(phone, { saidAt: '2026-01-01T00:00:00.000Z' });
    const envelope = by();
    const lift = () => bus.ask(liftRevocation, envelope, { detail: phone, receiptOnly: true });
    const first = await lift();
    expect(first).toMatchObject({ changed: true, consent: { status: 'granted', sendable: true } });
    expect(await lift()).toEqual(first);
    await allowed(phone);
    const { items } = await bus.ask(getConsentHistory, by(), { detail: phone });
    expect(items.map((item) => item.kind)).toEqual(['ConsentRevoked', 'ConsentGranted']);
  });

  it('asks staff for evidence, keeps it sealed, and shows it', async () => {
    const phone = freshPhone();
    await holder(phone);
    await stop(phone, { saidAt: '2026-01-01T00:00:00.000Z' });
    const bare = bus.ask(grantConsent, by(), { detail: phone, origin: 'staff' });
    await expect(bare).rejects.toMatchObject({ code: 'consent:evidence_required' });
    const evidence = {
      source: 'Call',
      at: '2026-02-01T00:00:00.000Z',
      statement: 'Please text me again, Wilhelmina',
    };
    const granted = await bus.ask(grantConsent, by(), { detail: phone, origin: 'staff', evidence });
    expect(granted.consent).toMatchObject({ status: 'granted', sendable: true, evidence });
    const stream = streamName('consent', account, granted.consent.detailKey);
    for await (const { event } of store.client.readStream(stream)) {
      expect(JSON.stringify(event?.data)).not.toContain('Wilhelmina');
    }
  });

  it('records one STOP once when both replicas are told at the same time', async () => {
    const phone = freshPhone();
    const envelope = by();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        bus.ask(revokeConsent, envelope, { detail: phone, origin: 'keyword' }),
      ),
    );
    expect(new Set(answers.map((answer) => answer.position)).size).toBe(1);
    expect((await bus.ask(getConsentHistory, by(), { detail: phone })).items).toHaveLength(1);
  });

  it('holds after a head was lost, and after every replica was started again', async () => {
    const phone = freshPhone();
    await holder(phone);
    await stop(phone);
    const [key] = detailKeys(await keys.peppers(account), 'phone', phone);
    const database = replicas[0]?.app.get(Database) as Database;
    await database.collection<{ _id: string }>('consent_heads').deleteOne({ _id: `${account}_${key}` });
    const again = await stop(phone, { saidAt: '2025-01-01T00:00:00.000Z' });
    expect(again).toMatchObject({ changed: false, consent: { status: 'revoked' } });
    replicas.push(await startReplica());
    await replicas.shift()?.close();
    bus = replicas[0]?.app.get(Bus) as Bus;
    store = replicas[0]?.app.get(EventStore) as EventStore;
    expect(await ask(phone)).toMatchObject({ allowed: false, reason: 'opted_out' });
  });

  it('refuses what is neither a number nor an address, naming the place', async () => {
    const answer = bus.ask(getConsent, by(), { detail: 'MTN' });
    await expect(answer).rejects.toMatchObject({ code: 'consent:detail_invalid', data: { path: 'detail' } });
  });
});
