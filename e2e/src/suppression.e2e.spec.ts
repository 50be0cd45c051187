import { ALL_CONTACTS } from '@muster/contracts/group';
import { startPlatform, type Platform } from '@muster/testing/platform';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  consentOf,
  contacts,
  count,
  excludedOf,
  freeze,
  gateOf,
  historyOf,
  openAccount,
  recipientsOf,
  register,
  say,
  type Api,
} from './client.js';
import { importAll } from './imports.js';
import { FILE_COLUMNS, fileOf, nextPhone, nextPhones, spellings } from './people.js';
import { Twilio } from './twilio.js';

const PATIENCE_MS = 300_000;

let platform: Platform;
let api: Api;
let twilio: Twilio;

beforeAll(async () => {
  platform = await startPlatform();
}, PATIENCE_MS);
beforeEach(async () => {
  api = await openAccount(platform);
  twilio = await Twilio.connect(api);
});
afterAll(async () => platform?.stop(), PATIENCE_MS);

const stop = async (phone: string): Promise<void> => {
  expect(await twilio.deliver(phone, 'STOP')).toMatchObject({ status: 200 });
};

/** Nobody may text this number: not at the gate, not in a count, not in a receipt, and each says why. */
async function expectOptedOut(phone: string, atLeast: number): Promise<void> {
  expect(await gateOf(api, phone)).toEqual({ to: phone, allowed: false, reason: 'opted_out' });
  expect((await count(api, [ALL_CONTACTS], atLeast)).excluded).toEqual({ opted_out: 1 });
  const receipt = await freeze(api, [ALL_CONTACTS], atLeast);
  expect((await recipientsOf(api, receipt)).map(({ to }) => to)).not.toContain(phone);
  expect(await excludedOf(api, receipt)).toMatchObject([{ to: phone, reason: 'opted_out' }]);
}

describe('c2 suppression outlives the contact', () => {
  it.each([0, 1, 2] as const)('when the number is added again in spelling %i', async (spelling) => {
    const [phone, other] = nextPhones(2) as [string, string];
    const first = await register(api, { phone, firstName: 'Ann' });
    await register(api, { phone: other });
    await stop(phone);
    await api.call('DELETE', `/v1/contacts/${first.id}`);
    expect(await api.send('GET', `/v1/contacts/${first.id}`)).toMatchObject({
      status: 404,
      body: { code: 'contact:not_found' },
    });
    expect(await gateOf(api, phone)).toMatchObject({ allowed: false });
    const again = await register(api, { phone: spellings(phone)[spelling], country: 'FR' });
    expect(again).toMatchObject({ created: true, phone, status: 'opted_out' });
    expect(again.id).not.toBe(first.id);
    await expectOptedOut(phone, again.position);
  });

  it('when the number is imported again with new consent', async () => {
    const [phone, other] = nextPhones(2) as [string, string];
    const first = await register(api, { phone });
    await stop(phone);
    await api.call('DELETE', `/v1/contacts/${first.id}`);
    const csv = fileOf([spellings(phone)[0], other]);
    const done = await importAll(api, { csv, columns: FILE_COLUMNS, country: 'FR' });
    expect(done.counts).toMatchObject({ rows: 2, new: 2, suppressed: 1 });
    await expectOptedOut(phone, done.position);
    expect(await gateOf(api, other)).toMatchObject({ allowed: true });
  });

  it('when the contact is changed, and not any more when its number is replaced', async () => {
    const [phone, other] = nextPhones(2) as [string, string];
    const { id, position } = await register(api, { phone, firstName: 'Ann' });
    await contacts(api, { atLeast: position });
    await stop(phone);
    const renamed = await api.call('PATCH', `/v1/contacts/${id}`, { body: { firstName: 'Anna' } });
    expect(renamed).toMatchObject({ firstName: 'Anna', status: 'opted_out', optedOutAt: expect.any(String) });
    expect(renamed).toMatchObject({ phones: [{ value: phone, status: 'opted_out' }] });
    const moved = await api.call('PATCH', `/v1/contacts/${id}`, { body: { phone: other } });
    expect(moved).toMatchObject({ status: 'active', phones: [{ value: other, status: 'active' }] });
    expect(await gateOf(api, phone)).toMatchObject({ allowed: false });
  });

  it('when the number moves to another contact', async () => {
    const [phone, other] = nextPhones(2) as [string, string];
    const first = await register(api, { phone });
    const second = await register(api, { phone: other });
    await stop(phone);
    await api.call('PATCH', `/v1/contacts/${first.id}`, { body: { phone: nextPhone() } });
    const moved = await api.call<{ position: number }>('PATCH', `/v1/contacts/${second.id}`, {
      body: { phone: spellings(phone)[1] },
    });
    await expectOptedOut(phone, moved.position);
  });
});

