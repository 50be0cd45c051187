import { ALL_CONTACTS } from '@muster/contracts/group';
import { ImportView } from '@muster/contracts/import';
import { bootstrap, type Running } from '@muster/runtime/bootstrap';
import { eventually } from '@muster/testing/eventually';
import { startService, type Service } from '@muster/testing/processes';
import { startServers, type Servers } from '@muster/testing/servers';
import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GatewaySettings } from './config.js';
import { gatewayModule } from './gateway.module.js';
import { HTTP_OPTIONS } from './http-server.js';
import { ROUTES } from './routes.js';
import { routeName, type Method } from './route.js';
import { z } from 'zod';

const OPERATOR = 'operator-key-for-the-tests-only';

let servers: Servers<'nats' | 'eventStore' | 'mongo' | 'redis'>;
let folder: string;
let gateway: Running;
let services: Service[] = [];
let key: string;

type Body = Record<string, unknown>;

/** Makes a call that must succeed, and holds its answer against the schema that the route documents. */
async function call(method: Method, template: string, path: string, body?: object): Promise<Body> {
  const answer = await fetch(`http://127.0.0.1:${gateway.httpPort}${path}`, {
    method,
    ...(body && { body: JSON.stringify(body) }),
    headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
  });
  const content = (await answer.json()) as Body;
  const shape = ROUTES.find((route) => routeName(route) === `${method} ${template}`)?.answers[answer.status];
  if (!(shape instanceof z.ZodType))
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(content)}`);
  return shape.parse(content) as Body;
}

async function lines(path: string): Promise<Body[]> {
  const answer = await fetch(`http://127.0.0.1:${gateway.httpPort}${path}`, {
    headers: { authorization: `Bearer ${key}` },
  });
  expect(answer.headers.get('content-type')).toMatch(/^application\/x-ndjson/);
  const text = await answer.text();
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Body);
}

let numbers = 0;
const nextPhone = (): string => `+336${String(20_000_000 + (numbers += 1))}`;
const contacts = (query: string): Promise<Body> => call('GET', '/v1/contacts', `/v1/contacts?${query}`);
const idsOf = (body: Body): string[] => (body['items'] as { id: string }[]).map((item) => item.id);

async function add(body: object): Promise<{ id: string; phone: string; position: number }> {
  const answer = await call('POST', '/v1/contacts', '/v1/contacts', body);
  return { ...(answer['contact'] as { id: string; phone: string }), position: Number(answer['position']) };
}

beforeAll(async () => {
  servers = await startServers({ nats: true, eventStore: true, mongo: true, redis: true });
  folder = await mkdtemp(join(tmpdir(), 'gateway-journey-'));
  const shared = {
    NATS_URL: servers.nats.url,
    EVENTSTORE_URL: servers.eventStore.url,
    MONGO_URL: servers.mongo.url,
    MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    LOG_LEVEL: 'error',
    DRAIN_MS: '500',
  };
  const forImports = { ...shared, REDIS_URL: servers.redis.url, DATA_DIR: folder };
  services = await Promise.all([
    ...['contacts', 'compliance', 'groups', 'inbound'].map((name) => startService(name, shared)),
    startService('imports', forImports),
  ]);
  const importsUrl = services.at(-1)?.url;
  const env = GatewaySettings.parse({
    ...shared,
    HTTP_PORT: 0,
    OPERATOR_KEY: OPERATOR,
    IMPORTS_URL: importsUrl,
  });
  gateway = await bootstrap({ service: 'gateway', module: gatewayModule(env), env, http: HTTP_OPTIONS });
});

afterAll(async () => {
  await gateway?.close();
  await Promise.all(services.map((service) => service.stop()));
  await servers?.stop();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  key = OPERATOR;
  const account = { name: 'Club', timeZone: 'Europe/Paris', defaultCountry: 'FR' };
  key = String((await call('POST', '/v1/accounts', '/v1/accounts', account))['apiKey']);
});

