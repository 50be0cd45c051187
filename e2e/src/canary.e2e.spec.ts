import { ALL_CONTACTS } from '@muster/contracts/group';
import { grepDirectories } from '@muster/testing/canaries';
import { startPlatform, type Platform } from '@muster/testing/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  consentOf,
  contacts,
  count,
  createGroup,
  freeze,
  gateOf,
  openAccount,
  recipientsOf,
  register,
  say,
} from './client.js';
import { importAll } from './imports.js';
import { nextPhone, spellings } from './people.js';
import { Twilio } from './twilio.js';

const PATIENCE_MS = 400_000;

const BY_API = '+33698765431';
const BY_FILE = '+33698765432';
const BY_MESSAGE = '+33698765433';
const NUMBERS = [BY_API, BY_FILE, BY_MESSAGE];
/** Every canary, as it may be written by somebody who should not: numbers in all spellings, names, texts. */
const CANARIES = [
  ...NUMBERS.map((phone) => phone.slice('+33'.length)),
  ...NUMBERS.flatMap((phone) => spellings(phone)),
  'Kanarienvogel',
  'Zeisigsang',
  'piepmatz.canary@example.org',
  'Girlitzgasse',
  'EXT-CANARY-4711',
  'Zaunkönig',
  'please do not tell the wren',
  'heard by a linnet',
  'told by a goldfinch',
  'whispered by a siskin',
  'Rohrspatz und Freunde',
];

let platform: Platform;

beforeAll(async () => {
  platform = await startPlatform({ env: debugging() });
}, PATIENCE_MS);
afterAll(async () => platform?.stop(), PATIENCE_MS);

/** Whatever a service can say, it says here. */
function debugging(): Record<string, Record<string, string>> {
  const names = ['contacts', 'compliance', 'groups', 'imports', 'inbound', 'gateway'];
  return Object.fromEntries(names.map((name) => [name, { LOG_LEVEL: 'trace' }]));
}

/** Everything that a person's data can go through, by name, number and text, including what is refused. */
async function tour(): Promise<void> {
  const api = await openAccount(platform);
  const twilio = await Twilio.connect(api);
  await api.post('/v1/fields', { key: 'street', name: 'Street', type: 'text' });
  const group = await createGroup(api, { name: 'Members' });
  await createGroup(api, { name: 'Dynamic', kind: 'dynamic', rule: 'has phone' });
  const person = {
    firstName: 'Kanarienvogel',
    lastName: 'Zeisigsang',
    email: 'piepmatz.canary@example.org',
    externalId: 'EXT-CANARY-4711',
    fields: { street: 'Girlitzgasse 5' },
  };
  const contact = await register(api, { ...person, phone: BY_API, groups: [group.id] });
  await api.send('POST', '/v1/contacts', { body: { ...person, phone: 'Zeisigsang' } });
  await api.send('PATCH', `/v1/contacts/${contact.id}`, { body: { phone: BY_MESSAGE.slice(0, 8) } });
  const csv = `Name,Phone\nZaunkönig,${spellings(BY_FILE)[0]}\nZaunkönig,Zeisigsang\n`;
  const fileName = 'Rohrspatz und Freunde.csv';
  const imported = await importAll(api, {
    csv,
    columns: ['firstName', 'phone'],
    groups: [group.id],
    fileName,
  });
  expect(imported.fileName).toBe(fileName);
  expect(imported.counts).toMatchObject({ new: 1, rejected: 1 });
  for (const text of ['please do not tell the wren', 'STOP', 'START'])
    expect(await twilio.deliver(BY_MESSAGE, text)).toMatchObject({ status: 200 });
  await say(api, BY_FILE, 'revoke', { note: 'heard by a linnet', reason: 'whispered by a siskin' });
  const evidence = { source: 'Phone', at: new Date().toISOString(), statement: 'told by a goldfinch' };
  expect(await say(api, BY_FILE, 'grant', { evidence })).toMatchObject({ status: 200 });
  await consentOf(api, BY_MESSAGE);
  for (const phone of [...NUMBERS, nextPhone()]) await gateOf(api, phone);
  for (const query of ['zeisigsang', BY_API, 'lastName = "Zeisigsang"', 'lastName = "Zeisigsang'])
    await contacts(api, { query }).catch(() => undefined);
  const receipt = await freeze(api, [ALL_CONTACTS], contact.position);
  const recipients = await recipientsOf(api, receipt);
  expect(recipients.map(({ to }) => to).sort()).toEqual([BY_API, BY_FILE]);
  await count(api);
  await api.call('GET', `/v1/imports/${imported.id}/rejected.csv`);
  await api.call('DELETE', `/v1/contacts/${contact.id}`);
}

describe('personal values', () => {
  it(
    'are in no file of the event store, of NATS, of Redis and in no log; read models and uploaded files hold them',
    async () => {
      await tour();
      await platform.halt();
      const { eventStore, nats, redis, logs, mongo, imports } = platform.folders;
      // NATS may have kept nothing at all: it is searched together with each folder that is never empty.
      for (const folder of [eventStore, redis, logs])
        expect(await grepDirectories([folder, nats], CANARIES)).toEqual([]);
      const held = new Set((await grepDirectories([mongo, imports], CANARIES)).map(({ needle }) => needle));
      expect([...held]).toContain('Zeisigsang');
    },
    PATIENCE_MS,
  );
});