describe('d4 STOP from a number that nobody has', () => {
  it('makes no contact, and holds for the one that comes later', async () => {
    const phone = nextPhone();
    await stop(phone);
    expect(await gateOf(api, phone)).toMatchObject({ allowed: false, reason: 'opted_out' });
    const other = await register(api, { phone: nextPhone() });
    const list = await contacts(api, { count: 'true', atLeast: other.position });
    expect(list).toMatchObject({ total: 1, items: [{ id: other.id }] });
    const later = await register(api, { phone: spellings(phone)[0] });
    expect(later).toMatchObject({ created: true, phone, status: 'opted_out' });
    await expectOptedOut(phone, later.position);
  });
});

describe('e2 opting in again', () => {
  it('needs evidence that is newer than the revocation', async () => {
    const phone = nextPhone();
    const contact = await register(api, { phone });
    await stop(phone);
    const refused = { status: 422, body: { code: 'consent:evidence_required' } };
    expect(await say(api, phone, 'grant')).toMatchObject(refused);
    const evidence = { source: 'Phone call', statement: 'Asked to be texted again' };
    const older = { ...evidence, at: '2020-01-01T00:00:00.000Z' };
    expect(await say(api, phone, 'grant', { evidence: older })).toMatchObject(refused);
    await expectOptedOut(phone, contact.position);
    const newer = { ...evidence, at: new Date().toISOString() };
    const granted = await say(api, phone, 'grant', { evidence: newer, origin: 'staff' });
    expect(granted).toMatchObject({
      status: 200,
      body: { status: 'granted', sendable: true, evidence: newer },
    });
    const { position } = granted.body as { position: number };
    expect(await gateOf(api, phone)).toEqual({ to: phone, allowed: true });
    const counted = await count(api, [ALL_CONTACTS], position);
    expect([counted.recipients, counted.excluded]).toEqual([1, {}]);
    expect(await api.get(`/v1/contacts/${contact.id}`)).toMatchObject({ status: 'active' });
  });

  it('by START lifts a revocation that a program recorded', async () => {
    const phone = nextPhone();
    await register(api, { phone });
    expect(await say(api, phone, 'revoke', { reason: 'Asked by phone' })).toMatchObject({ status: 200 });
    expect(await gateOf(api, phone)).toMatchObject({ allowed: false });
    expect(await twilio.deliver(phone, 'START')).toMatchObject({
      status: 200,
      reply: expect.stringContaining('opted in') as string,
    });
    expect(await gateOf(api, phone)).toEqual({ to: phone, allowed: true });
  });

  it.each(['legal', 'complaint'])('by START does not lift a revocation of origin %s', async (origin) => {
    const phone = nextPhone();
    const { position } = await register(api, { phone });
    expect(await say(api, phone, 'revoke', { origin })).toMatchObject({ status: 200 });
    expect(await twilio.deliver(phone, 'START')).toEqual({ status: 200, reply: null });
    expect(await consentOf(api, phone)).toMatchObject({ status: 'revoked', origin });
    expect(await historyOf(api, phone)).toMatchObject([
      { kind: 'ConsentRevoked', origin },
      { kind: 'ConsentGranted', standing: 'revoked', late: true },
    ]);
    await expectOptedOut(phone, position);
  });

  it('a number of which nothing is known may not be texted', async () => {
    const phone = nextPhone();
    expect(await gateOf(api, phone)).toEqual({ to: phone, allowed: false, reason: 'no_consent' });
  });
});