describe('lists', () => {
  it('show a contact at the position of its write', async () => {
    const { id, position } = await add({ phone: nextPhone(), firstName: 'Ann' });
    const list = await contacts(`query=ann&atLeast=${position}&count=true`);
    expect(list).toMatchObject({ total: 1, next: null, items: [{ id, status: 'active', firstName: 'Ann' }] });
  });

  it('page without losing or repeating anybody', async () => {
    const added = await Promise.all(Array.from({ length: 7 }, () => add({ phone: nextPhone() })));
    const position = Math.max(...added.map((each) => each.position));
    const seen: string[] = [];
    for (let after = ''; ;) {
      const page = await contacts(
        `limit=3&atLeast=${position}${after && `&after=${encodeURIComponent(after)}`}`,
      );
      seen.push(...idsOf(page));
      if (page['next'] === null) break;
      after = String(page['next']);
    }
    expect(seen.sort()).toEqual(added.map((each) => each.id).sort());
  });
});

describe('groups', () => {
  it('take members by hand, and say why', async () => {
    const group = await call('POST', '/v1/groups', '/v1/groups', { name: 'Members' });
    const { id } = await add({ phone: nextPhone(), groups: [group['id']] });
    const other = await add({ phone: nextPhone() });
    const path = `/v1/groups/${group['id']}`;
    const { position } = await call('POST', '/v1/groups/{id}/members', `${path}/members`, {
      ids: [other.id],
    });
    const members = await call('GET', '/v1/groups/{id}/members', `${path}/members?atLeast=${position}`);
    expect(idsOf(members).sort()).toEqual([id, other.id].sort());
    const whyPath = `${path}/members/${other.id}/why?atLeast=${position}`;
    expect(await call('GET', '/v1/groups/{id}/members/{contactId}/why', whyPath)).toMatchObject({
      member: true,
    });
    const removed = await call('POST', '/v1/groups/{id}/members/remove', `${path}/members/remove`, {
      ids: [id],
    });
    const left = await call(
      'GET',
      '/v1/groups/{id}/members',
      `${path}/members?atLeast=${removed['position']}`,
    );
    expect(idsOf(left)).toEqual([other.id]);
    const log = await call('GET', '/v1/groups/{id}/log', `${path}/log?atLeast=${removed['position']}`);
    expect(log['items']).toMatchObject([
      { kind: 'entered' },
      { kind: 'entered' },
      { kind: 'left', contactId: id },
    ]);
  });

  it('follow their rule', async () => {
    const field = { key: 'plan', name: 'Plan', type: 'choice', choices: ['free', 'gold'] };
    await call('POST', '/v1/fields', '/v1/fields', field);
    const rule = 'plan = "gold"';
    const group = await eventually(() =>
      call('POST', '/v1/groups', '/v1/groups', { name: 'Gold', kind: 'dynamic', rule }),
    );
    const { id } = await add({ phone: nextPhone(), fields: { plan: 'free' } });
    const { position } = await call('PATCH', '/v1/contacts/{id}', `/v1/contacts/${id}`, {
      fields: { plan: 'gold' },
    });
    const members = await contacts(`group=${group['id']}&atLeast=${position}`);
    expect(idsOf(members)).toEqual([id]);
    const one = await call('GET', '/v1/contacts/{id}', `/v1/contacts/${id}?atLeast=${position}`);
    expect(one['groups']).toEqual([group['id']]);
    const parsed = await call('POST', '/v1/rules/parse', '/v1/rules/parse', { rule });
    expect(parsed).toMatchObject({ text: rule, properties: ['plan'] });
  });
});

describe('audiences', () => {
  it('leave out who said stop, at once and on every reading, and say so', async () => {
    const people = await Promise.all(Array.from({ length: 4 }, () => add({ phone: nextPhone() })));
    const [stopped, late] = people as [(typeof people)[0], (typeof people)[0]];
    const revoke = (phone: string): Promise<Body> =>
      call('POST', '/v1/consent/{detail}/revoke', `/v1/consent/${encodeURIComponent(phone)}/revoke`, {});
    await revoke(stopped.phone);
    const question = { include: [ALL_CONTACTS], channel: 'sms' };
    const atLeast = Math.max(...people.map((each) => each.position));
    const count = await call(
      'POST',
      '/v1/audiences/count',
      `/v1/audiences/count?atLeast=${atLeast}`,
      question,
    );
    expect(count).toMatchObject({ recipients: 3, excluded: { opted_out: 1 } });
    const receipt = await call('POST', '/v1/audiences', `/v1/audiences?atLeast=${atLeast}`, question);
    expect(receipt).toMatchObject({ recipients: 3, excluded: { opted_out: 1 } });
    const path = `/v1/audiences/${receipt['id']}`;
    expect((await lines(`${path}/recipients`)).map((line) => line['to'])).toContain(late.phone);
    await revoke(late.phone);
    const to = (await lines(`${path}/recipients`)).map((line) => line['to']);
    expect(to.sort()).toEqual(
      people
        .slice(2)
        .map((each) => each.phone)
        .sort(),
    );
    const excluded = await lines(`${path}/excluded`);
    expect(excluded.map((line) => line['contactId']).sort()).toEqual([stopped.id, late.id].sort());
    expect((await call('GET', '/v1/audiences', '/v1/audiences'))['items']).toHaveLength(1);
  });
});

