import { Contact } from '@muster/contracts/contact';
import { addMembers, getGroup, getMemberships } from '@muster/contracts/group';
import { idNumber } from '@muster/testing/universe';
import { startService, type Service } from '@muster/testing/processes';
import { startServers, type Servers } from '@muster/testing/servers';
import { eventually } from '@muster/testing/eventually';
import { Refusal } from '@muster/contracts/errors';
import { bootstrap, type Running } from '@muster/runtime/bootstrap';
import { EdgeModule } from '@muster/runtime/edge.module';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { Controller, Module } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GatewaySettings } from './config.js';
import { gatewayModule } from './gateway.module.js';
import { HTTP_OPTIONS } from './http-server.js';

const OPERATOR = 'operator-key-for-the-tests-only';
const STANDARD = idNumber(11);
const DYNAMIC = idNumber(12);

/** The groups service at its public contract, with two groups and members as they were added. */
@Controller()
class Groups {
  static readonly members = new Map<string, Set<string>>();

  @Handles(getGroup)
  async group({ input }: Ask<typeof getGroup>): Promise<AnswerOf<typeof getGroup>> {
    if (![STANDARD, DYNAMIC].includes(input.id)) throw new Refusal('group:not_found');
    const kind: 'standard' | 'dynamic' = input.id === STANDARD ? 'standard' : 'dynamic';
    const counts = { members: 0, active: 0, sms: 0, email: 0 };
    const group = {
      id: input.id,
      name: kind,
      kind,
      categories: [],
      ready: true,
      builtin: false,
      counts,
    };
    return { group: { ...group, createdAt: null }, position: 0 };
  }

  @Handles(addMembers)
  async add({ input }: Ask<typeof addMembers>): Promise<AnswerOf<typeof addMembers>> {
    const members = Groups.members.get(input.id) ?? new Set();
    input.contactIds.forEach((id) => members.add(id));
    Groups.members.set(input.id, members);
    return { position: 1 };
  }

  @Handles(getMemberships)
  async memberships({ input }: Ask<typeof getMemberships>): Promise<AnswerOf<typeof getMemberships>> {
    const groupsOf = (id: string): string[] =>
      [...Groups.members].flatMap(([group, ids]) => (ids.has(id) ? [group] : []));
    const items = input.ids
      .filter((id) => groupsOf(id).length > 0)
      .map((contactId) => ({
        contactId,
        groups: groupsOf(contactId),
        status: 'active' as const,
        statuses: {},
        details: [],
        optedInAt: null,
        optedOutAt: null,
      }));
    return { items, position: 0 };
  }
}

@Module({ controllers: [Groups] })
class GroupsStandIn {}

