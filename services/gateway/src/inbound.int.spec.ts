import { Refusal, type ErrorCode } from '@muster/contracts/errors';
import { receiveWebhook } from '@muster/contracts/inbound';
import { streamName } from '@muster/contracts/names';
import { uuid7 } from '@muster/contracts/ids';
import { EventStore } from '@muster/event-store/event-store';
import { bootstrap, type Running } from '@muster/runtime/bootstrap';
import { EdgeModule } from '@muster/runtime/edge.module';
import { systemEnvelope } from '@muster/runtime/envelopes';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { startServers, type Servers } from '@muster/testing/servers';
import { Controller, Module } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GatewaySettings } from './config.js';
import { EndpointDirectory } from './endpoint.directory.js';
import { gatewayModule } from './gateway.module.js';
import { HTTP_OPTIONS } from './http-server.js';

/** The inbound service at its public contract: it remembers what it was handed and answers as it is told. */
@Controller()
class Inbound {
  static received: Ask<typeof receiveWebhook>[] = [];
  static answer: AnswerOf<typeof receiveWebhook> | Error;

  @Handles(receiveWebhook)
  async receive(request: Ask<typeof receiveWebhook>): Promise<AnswerOf<typeof receiveWebhook>> {
    Inbound.received.push(request);
    if (Inbound.answer instanceof Error) throw Inbound.answer;
    return Inbound.answer;
  }
}

@Module({ controllers: [Inbound] })
class InboundStandIn {}

const TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>';
const account = uuid7();

let servers: Servers<'nats' | 'eventStore' | 'mongo'>;
let env: GatewaySettings;
let gateway: Running;
let inbound: Running;

async function startInbound(): Promise<Running> {
  const module = { module: InboundStandIn, imports: [EdgeModule.forService('inbound', env)] };
  return bootstrap({ service: 'inbound', module, env });
}

async function addEndpoint(): Promise<string> {
  const endpointId = uuid7();
  const event = {
    type: 'EndpointAdded',
    data: { endpointId, provider: 'twilio', senders: ['+15555550199'], wrappedCredentials: 'AAAA' },
  };
  const envelope = systemEnvelope(account, { source: { kind: 'system' } });
  await gateway.app
    .get(EventStore)
    .append(streamName('endpoint', account, endpointId), [event], 'no_stream', envelope);
  return endpointId;
}

async function removeEndpoint(endpointId: string): Promise<void> {
  const envelope = systemEnvelope(account, { source: { kind: 'system' } });
  const removed = [{ type: 'EndpointRemoved', data: {} }];
  await gateway.app.get(EventStore).append(streamName('endpoint', account, endpointId), removed, 0, envelope);
}

async function post(
  endpointId: string,
  body: string | Uint8Array,
  path = '',
): Promise<{ status: number; type: string; text: string }> {
  const answer = await fetch(`http://127.0.0.1:${gateway.httpPort}/v1/webhooks/twilio/${endpointId}${path}`, {
    method: 'POST',
    body: body as string,
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'X-Twilio-Signature': 'AbC=' },
  });
  return {
    status: answer.status,
    type: String(answer.headers.get('content-type')),
    text: await answer.text(),
  };
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
    OPERATOR_KEY: 'operator-key-for-the-tests-only',
    IMPORTS_URL: 'http://127.0.0.1:9',
  });
  inbound = await startInbound();
  gateway = await bootstrap({ service: 'gateway', module: gatewayModule(env), env, http: HTTP_OPTIONS });
});

afterAll(async () => {
  await Promise.all([gateway?.close(), inbound?.close()]);
  await servers?.stop();
});

beforeEach(() => {
  Inbound.received = [];
  Inbound.answer = { status: 200, contentType: 'text/xml', body: TWIML, position: 1 };
});

