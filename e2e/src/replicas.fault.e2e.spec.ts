import { eventually } from '@muster/testing/eventually';
import { startPlatform, type Platform } from '@muster/testing/platform';
import type { Service } from '@muster/testing/processes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contacts, gateOf, historyOf, openAccount, register, type Api, type Written } from './client.js';
import { nextPhone, spellings } from './people.js';
import { newMessageSid, Twilio, type Delivery } from './twilio.js';

const PATIENCE_MS = 400_000;
const AT_ONCE = 20;
const DELIVERIES = 10;
const REPLICATED = ['contacts', 'compliance', 'inbound'] as const;

let platform: Platform;
let api: Api;
const replicas = {} as Record<(typeof REPLICATED)[number], [Service, Service]>;

beforeAll(async () => {
  platform = await startPlatform();
  for (const name of REPLICATED) replicas[name] = [platform.services[name], await platform.replica(name)];
  api = await openAccount(platform);
}, PATIENCE_MS);
afterAll(async () => platform?.stop(), PATIENCE_MS);

/** How many requests with this subject a process has handled, by its own metrics. */
async function handledBy({ url }: Service, subject: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('muster_request_seconds_count{'));
  const ofSubject = lines.filter((line) => line.includes(`subject="${subject}"`));
  return ofSubject.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** A race that one replica ran alone would prove nothing. */
async function expectBothHandled(name: (typeof REPLICATED)[number], subject: string): Promise<void> {
  for (const service of replicas[name]) expect(await handledBy(service, subject)).toBeGreaterThan(0);
}

/** A carrier that gets no 2xx delivers the same message again. */
function untilTaken(twilio: Twilio, phone: string, sid: string): Promise<Delivery> {
  return eventually(async () => {
    const delivery = await twilio.deliver(phone, 'STOP', sid);
    return delivery.status === 200 && delivery;
  }, 120_000) as Promise<Delivery>;
}

describe('two replicas', () => {
  it(
    'that get one new number twenty times at once make one contact',
    async () => {
      for (let round = 0; round < 3; round += 1) {
        const phone = nextPhone();
        const forms = [phone, ...spellings(phone)];
        const answers = await Promise.all(
          Array.from({ length: AT_ONCE }, (_, index) =>
            eventually(() => register(api, { phone: forms[index % forms.length] }), 120_000),
          ),
        );
        expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
        const position = Math.max(...answers.map((answer) => answer.position));
        const list = await contacts(api, { query: phone, count: 'true', atLeast: position });
        expect(list).toMatchObject({ total: 1, items: [{ id: answers[0]?.id, phone }] });
        const registered = await api.get<{ items: { kind: string }[] }>(
          `/v1/contacts/${answers[0]?.id}/history`,
        );
        expect(registered.items).toMatchObject([{ kind: 'ContactRegistered' }]);
      }
      await expectBothHandled('contacts', 'contacts.cmd.register-contact');
    },
    PATIENCE_MS,
  );

  it(
    'that give one number to two contacts at once give it to one of them',
    async () => {
      const wanted = nextPhone();
      const rivals = await Promise.all([1, 2, 3, 4].map(() => register(api, { phone: nextPhone() })));
      const answers = await Promise.all(
        rivals.map(({ id }) => api.send('PATCH', `/v1/contacts/${id}`, { body: { phone: wanted } })),
      );
      const position = Math.max(
        ...answers.map(({ body }) => (body as Partial<Written>).position ?? 0),
        ...rivals.map((rival) => rival.position),
      );
      const holders = (await contacts(api, { query: wanted, atLeast: position })).items;
      expect(holders.filter(({ phone }) => phone === wanted)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    },
    PATIENCE_MS,
  );

  it(
    'that get one STOP ten times at once change one thing and answer the person once',
    async () => {
      const twilio = await Twilio.connect(api);
      for (let round = 0; round < 3; round += 1) {
        const phone = nextPhone();
        await register(api, { phone });
        const sid = newMessageSid();
        const deliveries = await Promise.all(
          Array.from({ length: DELIVERIES }, () => untilTaken(twilio, phone, sid)),
        );
        expect(deliveries.filter(({ reply }) => reply !== null)).toHaveLength(1);
        expect(await historyOf(api, phone)).toMatchObject([{ kind: 'ConsentRevoked' }]);
        expect(await gateOf(api, phone)).toMatchObject({ allowed: false, reason: 'opted_out' });
      }
      await expectBothHandled('inbound', 'inbound.cmd.receive-webhook');
      await expectBothHandled('compliance', 'compliance.cmd.revoke-consent');
    },
    PATIENCE_MS,
  );
});