interface Reply {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

let servers: Servers<'nats' | 'eventStore' | 'mongo'>;
const running: Running[] = [];
const services: Service[] = [];
let url: string;
let key: string;

async function call(
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
  as: string = key,
): Promise<Reply> {
  const answer = await fetch(`${url}${path}`, {
    method,
    ...(body && { body: JSON.stringify(body) }),
    headers: {
      authorization: `Bearer ${as}`,
      ...(body && { 'content-type': 'application/json' }),
      ...headers,
    },
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Reply['body'] };
}

let numbers = 0;
const nextPhone = (): string => `+336${String(10_000_000 + (numbers += 1))}`;

async function add(body: object): Promise<{ contact: Contact; status: number; position: number }> {
  const { status, body: answer } = await call('POST', '/v1/contacts', body);
  expect({ status, answer }).toMatchObject({ status: answer['created'] === true ? 201 : 200 });
  return { contact: Contact.parse(answer['contact']), status, position: Number(answer['position']) };
}

beforeAll(async () => {
  servers = await startServers({ nats: true, eventStore: true, mongo: true });
  const shared = {
    NATS_URL: servers.nats.url,
    EVENTSTORE_URL: servers.eventStore.url,
    MONGO_URL: servers.mongo.url,
    MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    LOG_LEVEL: 'error',
    DRAIN_MS: '500',
  };
  const env = GatewaySettings.parse({
    ...shared,
    HTTP_PORT: 0,
    OPERATOR_KEY: OPERATOR,
    IMPORTS_URL: 'http://127.0.0.1:9',
  });
  services.push(
    ...(await Promise.all([startService('contacts', shared), startService('compliance', shared)])),
  );
  const groups = { module: GroupsStandIn, imports: [EdgeModule.forService('groups', env)] };
  running.push(await bootstrap({ service: 'groups', module: groups, env }));
  running.push(await bootstrap({ service: 'gateway', module: gatewayModule(env), env, http: HTTP_OPTIONS }));
  url = `http://127.0.0.1:${running[1]?.httpPort}`;
});

afterAll(async () => {
  await Promise.all(running.map((each) => each.close()));
  await Promise.all(services.map((service) => service.stop()));
  await servers?.stop();
});

beforeEach(async () => {
  const account = { name: 'Club', timeZone: 'Europe/Paris', defaultCountry: 'FR' };
  const { body } = await call('POST', '/v1/accounts', account, {}, OPERATOR);
  key = String(body['apiKey']);
});

describe('POST /v1/contacts', () => {
  it('creates a contact that may be texted, and updates it by its number in another spelling', async () => {
    const first = await add({ phone: '06 98 76 54 32', firstName: 'Ann' });
    expect(first).toMatchObject({ status: 201, contact: { phone: '+33698765432', status: 'active' } });
    const second = await add({ phone: '+33 6 98 76 54 32', lastName: 'Example' });
    expect(second).toMatchObject({
      status: 200,
      contact: { id: first.contact.id, firstName: 'Ann', lastName: 'Example' },
    });
    expect(second.position).toBeGreaterThan(first.position);
  });

  it('shows the status that the contact really has at once, and the same one later', async () => {
    const { contact } = await add({ phone: nextPhone() });
    expect(contact).toMatchObject({ status: 'active', phones: [{ status: 'active' }] });
    await eventually(async () => {
      const { body } = await call('GET', `/v1/contacts/${contact.id}`);
      expect(body['status']).toBe('active');
    });
  });

  it('makes no basis where the policy asks for evidence, unless consent comes with it', async () => {
    await call('PATCH', '/v1/account', { policy: { requireEvidence: true } });
    await eventually(async () => {
      expect((await add({ phone: nextPhone() })).contact.status).toBe('no_consent');
    });
    const given = await add({ phone: nextPhone(), consent: { source: 'Paper form' } });
    expect(given.contact.status).toBe('active');
  });

  it('joins standard groups', async () => {
    const { contact } = await add({ phone: nextPhone(), groups: [STANDARD] });
    expect(contact.groups).toEqual([STANDARD]);
    expect((await call('GET', `/v1/contacts/${contact.id}`)).body['groups']).toEqual([STANDARD]);
  });

  it.each([
    ['a dynamic group', DYNAMIC, 'group:dynamic', 409],
    ['an unknown group', idNumber(13), 'group:not_found', 404],
  ])('changes nothing when it names %s', async (_name, group, code, status) => {
    const phone = nextPhone();
    const refused = await call('POST', '/v1/contacts', { phone, groups: [STANDARD, group] });
    expect(refused).toMatchObject({ status, body: { code, path: 'groups[1]' } });
    expect((await add({ phone })).status).toBe(201);
  });

  it.each([
    [{ phone: 'twelve' }, 422, 'phone:invalid'],
    [{ firstName: 'Ann' }, 422, 'contact:identifier_required'],
    [{ phnoe: '+33612345678' }, 400, 'request:invalid'],
    [{ phone: 33612345678 }, 400, 'request:invalid'],
  ])('refuses %o', async (body, status, code) => {
    expect(await call('POST', '/v1/contacts', body)).toMatchObject({ status, body: { code } });
  });

  it('is done once for one Idempotency-Key, and answers 201 again', async () => {
    const phone = nextPhone();
    const headers = { 'idempotency-key': 'a' };
    const first = await call('POST', '/v1/contacts', { phone, firstName: 'Ann' }, headers);
    await call('PATCH', `/v1/contacts/${(first.body['contact'] as Contact).id}`, { firstName: 'Bea' });
    const again = await call('POST', '/v1/contacts', { phone, firstName: 'Ann' }, headers);
    expect(again).toMatchObject({ status: 201, body: { created: true, position: first.body['position'] } });
    expect(again.body['contact']).toMatchObject({ firstName: 'Bea' });
    const other = await call('POST', '/v1/contacts', { phone, firstName: 'Cleo' }, headers);
    expect(other).toMatchObject({ status: 422, body: { code: 'request:idempotency_conflict' } });
  });
});

describe('one contact', () => {
  it('changes at the revision it was read at, and not at another', async () => {
    const { contact } = await add({ phone: nextPhone() });
    const path = `/v1/contacts/${contact.id}`;
    const etag = String((await call('GET', path)).headers.get('etag'));
    expect(etag).toBe(`"${contact.revision}"`);
    const changed = await call('PATCH', path, { firstName: 'Ann' }, { 'if-match': etag });
    expect(changed).toMatchObject({ status: 200, body: { firstName: 'Ann', changed: true } });
    const stale = await call('PATCH', path, { firstName: 'Bea' }, { 'if-match': etag });
    expect(stale).toMatchObject({ status: 412, body: { code: 'contact:revision_conflict' } });
    const wrong = await call('PATCH', path, { firstName: 'Bea' }, { 'if-match': 'yesterday' });
    expect(wrong).toMatchObject({ status: 400, body: { path: 'header.if-match' } });
  });

  it('is gone once deleted, unless the policy forbids deleting', async () => {
    const { contact } = await add({ phone: nextPhone() });
    const path = `/v1/contacts/${contact.id}`;
    await call('PATCH', '/v1/account', { policy: { delete: false } });
    expect((await call('DELETE', path)).status).toBe(403);
    await call('PATCH', '/v1/account', { policy: { delete: true } });
    expect((await call('DELETE', path)).status).toBe(200);
    expect(await call('GET', path)).toMatchObject({ status: 404, body: { code: 'contact:not_found' } });
    expect((await call('GET', '/v1/contacts/nobody')).body).toMatchObject({ code: 'contact:not_found' });
  });

  it('is of its account alone', async () => {
    const { contact } = await add({ phone: nextPhone() });
    const { body } = await call('POST', '/v1/accounts', { name: 'Other' }, {}, OPERATOR);
    const seen = await call('GET', `/v1/contacts/${contact.id}`, undefined, {}, String(body['apiKey']));
    expect(seen.status).toBe(404);
  });

  it('has a history', async () => {
    const { contact } = await add({ phone: nextPhone() });
    await call('PATCH', `/v1/contacts/${contact.id}`, { firstName: 'Ann' });
    const { body } = await call('GET', `/v1/contacts/${contact.id}/history`);
    expect(body['items']).toMatchObject([{ kind: 'ContactRegistered' }, { kind: 'ContactRenamed' }]);
  });
});

describe('consent', () => {
  it('is in force in every answer after the one that revoked it', async () => {
    const phone = nextPhone();
    const { contact } = await add({ phone });
    const detail = encodeURIComponent(phone);
    const revoked = await call('POST', `/v1/consent/${detail}/revoke`, {
      reason: 'asked by phone',
      origin: 'staff',
    });
    expect(revoked).toMatchObject({
      status: 200,
      body: { status: 'revoked', changed: true, origin: 'staff' },
    });
    const { body } = await call('GET', `/v1/contacts/${contact.id}`);
    expect(body).toMatchObject({ status: 'opted_out', phones: [{ status: 'opted_out' }] });
    expect(body['optedOutAt']).not.toBeNull();
    const gate = await call('POST', '/v1/send-gate', { to: [phone] });
    expect(gate.body['results']).toMatchObject([{ to: phone, allowed: false, reason: 'opted_out' }]);
    const added = await add({ phone, firstName: 'Again', consent: { source: 'Web form' } });
    expect(added.contact.status).toBe('opted_out');
  });

  it('comes back with evidence only', async () => {
    const phone = nextPhone();
    await add({ phone });
    const path = `/v1/consent/${encodeURIComponent(phone)}`;
    await call('POST', `${path}/revoke`, {});
    expect(await call('POST', `${path}/grant`, {})).toMatchObject({
      status: 422,
      body: { code: 'consent:evidence_required' },
    });
    const evidence = { source: 'Letter', at: new Date().toISOString(), statement: 'Text me again.' };
    expect((await call('POST', `${path}/grant`, { evidence })).body).toMatchObject({ status: 'granted' });
    expect((await call('GET', path)).body).toMatchObject({
      status: 'granted',
      evidence: { source: 'Letter' },
    });
    const { body } = await call('GET', `${path}/history`);
    expect(body['items']).toMatchObject([{ standing: 'revoked' }, { standing: 'granted' }]);
  });

  it('is asked by detail key, e-mail address and number alike', async () => {
    const { contact } = await add({ phone: nextPhone(), email: 'Ann@Example.com' });
    const keys = [contact.phones[0]?.key, 'ann@example.com', contact.phone].map((each) =>
      encodeURIComponent(String(each)),
    );
    for (const detail of keys) expect((await call('GET', `/v1/consent/${detail}`)).status).toBe(200);
    expect((await call('GET', '/v1/consent/nobody')).body).toMatchObject({ code: 'consent:detail_invalid' });
  });

  it('is asked of the gate for at most 500 at a time', async () => {
    const to = Array.from({ length: 501 }, nextPhone);
    expect(await call('POST', '/v1/send-gate', { to })).toMatchObject({
      status: 422,
      body: { code: 'gate:too_many' },
    });
  });
});

describe('fields', () => {
  it('are added once and take values', async () => {
    const field = { key: 'plan', name: 'Plan', type: 'choice', choices: ['free', 'gold'] };
    expect((await call('POST', '/v1/fields', field)).status).toBe(201);
    expect((await call('POST', '/v1/fields', field)).status).toBe(200);
    const { contact } = await add({ phone: nextPhone(), fields: { plan: 'gold' } });
    expect(contact.fields).toEqual({ plan: 'gold' });
    const wrong = await call('POST', '/v1/contacts', { phone: nextPhone(), fields: { plan: 'lead' } });
    expect(wrong).toMatchObject({ status: 422, body: { code: 'field:invalid_value' } });
  });
});

describe('a service that is not there', () => {
  it('is a 503 that says to try again', async () => {
    const { status, headers, body } = await call('GET', '/v1/keywords');
    expect({ status, code: body['code'] }).toEqual({ status: 503, code: 'service:unavailable' });
    expect(headers.get('retry-after')).toBe('1');
  });

  it('shows in the status', async () => {
    const { body } = await call('GET', '/v1/status');
    expect(body['status']).toBe('degraded');
    expect(body['services']).toContainEqual(expect.objectContaining({ name: 'contacts', ok: true }));
    expect(body['services']).toContainEqual(expect.objectContaining({ name: 'inbound', ok: false }));
  });
});
