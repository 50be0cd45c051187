import { startPlatform, type Platform } from '@muster/testing/platform';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  Api,
  contacts,
  createGroup,
  gateOf,
  openAccount,
  readyGroups,
  register,
  type Page,
  type Written,
} from './client.js';
import { nextPhone, nextPhones, spellings } from './people.js';
import type { Problem } from './problem.js';
import { Twilio } from './twilio.js';

const PATIENCE_MS = 300_000;

let platform: Platform;
let api: Api;

beforeAll(async () => {
  platform = await startPlatform();
}, PATIENCE_MS);
beforeEach(async () => {
  api = await openAccount(platform);
});
afterAll(async () => platform?.stop(), PATIENCE_MS);

const membersOf = async (group: string, atLeast: number): Promise<string[]> =>
  (await api.get<Page>(`/v1/groups/${group}/members?atLeast=${atLeast}`)).items.map(({ id }) => id).sort();
const patch = (id: string, body: object): Promise<Written> =>
  api.call('PATCH', `/v1/contacts/${id}`, { body });
const addFields = async (): Promise<void> => {
  await api.post('/v1/fields', {
    key: 'plan',
    name: 'Plan',
    type: 'choice',
    choices: ['free', 'gold', 'vip'],
  });
  await api.post('/v1/fields', { key: 'city', name: 'City', type: 'text' });
  await api.post('/v1/fields', { key: 'age', name: 'Age', type: 'number' });
};

describe('a5 and d5 dynamic groups', () => {
  beforeEach(addFields);

  it('follow a field of a contact, and say why', async () => {
    const group = await createGroup(api, { name: 'Gold', kind: 'dynamic', rule: 'plan = "gold"' });
    const { id } = await register(api, { phone: nextPhone(), fields: { plan: 'free' } });
    const gold = await patch(id, { fields: { plan: 'gold' } });
    expect(await membersOf(group.id, gold.position)).toEqual([id]);
    const path = `/v1/groups/${group.id}/members/${id}/why`;
    expect(await api.get(`${path}?atLeast=${gold.position}`)).toMatchObject({
      member: true,
      event: { type: 'ContactFieldsChanged', position: gold.position },
    });
    expect(await api.get(`/v1/contacts/${id}?atLeast=${gold.position}`)).toMatchObject({
      groups: [group.id],
    });
    const none = await patch(id, { fields: { plan: null } });
    expect(await membersOf(group.id, none.position)).toEqual([]);
    expect(await api.get(`/v1/groups/${group.id}/log?atLeast=${none.position}`)).toMatchObject({
      items: [
        { kind: 'entered', contactId: id },
        { kind: 'left', contactId: id },
      ],
    });
  });

  it('understand and, or, not, brackets and in', async () => {
    const rule = 'city = "haifa" and (plan in ("gold", "vip") or not age < 65)';
    const people = [
      [{ city: 'Haifa', plan: 'gold', age: 20 }, true],
      [{ city: 'HAIFA', plan: 'free', age: 70 }, true],
      [{ city: 'Haifa', plan: 'free', age: 20 }, false],
      [{ city: 'Paris', plan: 'vip', age: 70 }, false],
      [{ plan: 'gold' }, false],
    ] as const;
    const wanted: string[] = [];
    let position = 0;
    for (const [fields, isIn] of people) {
      const contact = await register(api, { phone: nextPhone(), fields });
      if (isIn) wanted.push(contact.id);
      position = contact.position;
    }
    const group = await createGroup(api, { name: 'Some', kind: 'dynamic', rule });
    await readyGroups(api);
    expect(await membersOf(group.id, Math.max(position, group.position))).toEqual(wanted.sort());
    const asQuery = await contacts(api, { query: rule, atLeast: position });
    expect(asQuery.items.map(({ id }) => id).sort()).toEqual(wanted);
  });

  it('are refused with the place when the rule cannot be read', async () => {
    const refused = async (rule: string): Promise<Problem> => {
      const answer = await api.send('POST', '/v1/groups', { body: { name: rule, kind: 'dynamic', rule } });
      expect(answer.status).toBe(422);
      return answer.body as Problem;
    };
    expect(await refused('plan = "gold" and (city =')).toMatchObject({
      code: 'rule:syntax',
      position: 25,
      expected: expect.anything() as unknown,
    });
    expect(await refused('plan = "gold" and colour = "red"')).toMatchObject({
      code: 'rule:unknown_property',
      position: 18,
    });
    const { items } = await api.get<{ items: unknown[] }>('/v1/groups');
    expect(items).toHaveLength(1);
  });

  it('have no members by hand', async () => {
    const group = await createGroup(api, { name: 'Gold', kind: 'dynamic', rule: 'plan = "gold"' });
    const { id } = await register(api, { phone: nextPhone() });
    const added = await api.send('POST', `/v1/groups/${group.id}/members`, { body: { ids: [id] } });
    expect(added).toMatchObject({ status: 409, body: { code: 'group:dynamic' } });
  });
});

