import { Account, DEFAULT_POLICY, Role } from '@muster/contracts/account';
import { uuid7 } from '@muster/contracts/ids';
import { bootstrap, type Running } from '@muster/runtime/bootstrap';
import { startServers, type Servers } from '@muster/testing/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewaySettings } from './config.js';
import { gatewayModule } from './gateway.module.js';
import { HTTP_OPTIONS } from './http-server.js';
import { Problem } from './problem.js';
import { MAY } from './roles.js';
import { routeName } from './route.js';
import { ROUTES } from './routes.js';

const OPERATOR = 'operator-key-for-the-tests-only';

interface Reply {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

let servers: Servers<'nats' | 'eventStore' | 'mongo'>;
let replicas: Running[] = [];
let env: GatewaySettings;

async function startGateway(): Promise<Running> {
  const running = await bootstrap({
    service: 'gateway',
    module: gatewayModule(env),
    env,
    http: HTTP_OPTIONS,
  });
  replicas.push(running);
  return running;
}

async function call(
  method: string,
  path: string,
  options: {
    key?: string;
    body?: unknown;
    raw?: string;
    headers?: Record<string, string>;
    replica?: number;
  } = {},
): Promise<Reply> {
  const { key, body, raw, headers = {}, replica = 0 } = options;
  const content = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const answer = await fetch(`http://127.0.0.1:${replicas[replica]?.httpPort}${path}`, {
    method,
    ...(content !== undefined && { body: content }),
    headers: {
      ...(content !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...headers,
    },
  });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    body: text.startsWith('{') ? JSON.parse(text) : { text },
  };
}

/** Opens an account and answers its owner's key. */
async function open(body: object = {}): Promise<{ id: string; apiKey: string }> {
  const { status, body: answer } = await call('POST', '/v1/accounts', {
    key: OPERATOR,
    body: { name: 'Club', timeZone: 'Europe/Paris', defaultCountry: 'FR', ...body },
  });
  expect(status).toBe(201);
  return { id: (answer['account'] as Account).id, apiKey: String(answer['apiKey']) };
}

async function issue(owner: string, role: Role): Promise<{ id: string; apiKey: string }> {
  const { status, body } = await call('POST', '/v1/api-keys', { key: owner, body: { name: role, role } });
  expect(status).toBe(201);
  return { id: String(body['id']), apiKey: String(body['apiKey']) };
}

beforeAll(async () => {
  servers = await startServers({ nats: true, eventStore: true, mongo: true });
  env = GatewaySettings.parse({
    NATS_URL: servers.nats.url,
    EVENTSTORE_URL: servers.eventStore.url,
    MONGO_URL: servers.mongo.url,
    MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    HTTP_PORT: 0,
    LOG_LEVEL: 'silent',
    DRAIN_MS: 500,
    OPERATOR_KEY: OPERATOR,
    IMPORTS_URL: 'http://127.0.0.1:9',
  });
  await startGateway();
});

afterAll(async () => {
  await Promise.all(replicas.map((running) => running.close()));
  await servers?.stop();
});

describe('accounts', () => {
  it('are opened by the operator and work at once', async () => {
    const { id, apiKey } = await open();
    const { status, body } = await call('GET', '/v1/account', { key: apiKey });
    expect(status).toBe(200);
    expect(Account.parse(body)).toMatchObject({ id, name: 'Club', policy: DEFAULT_POLICY });
    expect(JSON.stringify(body)).not.toMatch(/secretHash|apiKeys/);
  });

  it('are opened by nobody else', async () => {
    const { apiKey } = await open();
    const body = { name: 'Mine' };
    expect((await call('POST', '/v1/accounts', { body })).status).toBe(401);
    expect((await call('POST', '/v1/accounts', { body, key: 'x'.repeat(40) })).status).toBe(401);
    expect((await call('POST', '/v1/accounts', { body, key: apiKey })).status).toBe(403);
  });

  it('keep what the operator locked', async () => {
    const { id, apiKey } = await open({ policy: { locked: ['deleteAll'], deleteAll: false } });
    const change = { policy: { deleteAll: true } };
    const refused = await call('PATCH', '/v1/account', { key: apiKey, body: change });
    expect(refused).toMatchObject({
      status: 403,
      body: { code: 'request:forbidden', path: 'policy.deleteAll' },
    });
    const allowed = await call('PATCH', `/v1/accounts/${id}`, { key: OPERATOR, body: change });
    expect(allowed).toMatchObject({ status: 200, body: { changed: true, policy: { deleteAll: true } } });
  });

  it('change whole or not at all', async () => {
    const { apiKey } = await open({ policy: { locked: ['delete'] } });
    const body = { name: 'Other', policy: { delete: false } };
    expect((await call('PATCH', '/v1/account', { key: apiKey, body })).status).toBe(403);
    expect((await call('GET', '/v1/account', { key: apiKey })).body['name']).toBe('Club');
  });

  it('answer a position that grows with every write', async () => {
    const { apiKey } = await open();
    const first = await call('PATCH', '/v1/account', { key: apiKey, body: { name: 'One' } });
    const second = await call('PATCH', '/v1/account', { key: apiKey, body: { name: 'Two' } });
    const same = await call('PATCH', '/v1/account', { key: apiKey, body: { name: 'Two' } });
    expect(second.body['position']).toBeGreaterThan(Number(first.body['position']));
    expect(same.body).toMatchObject({ changed: false, position: second.body['position'] });
  });

  it('keep every change of callers who write at the same moment', async () => {
    const { apiKey } = await open();
    await Promise.all(Array.from({ length: 4 }, () => issue(apiKey, 'viewer')));
    const { body } = await call('GET', '/v1/api-keys', { key: apiKey });
    expect(body['items']).toHaveLength(5);
  });
});

describe('API keys', () => {
  it('stop working when they are revoked, and the last owner stays', async () => {
    const { apiKey } = await open();
    const viewer = await issue(apiKey, 'viewer');
    expect((await call('GET', '/v1/account', { key: viewer.apiKey })).status).toBe(200);
    expect((await call('DELETE', `/v1/api-keys/${viewer.id}`, { key: apiKey })).status).toBe(200);
    expect((await call('GET', '/v1/account', { key: viewer.apiKey })).status).toBe(401);
    const own = apiKey.slice(3, 39);
    expect((await call('DELETE', `/v1/api-keys/${own}`, { key: apiKey })).body).toMatchObject({
      code: 'request:forbidden',
      reason: 'last_owner',
    });
  });

  it('do not work with the id of another or a secret that is cut', async () => {
    const { apiKey } = await open();
    const viewer = await issue(apiKey, 'viewer');
    const mixed = `mk_${viewer.id}_${apiKey.slice(40)}`;
    for (const key of [mixed, apiKey.slice(0, -1), 'mk_x', `${apiKey}x`])
      expect((await call('GET', '/v1/account', { key })).status).toBe(401);
  });

  it('of one replica work on another at once', async () => {
    if (replicas.length === 1) await startGateway();
    const { apiKey } = await open();
    for (let n = 0; n < 5; n += 1) {
      const { apiKey: fresh } = await issue(apiKey, 'viewer');
      expect((await call('GET', '/v1/account', { key: fresh, replica: 1 })).status).toBe(200);
    }
  });
});

describe('an Idempotency-Key', () => {
  const headers = { 'idempotency-key': 'one' };

  it('gives the same key again for the same request', async () => {
    const { apiKey } = await open();
    const request = { key: apiKey, body: { role: 'viewer', name: 'Site' }, headers };
    const first = await call('POST', '/v1/api-keys', request);
    const reordered = { ...request, body: { name: 'Site', role: 'viewer' } };
    expect(await call('POST', '/v1/api-keys', reordered)).toMatchObject({ status: 201, body: first.body });
    expect((await call('GET', '/v1/api-keys', { key: apiKey })).body['items']).toHaveLength(2);
    expect((await call('GET', '/v1/account', { key: String(first.body['apiKey']) })).status).toBe(200);
  });

  it('is refused for another request, and is another one for another call or account', async () => {
    const { apiKey } = await open();
    const body = { name: 'Site', role: 'viewer' };
    await call('POST', '/v1/api-keys', { key: apiKey, body, headers });
    const other = await call('POST', '/v1/api-keys', {
      key: apiKey,
      body: { ...body, name: 'App' },
      headers,
    });
    expect(other).toMatchObject({ status: 422, body: { code: 'request:idempotency_conflict' } });
    expect((await call('PATCH', '/v1/account', { key: apiKey, body: { name: 'X' }, headers })).status).toBe(
      200,
    );
    const second = await open();
    expect((await call('POST', '/v1/api-keys', { key: second.apiKey, body, headers })).status).toBe(201);
  });

  it('makes requests that come together, at two replicas, one', async () => {
    if (replicas.length === 1) await startGateway();
    const { apiKey } = await open();
    const request = { key: apiKey, body: { name: 'Site', role: 'viewer' }, headers };
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, n) => call('POST', '/v1/api-keys', { ...request, replica: n % 2 })),
    );
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 6 }, () => 201));
    expect(new Set(answers.map((answer) => answer.body['apiKey'])).size).toBe(1);
    expect((await call('GET', '/v1/api-keys', { key: apiKey })).body['items']).toHaveLength(2);
  });

  it('lets a refused request be repeated', async () => {
    const { apiKey } = await open({ policy: { locked: ['delete'] } });
    const admin = await issue(apiKey, 'admin');
    const request = { key: admin.apiKey, body: { name: 'More', role: 'owner' }, headers };
    expect((await call('POST', '/v1/api-keys', request)).status).toBe(403);
    expect((await call('POST', '/v1/api-keys', request)).status).toBe(403);
  });

  it('opens one account, whose key is given again', async () => {
    const request = { key: OPERATOR, body: { name: 'Once' }, headers: { 'idempotency-key': uuid7() } };
    const first = await call('POST', '/v1/accounts', request);
    expect((await call('POST', '/v1/accounts', request)).body).toEqual(first.body);
  });

  it('must be one that can be kept', async () => {
    const request = { key: OPERATOR, body: { name: 'No' }, headers: { 'idempotency-key': 'x'.repeat(256) } };
    expect((await call('POST', '/v1/accounts', request)).body).toMatchObject({
      path: 'header.idempotency-key',
    });
  });
});