describe('a webhook', () => {
  it('reaches the account of its endpoint as it came, and the carrier gets the answer as it was given', async () => {
    const endpointId = await addEndpoint();
    const body = 'Body=STOP%21&From=%2B15555550100&Emoji=%F0%9F%91%8B';
    expect(await post(endpointId, body, '?a=%2F1&b')).toEqual({ status: 200, type: 'text/xml', text: TWIML });
    const [{ envelope, input }] = Inbound.received as [Ask<typeof receiveWebhook>];
    expect(envelope).toMatchObject({ account, source: { kind: 'provider' } });
    expect(Buffer.from(input.body, 'base64').toString()).toBe(body);
    expect(input).toMatchObject({
      provider: 'twilio',
      endpointId,
      method: 'POST',
      base: `http://127.0.0.1:${gateway.httpPort}`,
      pathAndQuery: `/v1/webhooks/twilio/${endpointId}?a=%2F1&b`,
    });
    expect(input.headers).toMatchObject({
      'x-twilio-signature': 'AbC=',
      'content-type': 'application/x-www-form-urlencoded',
    });
  });

  it('keeps bytes that are no text', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    await post(await addEndpoint(), bytes);
    expect(Uint8Array.from(Buffer.from(Inbound.received[0]?.input.body ?? '', 'base64'))).toEqual(bytes);
  });

  it('passes on a status that the inbound service chose', async () => {
    Inbound.answer = { status: 403, contentType: 'text/plain', body: 'no', position: null };
    expect(await post(await addEndpoint(), 'x')).toMatchObject({ status: 403, text: 'no' });
  });

  it.each<[ErrorCode | 'a bug', number]>([
    ['service:busy', 503],
    ['service:timeout', 503],
    ['request:invalid', 503],
    ['contact:ambiguous', 503],
    ['a bug', 503],
    ['endpoint:not_found', 404],
    ['webhook:signature', 403],
    ['webhook:malformed', 400],
  ])(
    'that meets %s is answered %i: a carrier gives up on a 4xx, which is for what repeating cannot change',
    async (code, status) => {
      Inbound.answer = code === 'a bug' ? new Error('boom') : new Refusal(code);
      expect((await post(await addEndpoint(), 'Body=STOP')).status).toBe(status);
    },
  );

  it('is turned away for good only when no endpoint has that id', async () => {
    expect(await post(uuid7(), 'x')).toMatchObject({ status: 404 });
    expect(await post('no-id', 'x')).toMatchObject({ status: 404 });
    const endpointId = await addEndpoint();
    await removeEndpoint(endpointId);
    expect(await post(endpointId, 'x')).toMatchObject({ status: 404 });
    expect(Inbound.received).toEqual([]);
  });

  it('finds an endpoint that was added a moment ago, among others that do not exist', async () => {
    const added = await Promise.all(Array.from({ length: 5 }, addEndpoint));
    const answers = await Promise.all([...added, uuid7(), uuid7()].map((id) => post(id, 'x')));
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200, 404, 404]);
  });

  it('is too large beyond 256 KiB', async () => {
    expect((await post(await addEndpoint(), 'x'.repeat(200 * 1024))).status).toBe(200);
    expect((await post(await addEndpoint(), 'x'.repeat(257 * 1024))).status).toBe(413);
  });
});

describe('when a part is away', () => {
  it('a webhook is a 503 while the inbound service is, and is taken afterwards', async () => {
    const endpointId = await addEndpoint();
    await inbound.close();
    expect((await post(endpointId, 'Body=STOP')).status).toBe(503);
    inbound = await startInbound();
    expect((await post(endpointId, 'Body=STOP')).status).toBe(200);
  });

  it('an unknown endpoint is no 404 while the event store is: it may have been added meanwhile', async () => {
    await servers.eventStore.kill();
    expect((await post(uuid7(), 'Body=STOP')).status).toBe(503);
    await servers.eventStore.restart();
  });

  it('the directory starts from the whole log', async () => {
    const endpointId = await addEndpoint();
    const second = await bootstrap({ service: 'gateway', module: gatewayModule(env), env });
    expect(await second.app.get(EndpointDirectory).accountOf(endpointId)).toBe(account);
    await second.close();
  });
});