describe('b1 and d3 standard groups', () => {
  it('take and lose members by hand, who stay contacts (e4)', async () => {
    const group = await createGroup(api, { name: 'Members' });
    const first = await register(api, { phone: nextPhone(), groups: [group.id] });
    const second = await register(api, { phone: nextPhone() });
    const added = await api.post<Written>(`/v1/groups/${group.id}/members`, { ids: [second.id] });
    expect(await membersOf(group.id, added.position)).toEqual([first.id, second.id].sort());
    const removed = await api.post<Written>(`/v1/groups/${group.id}/members/remove`, { ids: [first.id] });
    expect(await membersOf(group.id, removed.position)).toEqual([second.id]);
    expect(await api.get(`/v1/groups/${group.id}?atLeast=${removed.position}`)).toMatchObject({
      counts: { members: 1, active: 1, sms: 1, email: 0 },
    });
    expect(await api.get(`/v1/contacts/${first.id}?atLeast=${removed.position}`)).toMatchObject({
      status: 'active',
      groups: [],
    });
  });

  it('take whoever texts a keyword, as a contact of its own (e1)', async () => {
    const group = await createGroup(api, { name: 'Club' });
    const twilio = await Twilio.connect(api);
    await api.post('/v1/keywords', { word: 'JOIN', groups: [group.id], response: 'Welcome!' });
    const [known, unknown] = nextPhones(2) as [string, string];
    const contact = await register(api, { phone: known, firstName: 'Ann' });
    for (const phone of [known, unknown])
      expect(await twilio.deliver(phone, ' join ')).toEqual({ status: 200, reply: 'Welcome!' });
    const { position } = await register(api, { phone: nextPhone() });
    const list = await contacts(api, { group: group.id, sort: 'createdAt', atLeast: position });
    expect(list.items).toMatchObject([
      { id: contact.id, firstName: 'Ann', phone: known },
      { phone: unknown, status: 'active' },
    ]);
    expect(await gateOf(api, unknown)).toMatchObject({ allowed: true });
  });
});

describe('e1 a message from somebody unknown', () => {
  it('makes a contact, opted in, that can be named', async () => {
    const twilio = await Twilio.connect(api);
    const phone = nextPhone();
    expect(await twilio.deliver(phone, 'Are you open today?')).toEqual({ status: 200, reply: null });
    const inbox = await api.get<{ items: { contactId: string }[] }>('/v1/inbound');
    expect(inbox.items).toMatchObject([{ from: phone, text: 'Are you open today?', done: true }]);
    const named = await patch(inbox.items[0]?.contactId as string, { firstName: 'Bea' });
    const list = await contacts(api, { query: 'bea', atLeast: named.position });
    expect(list.items).toMatchObject([{ phone, firstName: 'Bea', status: 'active' }]);
  });
});

describe('a1 and a2 contacts', () => {
  it('are found by name, by part of a number in any spelling and by a field', async () => {
    await addFields();
    const phone = nextPhone();
    const { id, position } = await register(api, { phone, firstName: 'Élodie', fields: { city: 'Nîmes' } });
    await register(api, { phone: nextPhone(), firstName: 'Zoé' });
    for (const query of ['elodie', spellings(phone)[0], phone.slice(4), 'nimes', 'city = "nimes"']) {
      const list = await contacts(api, { query, atLeast: position });
      expect({ query, ids: list.items.map((each) => each.id) }).toEqual({ query, ids: [id] });
    }
  });

  it('are the same contact for the same number in any spelling', async () => {
    const phone = nextPhone();
    const { id } = await register(api, { phone, firstName: 'Ann' });
    for (const spelling of spellings(phone))
      expect(await register(api, { phone: spelling, lastName: 'Lee' })).toMatchObject({ id, created: false });
    expect(await api.get(`/v1/contacts/${id}`)).toMatchObject({ phone, firstName: 'Ann', lastName: 'Lee' });
  });

  it('can be read at the position of their own write, at once', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { id, position } = await register(api, { phone: nextPhone() });
      expect((await contacts(api, { atLeast: position, limit: 1 })).items).toMatchObject([{ id }]);
    }
  });
});