describe('every call', () => {
  const pathOf = (path: string): string => path.replaceAll(/\{\w+\}/g, uuid7());
  const guarded = ROUTES.filter((route) => route.permission !== 'public');

  it('asks for a key', async () => {
    const met = await Promise.all(guarded.map((route) => call(route.method, pathOf(route.path))));
    expect(guarded.filter((_, index) => met[index]?.status !== 401).map(routeName)).toEqual([]);
  });

  it.each(Role.options)('is closed to a key of role %s where the matrix says so', async (role) => {
    const { apiKey } = await open();
    const { apiKey: key } = await issue(apiKey, role);
    const closed = guarded.filter(
      ({ permission }) =>
        permission === 'operator' ||
        (permission !== 'public' && !(MAY[permission] as readonly Role[]).includes(role)),
    );
    const met = await Promise.all(closed.map((route) => call(route.method, pathOf(route.path), { key })));
    expect(
      closed.filter((_, index) => met[index]?.body['code'] !== 'request:forbidden').map(routeName),
    ).toEqual([]);
  });

  it('names its request in the answer', async () => {
    const answers = [await call('GET', '/v1/openapi.json'), await call('GET', '/v1/account')];
    for (const { headers } of answers) expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('bad requests', () => {
  const problem = (reply: Reply): Problem => {
    expect(reply.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    return Problem.parse(reply.body);
  };

  it.each([
    ['an unknown address', 'GET', '/v1/nothing', {}, 404, 'request:not_found'],
    ['an unknown method', 'PUT', '/v1/account', {}, 404, 'request:not_found'],
    ['an address outside /v1', 'GET', '/nothing', {}, 404, 'request:not_found'],
    ['an address that cannot be decoded', 'GET', '/v1/consent/%zz', {}, 400, 'request:invalid'],
    [
      'a parameter that is far too long',
      'GET',
      `/v1/consent/${'x'.repeat(1100)}`,
      {},
      404,
      'request:not_found',
    ],
    ['JSON that is none', 'POST', '/v1/accounts', { raw: '{"name":' }, 400, 'request:invalid'],
    [
      'a body of another kind',
      'POST',
      '/v1/accounts',
      { headers: { 'content-type': 'text/plain' }, raw: 'x' },
      400,
      'request:invalid',
    ],
    ['no body', 'POST', '/v1/accounts', {}, 400, 'request:invalid'],
    [
      'an unknown property',
      'POST',
      '/v1/accounts',
      { body: { name: 'A', nmae: 'B' } },
      400,
      'request:invalid',
    ],
    [
      'a body beyond the limit',
      'POST',
      '/v1/accounts',
      { body: { name: 'x'.repeat(500_000) } },
      413,
      'request:too_large',
    ],
    [
      'an account without a name',
      'POST',
      '/v1/accounts',
      { body: { name: ' ' } },
      422,
      'account:name_required',
    ],
  ])('meet a problem document: %s', async (_name, method, path, request, status, code) => {
    const reply = await call(method, path, { key: OPERATOR, ...request });
    expect(problem(reply)).toMatchObject({ status, code });
    expect(reply.status).toBe(status);
  });

  it('name the place', async () => {
    const reply = await call('POST', '/v1/accounts', {
      key: OPERATOR,
      body: { name: 'A', timeZone: 'Mars' },
    });
    expect(problem(reply)).toMatchObject({
      path: 'timeZone',
      errors: [{ path: 'timeZone', code: 'custom' }],
    });
  });
});

describe('the documents', () => {
  it('are served without a key', async () => {
    const api = await call('GET', '/v1/openapi.json');
    expect(Object.keys(api.body['paths'] as object)).toEqual([...new Set(ROUTES.map((route) => route.path))]);
    expect((await call('GET', '/docs')).body['text']).toContain('Muster API');
  });
});
