import { ALL_CONTACTS } from '@muster/contracts/group';
import { startPlatform, type Platform } from '@muster/testing/platform';
import { repository } from '@muster/testing/servers';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  consentOf,
  contacts,
  count,
  createGroup,
  excludedOf,
  freeze,
  gateOf,
  historyOf,
  openAccount,
  readyGroups,
  recipientsOf,
  type Api,
  type Counted,
  type Frozen,
} from './client.js';
import { importAll, type Import } from './imports.js';
import { newMessageSid, Twilio, type Delivery } from './twilio.js';

const DEMO = join(repository, 'deploy/local/demo');
const PATIENCE_MS = 400_000;
const COLUMNS = [
  'firstName',
  'lastName',
  'phone',
  'email',
  'field:city',
  'field:plan',
  'field:age',
  'ignore',
] as const;
const FIELDS = [
  { key: 'plan', name: 'Plan', type: 'choice', choices: ['free', 'gold', 'vip'] },
  { key: 'city', name: 'City', type: 'text' },
  { key: 'age', name: 'Age', type: 'number' },
];

interface Expected {
  counts: Record<'rows' | 'new' | 'updated' | 'unchanged' | 'rejected' | 'duplicates', number>;
  byCountry: Record<string, number>;
  groups: Record<string, number>;
  withEmail: number;
  stop: { phone: string };
}
const expected = JSON.parse(readFileSync(join(DEMO, 'expected.json'), 'utf8')) as Expected;
const csv = readFileSync(join(DEMO, 'people.csv'));
const phone = expected.stop.phone;

let platform: Platform;
let api: Api;
/** Ids: the standard group that the file is imported into, an empty one, and the dynamic ones by their rule. */
let members: string;
let empty: string;
let dynamic: Record<string, string>;
let imported: Import;

const importDemo = (): Promise<Import> =>
  importAll(api, { csv, columns: COLUMNS, country: 'US', groups: [members] });
const totalOf = async (parameters: Record<string, string>): Promise<number | undefined> =>
  (await contacts(api, { ...parameters, count: 'true', limit: 1 })).total;

beforeAll(async () => {
  platform = await startPlatform();
  api = await openAccount(platform, { timeZone: 'Asia/Jerusalem', defaultCountry: 'US' });
  for (const field of FIELDS) await api.post('/v1/fields', field);
  members = (await createGroup(api, { name: 'Members' })).id;
  empty = (await createGroup(api, { name: 'Newsletter' })).id;
  const made = [];
  for (const rule of Object.keys(expected.groups))
    made.push([rule, (await createGroup(api, { name: rule, kind: 'dynamic', rule })).id]);
  dynamic = Object.fromEntries(made) as Record<string, string>;
  imported = await importDemo();
}, PATIENCE_MS);

afterAll(async () => platform?.stop(), PATIENCE_MS);

describe('a3 import a CSV file with mapping', () => {
  it('counts every row as exactly what it is', () => {
    expect(imported.counts).toEqual({ ...expected.counts, suppressed: 0 });
  });

  it('lists every new contact once, in its country and with its e-mail', async () => {
    expect(await totalOf({})).toBe(expected.counts.new);
    expect(await totalOf({ query: 'has email' })).toBe(expected.withEmail);
    for (const [country, people] of Object.entries(expected.byCountry))
      expect(await totalOf({ query: `phone.country = "${country}"` })).toBe(people);
  });

  it('gives back every rejected row with its reason', async () => {
    const text = await api.call<string>('GET', `/v1/imports/${imported.id}/rejected.csv`);
    const rows = text.trimEnd().split('\r\n').slice(1);
    expect(rows).toHaveLength(expected.counts.rejected);
    expect(rows.filter((row) => !/,(phone:invalid|contact:identifier_required),/.test(row))).toEqual([]);
  });
});

describe('a5 and b1 groups of an import', () => {
  it('have the members that the file says', async () => {
    const groups = await readyGroups(api);
    expect(groups.get(members)?.counts.members).toBe(expected.counts.new);
    expect(groups.get(empty)?.counts.members).toBe(0);
    for (const [rule, people] of Object.entries(expected.groups)) {
      const { counts } = groups.get(dynamic[rule] as string) ?? {};
      expect({ rule, ...counts }).toMatchObject({ rule, members: people, sms: people });
      expect(await totalOf({ group: dynamic[rule] as string })).toBe(people);
    }
  });

  it('b3 an audience of overlapping groups has each person once', async () => {
    const both = await freeze(api, Object.values(dynamic));
    const to = (await recipientsOf(api, both)).map((recipient) => recipient.to);
    const [gold, adults] = Object.keys(expected.groups) as [string, string];
    const overlap = (await totalOf({ group: dynamic[gold] as string, query: adults })) as number;
    const people = (expected.groups[gold] as number) + (expected.groups[adults] as number) - overlap;
    expect(overlap).toBeGreaterThan(0);
    expect([both.recipients, both.excluded]).toEqual([people, {}]);
    expect(new Set(to).size).toBe(people);
    expect(to).toHaveLength(people);
  });
});