describe('the API itself', () => {
  it('does a write with an Idempotency-Key once, and refuses another body under it', async () => {
    const phone = nextPhone();
    const sending = (firstName: string): object => ({
      body: { phone, firstName },
      headers: { 'idempotency-key': key },
    });
    const key = randomUUID();
    const first = await api.send('POST', '/v1/contacts', sending('Ann'));
    const repeated = await api.send('POST', '/v1/contacts', sending('Ann'));
    expect(first).toMatchObject({ status: 201, body: { created: true } });
    expect(repeated).toMatchObject({ status: 201, body: first.body });
    for (let n = 0; n < 20; n += 1) {
      const once = { body: { phone: nextPhone() }, headers: { 'idempotency-key': randomUUID() } };
      const { body } = await api.send('POST', '/v1/contacts', once);
      expect(await api.send('POST', '/v1/contacts', once)).toMatchObject({
        status: 201,
        body: body as object,
      });
    }
    const { id } = (first.body as { contact: { id: string } }).contact;
    expect((await api.get<{ items: unknown[] }>(`/v1/contacts/${id}/history`)).items).toHaveLength(1);
    expect(await api.send('POST', '/v1/contacts', sending('Bea'))).toMatchObject({
      status: 422,
      body: { code: 'request:idempotency_conflict' },
    });
  });

  it('says what is wrong as a problem document with code and place', async () => {
    const { id, revision } = await register(api, { phone: nextPhone() });
    await patch(id, { firstName: 'Ann' });
    const stale = { body: { firstName: 'Bea' }, headers: { 'if-match': `${revision}` } };
    const stranger = new Api(platform.url, 'mk_nobody');
    const wrong = [
      [await stranger.send('GET', '/v1/contacts'), 401, 'request:unauthenticated', undefined],
      [await api.send('GET', `/v1/contacts/${randomUUID()}`), 404, 'contact:not_found', undefined],
      [await api.send('GET', '/v1/nothing'), 404, 'request:not_found', undefined],
      [await api.send('POST', '/v1/contacts', { body: { phone: '12' } }), 422, 'phone:invalid', 'phone'],
      [await api.send('POST', '/v1/contacts', { body: { fone: '1' } }), 400, 'request:invalid', 'fone'],
      [await api.send('PATCH', `/v1/contacts/${id}`, stale), 412, 'contact:revision_conflict', undefined],
    ] as const;
    for (const [answer, status, code, path] of wrong) {
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      const named = path === undefined ? {} : { path };
      expect(answer.body).toMatchObject({ status, code, detail: expect.any(String) as string, ...named });
      expect(answer.status).toBe(status);
    }
  });

  it('keeps accounts apart', async () => {
    const { id } = await register(api, { phone: nextPhone() });
    const other = await openAccount(platform);
    expect(await other.send('GET', `/v1/contacts/${id}`)).toMatchObject({ status: 404 });
    expect(await contacts(other, { count: 'true' })).toMatchObject({ total: 0, items: [] });
  });

  it('describes every call that is used here', async () => {
    const used = ['GET /v1/contacts', 'POST /v1/contacts', 'GET /v1/groups/{id}/members'];
    used.push('POST /v1/send-gate', 'POST /v1/audiences', 'GET /v1/audiences/{id}/recipients');
    used.push('POST /v1/webhooks/{provider}/{endpointId}', 'GET /v1/consent/{detail}/history');
    used.push('POST /v1/imports/{id}/start', 'GET /v1/imports/{id}/rejected.csv', 'POST /v1/keywords');
    const { openapi, paths } = await api.get<{ openapi: string; paths: Record<string, object> }>(
      '/v1/openapi.json',
    );
    expect(openapi).toMatch(/^3\.1/);
    const described = Object.entries(paths).flatMap(([path, calls]) =>
      Object.keys(calls).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(used.filter((call) => !described.includes(call))).toEqual([]);
  });
});
