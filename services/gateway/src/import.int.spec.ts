import { bootstrap, type Running } from '@muster/runtime/bootstrap';
import { EdgeModule } from '@muster/runtime/edge.module';
import { startServers, type Servers } from '@muster/testing/servers';
import { eventually } from '@muster/testing/eventually';
import { idNumber } from '@muster/testing/universe';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GatewaySettings } from './config.js';
import { gatewayModule } from './gateway.module.js';
import { HTTP_OPTIONS } from './http-server.js';
import {
  answerRejects,
  GroupsStandIn,
  ID,
  Imports,
  ImportsStandIn,
  NONE,
  send,
  take,
  uploads,
  VIEW,
  type Taken,
} from './test-imports.js';

const OPERATOR = 'operator-key-for-the-tests-only';
let servers: Servers<'nats' | 'eventStore' | 'mongo'>;
let files: Server;
let imports: Running;
let groups: Running;
let gateway: Running;
let key: string;

const url = (path: string): string => `http://127.0.0.1:${gateway.httpPort}${path}`;

async function call(
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const isForm = body instanceof FormData;
  const answer = await fetch(url(path), {
    method,
    ...(body !== undefined && { body: isForm ? (body as FormData) : JSON.stringify(body) }),
    headers: {
      authorization: `Bearer ${key}`,
      ...(body !== undefined && !isForm && { 'content-type': 'application/json' }),
    },
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

beforeAll(async () => {
  servers = await startServers({ nats: true, eventStore: true, mongo: true });
  files = createServer((request, response) => {
    if (request.method === 'GET') answerRejects(request, response);
    else uploads.respond(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
  const env = GatewaySettings.parse({
    NATS_URL: servers.nats.url,
    EVENTSTORE_URL: servers.eventStore.url,
    MONGO_URL: servers.mongo.url,
    MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    HTTP_PORT: 0,
    LOG_LEVEL: 'silent',
    DRAIN_MS: 500,
    OPERATOR_KEY: OPERATOR,
    IMPORTS_URL: `http://127.0.0.1:${(files.address() as AddressInfo).port}`,
  });
  const module = { module: ImportsStandIn, imports: [EdgeModule.forService('imports', env)] };
  imports = await bootstrap({ service: 'imports', module, env });
  const groupsModule = { module: GroupsStandIn, imports: [EdgeModule.forService('groups', env)] };
  groups = await bootstrap({ service: 'groups', module: groupsModule, env });
  gateway = await bootstrap({ service: 'gateway', module: gatewayModule(env), env, http: HTTP_OPTIONS });
  const answer = await fetch(url('/v1/accounts'), {
    method: 'POST',
    body: JSON.stringify({ name: 'Club' }),
    headers: { authorization: `Bearer ${OPERATOR}`, 'content-type': 'application/json' },
  });
  key = ((await answer.json()) as { apiKey: string }).apiKey;
});

afterAll(async () => {
  await Promise.all([gateway?.close(), imports?.close(), groups?.close()]);
  files?.closeAllConnections();
  files?.close();
  await servers?.stop();
});

beforeEach(() => {
  [uploads.taken, uploads.respond] = [[], take];
  [Imports.view, Imports.chosen] = [VIEW, []];
});

function form(parts: [string, string | Blob][]): FormData {
  const data = new FormData();
  for (const [name, value] of parts) {
    if (typeof value === 'string') data.append(name, value);
    else data.append(name, value, 'people.csv');
  }
  return data;
}
const file = new Blob(['phone\n+33612345678\n']);

describe('an upload', () => {
  it('goes through as it is, with its name, groups and envelope', async () => {
    const { status, body } = await call(
      'POST',
      '/v1/imports',
      form([
        ['groups', `${idNumber(5)}, ${idNumber(6)}`],
        ['file', file],
      ]),
    );
    expect({ status, id: body['id'] }).toEqual({ status: 201, id: ID });
    const [{ query, body: sent }] = uploads.taken as [Taken];
    expect(sent).toBe('phone\n+33612345678\n');
    expect(query.get('fileName')).toBe('people.csv');
    expect(query.get('groups')).toBe(`${idNumber(5)},${idNumber(6)}`);
    const envelope = JSON.parse(Buffer.from(String(query.get('envelope')), 'base64url').toString()) as object;
    expect(envelope).toMatchObject({ account: query.get('account'), actor: { kind: 'api_key' } });
  });

  it('takes groups that are named after the file, too', async () => {
    const { body } = await call(
      'POST',
      '/v1/imports',
      form([
        ['file', file],
        ['groups', JSON.stringify([idNumber(7)])],
      ]),
    );
    expect(body['groups']).toEqual([idNumber(7)]);
    expect(Imports.chosen).toEqual([idNumber(7)]);
  });

  it('into a group that does not exist is refused before a byte is passed on', async () => {
    const groupsPart: [string, string] = ['groups', `${idNumber(5)},${idNumber(99)}`];
    const refused = await call('POST', '/v1/imports', form([groupsPart, ['file', file]]));
    expect(refused).toMatchObject({ status: 404, body: { code: 'group:not_found', path: 'groups[1]' } });
    expect(uploads.taken).toEqual([]);
  });

  it('may be pasted as text', async () => {
    const { status } = await call('POST', '/v1/imports', { text: 'Ann,+33612345678', groups: [idNumber(5)] });
    expect({ status, body: uploads.taken[0]?.body }).toEqual({ status: 201, body: 'Ann,+33612345678' });
    expect(uploads.taken[0]?.query.get('groups')).toBe(idNumber(5));
  });

  it('needs a file', async () => {
    expect(await call('POST', '/v1/imports', form([['groups', idNumber(5)]]))).toMatchObject({
      status: 400,
      body: { code: 'import:no_file' },
    });
    expect(await call('POST', '/v1/imports')).toMatchObject({
      status: 400,
      body: { code: 'import:no_file' },
    });
    expect(await call('POST', '/v1/imports', { text: '' })).toMatchObject({ status: 400 });
    expect(
      await call(
        'POST',
        '/v1/imports',
        form([
          ['groups', 'x'],
          ['file', file],
        ]),
      ),
    ).toMatchObject({ status: 400, body: { path: 'groups' } });
    expect(uploads.taken).toEqual([]);
  });

  it('gets the reason of a refusal that comes before the file is read, and keeps its connection', async () => {
    uploads.respond = async (request, response) => {
      response.writeHead(422).end(JSON.stringify({ code: 'import:not_text', data: { path: 'file' } }));
      request.resume();
    };
    const large = new Blob(['x'.repeat(8 * 1024 * 1024)]);
    const refusal = { status: 422, body: { code: 'import:not_text', path: 'file' } };
    for (let n = 0; n < 4; n += 1)
      expect(await call('POST', '/v1/imports', form([['file', large]]))).toMatchObject(refusal);
    const none: [string, string] = ['groups', idNumber(99)];
    const unknown = await call('POST', '/v1/imports', form([none, ['file', large]]));
    expect(unknown).toMatchObject({ status: 404 });
    for (let n = 0; n < 4; n += 1) expect((await call('GET', '/v1/imports')).status).toBe(200);
  });

  it('is never held as a whole: a service that does not read holds the caller back', async () => {
    let bytesRead = 0;
    let go = (): void => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    uploads.respond = async (request, response) => {
      await gate;
      for await (const chunk of request) bytesRead += (chunk as Buffer).length;
      response.writeHead(201).end(JSON.stringify(VIEW));
    };
    const size = 64 * 1024 * 1024;
    const sender = send(url('/v1/imports'), key, size);
    await eventually(() => sender.blocked());
    expect(sender.sent()).toBeLessThan(size / 2);
    go();
    expect(await sender.status).toBe(201);
    expect(bytesRead).toBe(size);
  });

  it('that breaks off leaves no whole file behind', async () => {
    const ended: boolean[] = [];
    uploads.respond = async (request) => {
      await text(request).catch(() => undefined);
      ended.push(request.complete);
    };
    const sender = send(url('/v1/imports'), key, 4 * 1024 * 1024, { breakAfter: 1024 * 1024 });
    await sender.status.catch(() => undefined);
    await eventually(() => ended.length === 1);
    expect(ended).toEqual([false]);
  });
});

describe('an import', () => {
  it('is started with a source of consent only', async () => {
    const path = `/v1/imports/${ID}/start`;
    expect(await call('POST', path, {})).toMatchObject({
      status: 422,
      body: { code: 'import:consent_required' },
    });
    expect((await call('POST', path, { consent: { source: 'Paper' } })).body).toMatchObject({
      state: 'running',
    });
    expect(await call('POST', path, { mode: 'strict', consent: { source: 'Paper' } })).toMatchObject({
      status: 400,
    });
  });

  it('is a job', async () => {
    Imports.view = { ...VIEW, state: 'completed', counts: { ...NONE, rows: 3, new: 2, rejected: 1 } };
    const job = {
      id: ID,
      kind: 'import',
      state: 'completed',
      done: 3,
      total: 3,
      resultUrl: `/v1/imports/${ID}/rejected.csv`,
    };
    expect((await call('GET', `/v1/jobs/${ID}`)).body).toMatchObject(job);
    expect((await call('GET', '/v1/jobs')).body['items']).toMatchObject([job]);
    expect((await call('GET', `/v1/jobs/${idNumber(9)}`)).body).toMatchObject({ code: 'job:not_found' });
    expect((await call('GET', `/v1/jobs/${idNumber(9)}/events`)).body).toMatchObject({
      code: 'job:not_found',
    });
  });

  it('tells its progress until it ends', async () => {
    Imports.view = { ...VIEW, state: 'running', counts: { ...NONE, rows: 1, new: 1 } };
    const answer = await fetch(url(`/v1/imports/${ID}/events`), {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const reader = (answer.body as ReadableStream<Uint8Array>)
      .pipeThrough(new TextDecoderStream())
      .getReader();
    expect((await reader.read()).value).toMatch(/^event: progress\ndata: \{.*"rows":1.*\}\n\n$/);
    Imports.view = { ...Imports.view, state: 'completed' };
    expect((await reader.read()).value).toMatch(/^event: end\ndata: \{.*"state":"completed".*\}\n\n$/);
    expect((await reader.read()).done).toBe(true);
  });

  it('gives its rejects', async () => {
    const answer = await fetch(url(`/v1/imports/${ID}/rejected.csv`), {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(await answer.text()).toBe('phone,reason\nx,phone:invalid\n');
    expect(answer.headers.get('content-disposition')).toContain('attachment');
    expect(await call('GET', `/v1/imports/${idNumber(9)}/rejected.csv`)).toMatchObject({
      status: 404,
      body: { code: 'import:not_found' },
    });
  });
});