describe('a4 STOP', () => {
  const messageSid = newMessageSid();
  let twilio: Twilio;
  let audience: string[];
  let receipt: Frozen;
  let before: Counted;
  let after: Counted;
  let delivery: Delivery;

  beforeAll(async () => {
    audience = Object.values(dynamic);
    twilio = await Twilio.connect(api);
    receipt = await freeze(api, audience);
    before = await count(api, audience);
    delivery = await twilio.deliver(phone, 'STOP', messageSid);
    after = await count(api, audience);
  }, PATIENCE_MS);

  it('is acknowledged and confirmed to the person', () => {
    expect(delivery).toMatchObject({ status: 200, reply: expect.stringContaining('opted out') as string });
  });

  it('takes exactly one recipient out of the next answer, with the reason', () => {
    expect(before.excluded).toEqual({});
    expect(after).toMatchObject({ recipients: before.recipients - 1, excluded: { opted_out: 1 } });
  });

  it('is on record as the revocation of the person', async () => {
    expect(await consentOf(api, phone)).toMatchObject({
      detail: phone,
      status: 'revoked',
      sendable: false,
      reason: 'opted_out',
      origin: 'keyword',
      initiative: 'person',
    });
  });

  it('closes the send gate', async () => {
    expect(await gateOf(api, phone)).toEqual({ to: phone, allowed: false, reason: 'opted_out' });
  });

  it('keeps the contact in the list, with the number opted out and the e-mail address as it was', async () => {
    const shown = {
      phone,
      status: 'active',
      phones: [{ status: 'opted_out' }],
      emails: [{ status: 'active' }],
    };
    const list = await contacts(api, { query: phone.slice(1), status: 'opted_out' });
    expect(list.items).toMatchObject([shown]);
    expect(await totalOf({ status: 'opted_out' })).toBe(1);
    expect(await totalOf({})).toBe(expected.counts.new);
    const optedOutAt = expect.any(String) as string;
    expect(await api.get(`/v1/contacts/${list.items[0]?.id}`)).toMatchObject({ ...shown, optedOutAt });
  });

  it('counts in a receipt that was frozen before it', async () => {
    const to = (await recipientsOf(api, receipt)).map((recipient) => recipient.to);
    expect(to).toHaveLength(before.recipients - 1);
    expect(to).not.toContain(phone);
    expect(await excludedOf(api, receipt)).toMatchObject([{ to: phone, reason: 'opted_out' }]);
  });

  it('changes nothing and says nothing when it is delivered again', async () => {
    expect(await twilio.deliver(phone, 'STOP', messageSid)).toEqual({ status: 200, reply: null });
    expect(await historyOf(api, phone)).toMatchObject([{ kind: 'ConsentRevoked', standing: 'revoked' }]);
    expect(await count(api, audience)).toMatchObject({
      recipients: after.recipients,
      excluded: after.excluded,
    });
  });

  it('stays in force when START comes within the 30 seconds in which the order is not known', async () => {
    expect(await twilio.deliver(phone, 'START')).toEqual({ status: 200, reply: null });
    expect(await consentOf(api, phone)).toMatchObject({ status: 'revoked', sendable: false });
    expect(await gateOf(api, phone)).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(await historyOf(api, phone)).toMatchObject([
      { kind: 'ConsentRevoked', standing: 'revoked' },
      { kind: 'ConsentGranted', standing: 'revoked', late: true },
    ]);
  });

  it('a webhook with a wrong signature changes nothing', async () => {
    const other = (await contacts(api, { group: audience[0] as string, status: 'active', limit: 1 }))
      .items[0];
    const stranger = await Twilio.connect(api);
    const forged = Object.assign(Object.create(Twilio.prototype) as Twilio, {
      ...stranger,
      webhookUrl: twilio.webhookUrl,
    });
    expect(await forged.deliver(other?.phone as string, 'STOP')).toMatchObject({ status: 403 });
    expect(await gateOf(api, other?.phone as string)).toMatchObject({ allowed: true });
  });
});

describe('the same file again', () => {
  it(
    'creates nobody, changes nobody and opts nobody in again',
    async () => {
      const again = await importDemo();
      const { rows, rejected, duplicates } = expected.counts;
      const unchanged = expected.counts.new;
      expect(again.counts).toEqual({
        rows,
        new: 0,
        updated: 0,
        unchanged,
        rejected,
        duplicates,
        suppressed: 1,
      });
      expect(await totalOf({})).toBe(expected.counts.new);
      expect(await gateOf(api, phone)).toMatchObject({ allowed: false, reason: 'opted_out' });
      expect(await count(api, [ALL_CONTACTS])).toMatchObject({
        recipients: expected.counts.new - 1,
        excluded: { opted_out: 1 },
      });
    },
    PATIENCE_MS,
  );
});