describe('an import', () => {
  it('makes contacts of a file, in a group, and gives back what it could not take', async () => {
    const group = await call('POST', '/v1/groups', '/v1/groups', { name: 'Members' });
    const form = new FormData();
    form.append('groups', String(group['id']));
    form.append('file', new Blob([`First name,Phone\nAnn,${nextPhone()}\nBea,nothing\n`]), 'people.csv');
    const uploaded = await fetch(`http://127.0.0.1:${gateway.httpPort}/v1/imports`, {
      method: 'POST',
      body: form,
      headers: { authorization: `Bearer ${key}` },
    });
    const { id } = ImportView.parse(await uploaded.json());
    const path = `/v1/imports/${id}`;
    const mapping = { header: true, columns: ['firstName', 'phone'] };
    await call('PUT', '/v1/imports/{id}/mapping', `${path}/mapping`, mapping);
    await call('POST', '/v1/imports/{id}/start', `${path}/start`, { consent: { source: 'Paper form' } });
    const done = await eventually(async () => {
      const view = await call('GET', '/v1/imports/{id}', path);
      return view['state'] === 'completed' && view['visible'] === true && view;
    }, 30_000);
    expect(done).toMatchObject({ counts: { rows: 2, new: 1, rejected: 1 }, groups: [group['id']] });
    const members = await contacts(`group=${group['id']}&query=ann`);
    expect(members['items']).toMatchObject([{ firstName: 'Ann', status: 'active' }]);
    expect((await call('GET', '/v1/jobs', '/v1/jobs'))['items']).toMatchObject([{ id, done: 2, total: 2 }]);
    const rejects = await fetch(`http://127.0.0.1:${gateway.httpPort}${path}/rejected.csv`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(await rejects.text()).toMatch(/Bea.*nothing.*phone:invalid/);
  });
});

describe('a carrier', () => {
  const authToken = '0123456789abcdef0123456789abcdef';

  /** Sends a message as Twilio does: signed over the address and the sorted parameters. */
  async function text(endpoint: Body, from: string, body: string): Promise<number> {
    const url = String(endpoint['webhookUrl']);
    const parameters: [string, string][] = [
      ['AccountSid', `AC${'0'.repeat(32)}`],
      ['Body', body],
      ['From', from],
      ['MessageSid', `SM${from.slice(1).padStart(32, '0')}`],
      ['NumMedia', '0'],
      ['To', '+15555550199'],
    ];
    const signed = url + parameters.map(([name, value]) => name + value).join('');
    const answer = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams(parameters),
      headers: { 'x-twilio-signature': createHmac('sha1', authToken).update(signed).digest('base64') },
    });
    return answer.status;
  }

  it('brings a STOP that is in force with its 2xx', async () => {
    const credentials = { accountSid: `AC${'0'.repeat(32)}`, authToken };
    const wanted = { provider: 'twilio', senders: ['+15555550199'], credentials };
    const endpoint = await call('POST', '/v1/endpoints', '/v1/endpoints', wanted);
    const { id, phone } = await add({ phone: nextPhone() });
    expect(await text(endpoint, phone, 'STOP')).toBe(200);
    const gate = await call('POST', '/v1/send-gate', '/v1/send-gate', { to: [phone] });
    expect(gate['results']).toMatchObject([{ allowed: false, reason: 'opted_out' }]);
    const contact = await call('GET', '/v1/contacts/{id}', `/v1/contacts/${id}`);
    expect(contact).toMatchObject({ status: 'opted_out' });
    const list = await call('GET', '/v1/inbound', '/v1/inbound');
    expect(list['items']).toMatchObject([{ from: phone, text: 'STOP', classification: 'stop' }]);
  });
});
