import type { Fact } from '@muster/event-store/facts';
import type { KeyRing } from '@muster/event-store/keys';
import { startServers, type Servers } from '@muster/testing/servers';
import { idNumber } from '@muster/testing/universe';
import { createConnection, type Connection } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { foldContact } from './audience.fold.js';
import { audienceCollections, ensureIndexes, type MemberDocument } from './audience.model.js';
import { AudienceStore } from './audience.store.js';

const ACCOUNT = idNumber(900);
/** More than two of the pages in which members are read, and not a whole number of them. */
const MEMBERS = 10_050;
const AT = '2026-01-02T03:04:05.678Z';

function member(ordinal: number): MemberDocument {
  const key = ordinal.toString(16).padStart(64, '0');
  const fact = {
    type: 'ContactRegistered',
    account: ACCOUNT,
    streamId: idNumber(10_000 + ordinal),
    position: ordinal,
    revision: 0,
    meta: { at: AT, source: { kind: 'api' } },
    data: {
      details: [{ kind: 'phone', key, primary: true }],
      ...(ordinal % 2 ? { basis: { source: 'form', at: AT } } : {}),
    },
  } as unknown as Fact<never>;
  const lookup = { standingOf: () => undefined, keysOf: () => [key] };
  const born = foldContact(null, fact, lookup, ordinal) as MemberDocument;
  return { ...born, deleted: ordinal % 10 === 0 };
}

describe('the memory of an account', () => {
  let servers: Servers<'mongo'>;
  let connection: Connection;
  let store: AudienceStore;
  beforeAll(async () => {
    servers = await startServers({ mongo: true });
    connection = await createConnection(servers.mongo.url).asPromise();
    const collections = audienceCollections(connection.getClient().db('muster_groups'));
    await ensureIndexes(collections);
    store = new AudienceStore(collections, null as unknown as KeyRing);
  });
  afterAll(async () => {
    await connection.close();
    await servers.stop();
  });

  it('holds every member, however many there are', async () => {
    const empty = await store.loadAccount(ACCOUNT);
    expect([empty.bitmaps.live.size, empty.nextOrdinal]).toEqual([0, 0]);
    const documents = Array.from({ length: MEMBERS }, (_, ordinal) => member(ordinal));
    await store.collections.members.insertMany(documents);
    const { bitmaps, nextOrdinal } = await store.loadAccount(ACCOUNT);
    const live = documents.filter((one) => !one.deleted);
    expect(nextOrdinal).toBe(MEMBERS);
    expect(bitmaps.live.toArray()).toEqual(live.map((one) => one.ordinal));
    const active = live.filter((one) => one.status === 'active').map((one) => one.ordinal);
    expect(bitmaps.withStatus('sms', 'active').toArray()).toEqual(active);
    expect(active.length).toBe(MEMBERS / 2);
  });
});
