import {
  changeContact,
  deleteContact,
  findByDetail,
  getContact,
  getContactHistory,
  registerContact,
  registerContacts,
} from '@muster/contracts/contact';
import type { Envelope } from '@muster/contracts/envelope';
import { addField } from '@muster/contracts/field';
import { uuid5, uuid7 } from '@muster/contracts/ids';
import { streamName } from '@muster/contracts/names';
import { bootstrap, type Running } from '@muster/runtime/bootstrap';
import { Bus } from '@muster/runtime/bus';
import { Database } from '@muster/runtime/database';
import { systemEnvelope } from '@muster/runtime/envelopes';
import { EventStore } from '@muster/event-store/event-store';
import { startServers, type Servers } from '@muster/testing/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contactsModule } from './contacts.module.js';
import { ContactsEnv } from './config.js';

const account = uuid7();
let serial = 100_000;
/** A number that no other test uses; all are valid North American ones. */
const freshPhone = (): string => `+1415555${String((serial += 1)).slice(-4)}`;

describe('the contacts service, two replicas on real servers', () => {
  let servers: Servers<'nats' | 'eventStore' | 'mongo'>;
  const replicas: Running[] = [];
  let bus: Bus;
  let store: EventStore;

  beforeAll(async () => {
    servers = await startServers({ nats: true, eventStore: true, mongo: true });
    const env = ContactsEnv.parse({
      NATS_URL: servers.nats.url,
      EVENTSTORE_URL: servers.eventStore.url,
      MONGO_URL: servers.mongo.url,
      MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
      HTTP_PORT: '0',
      LOG_LEVEL: 'error',
      DRAIN_MS: '500',
    });
    for (let n = 0; n < 2; n += 1) {
      replicas.push(await bootstrap({ service: 'contacts', module: contactsModule(env), env }));
    }
    bus = replicas[0]?.app.get(Bus) as Bus;
    store = replicas[0]?.app.get(EventStore) as EventStore;
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

  const by = (more: Partial<Envelope> = {}): Envelope => ({
    ...systemEnvelope(account, { source: { kind: 'api' } }),
    ...more,
  });
  const eventsOf = async (id: string): Promise<string[]> =>
    (await store.read(streamName('contact', account, id))).map((fact) => fact.type);

  it('creates a contact once for any spelling of its number, and updates it after that', async () => {
    const first = await bus.ask(registerContact, by(), {
      contact: { phone: '(415) 555-0142', firstName: 'Ann' },
    });
    const second = await bus.ask(registerContact, by(), {
      contact: { phone: '+1 415 555 0142', lastName: 'Lee' },
    });
    expect(first).toMatchObject({ created: true, contact: { phone: '+14155550142', firstName: 'Ann' } });
    expect(second).toMatchObject({
      created: false,
      contact: { id: first.contact.id, firstName: 'Ann', lastName: 'Lee' },
    });
    expect(second.position).toBeGreaterThan(first.position);
  });

  it('answers a repeated command with the same contact and appends nothing', async () => {
    const envelope = by();
    const phone = freshPhone();
    const first = await bus.ask(registerContact, envelope, { contact: { phone } });
    const again = await bus.ask(registerContact, envelope, { contact: { phone } });
    expect(again).toMatchObject({
      created: true,
      contact: { id: first.contact.id },
      position: first.position,
    });
    expect(await eventsOf(first.contact.id)).toEqual(['ContactRegistered']);
  });

  it('makes one contact of many writers racing for one number on both replicas', async () => {
    const phone = freshPhone();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        bus.ask(registerContact, by(), { contact: { phone, firstName: `F${n}` } }),
      ),
    );
    const ids = new Set(answers.map((answer) => answer.contact.id));
    expect(ids.size).toBe(1);
    expect(answers.filter((answer) => answer.created)).toHaveLength(1);
    const events = await eventsOf([...ids][0] as string);
    expect(events.filter((type) => type === 'ContactRegistered')).toHaveLength(1);
  });

  it('lets one of two contacts take a number, and refuses the other', async () => {
    const [a, b] = await Promise.all(
      [1, 2].map(() => bus.ask(registerContact, by(), { contact: { phone: freshPhone() } })),
    );
    const phone = freshPhone();
    const tries = await Promise.allSettled(
      [a, b].map((one) =>
        bus.ask(changeContact, by(), { id: one?.contact.id as string, contact: { phone } }),
      ),
    );
    expect(tries.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
    const failed = tries.find((one) => one.status === 'rejected');
    expect(failed?.reason).toMatchObject({ code: 'contact:detail_taken' });
  });

  it('gives a number that was let go, or whose contact was deleted, to a new contact', async () => {
    const phone = freshPhone();
    const first = await bus.ask(registerContact, by(), { contact: { phone } });
    await bus.ask(deleteContact, by(), { id: first.contact.id });
    await expect(bus.ask(getContact, by(), { id: first.contact.id })).rejects.toMatchObject({
      code: 'contact:not_found',
    });
    const second = await bus.ask(registerContact, by(), { contact: { phone } });
    expect(second.created).toBe(true);
    expect(second.contact.id).not.toBe(first.contact.id);
    await bus.ask(changeContact, by(), { id: second.contact.id, contact: { phone: freshPhone() } });
    const third = await bus.ask(registerContact, by(), { contact: { phone } });
    expect(third.created).toBe(true);
    expect((await bus.ask(findByDetail, by(), { kind: 'phone', value: phone })).contactId).toBe(
      third.contact.id,
    );
  });

  it('takes over a claim that a crash left without a stream, and one of a contact that does not hold it', async () => {
    const claims = replicas[0]?.app
      .get(Database)
      .collection<{ _id: string; contactId: string }>('detail_claims');
    const lost = freshPhone();
    const orphan = await bus.ask(registerContact, by(), { contact: { phone: lost } });
    const key = orphan.contact.phones[0]?.key as string;
    await bus.ask(deleteContact, by(), { id: orphan.contact.id });
    const neverBorn = uuid7();
    await claims?.insertOne({ _id: `${account}_${key}`, contactId: neverBorn });
    const adopted = await bus.ask(registerContact, by(), { contact: { phone: lost } });
    expect(adopted).toMatchObject({ created: true, contact: { id: neverBorn } });
    const other = await bus.ask(registerContact, by(), { contact: { phone: freshPhone() } });
    await bus.ask(deleteContact, by(), { id: neverBorn });
    await claims?.insertOne({ _id: `${account}_${key}`, contactId: other.contact.id });
    const stolen = await bus.ask(registerContact, by(), { contact: { phone: lost } });
    expect(stolen.created).toBe(true);
    expect(await eventsOf(other.contact.id)).toEqual(['ContactRegistered', 'DetailReleased']);
  });

  it('does a chunk of rows, says what became of each, and changes nothing when the chunk comes again', async () => {
    const importId = uuid7();
    const [p1, p2] = [freshPhone(), freshPhone()];
    const rows = [
      { phone: p1, firstName: 'A' },
      { phone: 'nonsense' },
      { phone: p2, email: 'x@example.com' },
      { email: 'not an address' },
      { phone: p1, firstName: 'A' },
      { firstName: 'nobody' },
    ].map((contact, row) => ({ command: uuid5(importId, String(row)), row, contact }));
    const ask = () =>
      bus.ask(registerContacts, by({ source: { kind: 'import', import: importId } }), {
        rows,
        consent: { source: 'Paper form' },
      });
    const first = await ask();
    expect(first.rows.map((row) => (row.outcome === 'rejected' ? row.code : row.outcome))).toEqual([
      'new',
      'phone:invalid',
      'new',
      'email:invalid',
      'unchanged',
      'contact:identifier_required',
    ]);
    expect(await ask()).toEqual(first);
  });

  it('checks fields by their type and names the place, never the value', async () => {
    await bus.ask(addField, by(), { key: 'age', name: 'Age', type: 'number' });
    const bad = bus.ask(registerContact, by(), { contact: { phone: freshPhone(), fields: { age: 'old' } } });
    await expect(bad).rejects.toMatchObject({ code: 'field:invalid_value', data: { path: 'fields.age' } });
    const good = await bus.ask(registerContact, by(), {
      contact: { phone: freshPhone(), fields: { age: '42' } },
    });
    expect(good.contact.fields).toEqual({ age: 42 });
  });

  it('finds a contact by external id and e-mail, and refuses what points to two', async () => {
    const [p1, p2] = [freshPhone(), freshPhone()];
    const a = await bus.ask(registerContact, by(), {
      contact: { phone: p1, externalId: 'X-1', email: 'a@example.org' },
    });
    await bus.ask(registerContact, by(), { contact: { phone: p2, externalId: 'X-2' } });
    const byId = await bus.ask(registerContact, by(), { contact: { externalId: 'X-1', firstName: 'Ada' } });
    expect(byId.contact.id).toBe(a.contact.id);
    const byEmail = await bus.ask(registerContact, by(), {
      contact: { email: 'A@Example.org', lastName: 'L' },
    });
    expect(byEmail.contact.id).toBe(a.contact.id);
    const both = bus.ask(registerContact, by(), { contact: { phone: p2, externalId: 'X-1' } });
    await expect(both).rejects.toMatchObject({ code: 'contact:ambiguous' });
    const shared = await bus.ask(registerContact, by(), {
      contact: { phone: freshPhone(), email: 'a@example.org' },
    });
    expect(shared.created).toBe(true);
  });

  it('honours the revision that a change was made for', async () => {
    const { contact } = await bus.ask(registerContact, by(), {
      contact: { phone: freshPhone(), firstName: 'A' },
    });
    const ifRevision = contact.revision;
    await bus.ask(changeContact, by(), { id: contact.id, ifRevision, contact: { firstName: 'B' } });
    const stale = bus.ask(changeContact, by(), { id: contact.id, ifRevision, contact: { firstName: 'C' } });
    await expect(stale).rejects.toMatchObject({ code: 'contact:revision_conflict' });
  });

  it('tells the history of a contact with old and new values', async () => {
    const { contact } = await bus.ask(registerContact, by(), {
      contact: { phone: freshPhone(), firstName: 'A' },
    });
    await bus.ask(changeContact, by(), { id: contact.id, contact: { firstName: 'B' } });
    const { items } = await bus.ask(getContactHistory, by(), { id: contact.id });
    expect(items.map((item) => item.kind)).toEqual(['ContactRegistered', 'ContactRenamed']);
    expect(items[1]?.changes).toEqual([{ path: 'firstName', old: 'A', new: 'B' }]);
  });
});
