import { canSend, revokeConsent } from '@muster/contracts/consent';
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
import { afterAll, beforeAll, expect, it } from 'vitest';
import { complianceModule } from './compliance.module.js';
import { ComplianceEnv } from './config.js';

const account = uuid7();
const by = (more: Partial<Envelope> = {}): Envelope => ({
  ...systemEnvelope(account, { source: { kind: 'api' } }),
  ...more,
});
let servers: Servers<'nats' | 'eventStore' | 'mongo'>;
const running: Running[] = [];
const start = async (): Promise<Running> => {
  const env = ComplianceEnv.parse({
    NATS_URL: servers.nats.url,
    EVENTSTORE_URL: servers.eventStore.url,
    MONGO_URL: servers.mongo.url,
    MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    HTTP_PORT: '0',
    LOG_LEVEL: 'error',
    DRAIN_MS: '500',
  });
  const one = await bootstrap({ service: 'compliance', module: complianceModule(env), env });
  running.push(one);
  return one;
};
beforeAll(async () => {
  servers = await startServers({ nats: true, eventStore: true, mongo: true });
});
afterAll(async () => {
  for (const one of running) await one.close();
  await servers?.stop();
});

it('refuses a STOP whose head was not written before the crash, once the repeat is acknowledged', async () => {
  const first = await start();
  const store = first.app.get(EventStore);
  const keys = first.app.get(KeyRing);
  const opened = { accountId: account, name: 'Test', timeZone: 'UTC', defaultCountry: 'US' };
  await store.append(
    streamName('account', account),
    [{ type: 'AccountOpened', data: opened }],
    'no_stream',
    by(),
  );
  const phones = Array.from({ length: 40 }, (_, n) => `+1415555${2000 + n}`);
  const keyOf = async (phone: string): Promise<string> =>
    detailKeys(await keys.peppers(account), 'phone', phone)[0] as string;
  for (const phone of phones) {
    const contactId = uuid7();
    const data = {
      contactId,
      details: [{ kind: 'phone', key: await keyOf(phone), primary: true }],
      basis: { source: 'form', at: by().at },
    };
    await store.append(
      streamName('contact', account, contactId),
      [{ type: 'ContactRegistered', data }],
      'no_stream',
      by(),
    );
  }
  const bus = first.app.get(Bus);
  await eventually(async () => {
    const { results } = await bus.ask(canSend, by(), { to: phones });
    expect(results.every((one) => one.allowed)).toBe(true);
  });
  await first.close();
  running.length = 0;

  // What a replica leaves that appended and was killed before the heads, while its projection had come that far.
  const database = new Database(servers.mongo.url, 'muster_compliance', {
    error() {},
    warn() {},
    info() {},
    debug() {},
  } as never);
  const ring = new KeyRing(
    new Database(servers.mongo.url, 'muster_keys', { error() {}, warn() {}, info() {}, debug() {} } as never)
      .connection,
    Buffer.alloc(32, 7),
  );
  const raw = new EventStore(servers.eventStore.url, ring);
  const envelopes = phones.map(() => by());
  let last = 0;
  for (const [index, phone] of phones.entries()) {
    const data = {
      detailKey: await keyOf(phone),
      kind: 'phone',
      origin: 'keyword',
      initiative: 'person',
      saidAt: (envelopes[index] as Envelope).at,
      receiptOnly: true,
      standing: 'revoked',
    };
    const done = await raw.append(
      streamName('consent', account, data.detailKey),
      [{ type: 'ConsentRevoked', data }],
      'no_stream',
      envelopes[index] as Envelope,
    );
    last = done.position;
  }
  await database
    .collection<{ _id: string; position: number }>('checkpoints')
    .updateOne({ _id: 'holdings' }, { $set: { position: last } });
  await raw.close();

  const second = await start();
  const again = second.app.get(Bus);
  for (const [index, phone] of phones.entries()) {
    const { consent } = await again.ask(revokeConsent, envelopes[index] as Envelope, {
      detail: phone,
      origin: 'keyword',
      receiptOnly: true,
    });
    expect(consent.status).toBe('revoked');
  }
  const { results } = await again.ask(canSend, by(), { to: phones });
  expect(results.filter((one) => one.allowed)).toEqual([]);
});
