import { Refusal } from '@muster/contracts/errors';
import { eventually } from '@muster/testing/eventually';
import { startNats, type Server } from '@muster/testing/servers';
import { connect } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Bus } from './bus.js';
import {
  Hosts,
  codeOf,
  controller,
  echo,
  envelope,
  greet,
  grow,
  health,
  refuse,
  work,
} from './greeting.fixture.js';
import { ANSWER_MAX_BYTES, REQUEST_MAX_BYTES } from './wire.js';

let nats: Server;
const hosts = new Hosts(() => nats.url);
beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats.stop());
afterEach(async () => {
  await hosts.closeAll();
  if (!nats.running) await nats.restart();
});

/** Inboxes that wait for an answer on the connection of a bus. */
function inboxes(bus: Bus): number {
  const client = Reflect.get(bus, 'client') as {
    unwrap(): { protocol: { subscriptions: { size(): number } } };
  };
  return client.unwrap().protocol.subscriptions.size();
}

describe('a request', () => {
  it('is answered through both schemas, with defaults in and unknown properties out', async () => {
    await hosts.host();
    const bus = await hosts.caller();
    const answer = await bus.ask(greet, envelope(), { name: 'Ada' });
    expect(answer).toEqual({ text: 'Ada', by: expect.stringMatching(/^replica-/) as string });
    expect(await bus.ask(greet, envelope(), { name: 'Ada', times: 2 })).toMatchObject({ text: 'Ada Ada' });
  });

  it('carries the envelope, and a new span of the same trace', async () => {
    const service = await hosts.host();
    const sent = envelope();
    await (await hosts.caller()).ask(greet, sent, { name: 'Ada' });
    const [received] = controller(service).envelopes as { traceparent: string }[];
    expect(received).toMatchObject(sent);
    expect(received?.traceparent).toContain(sent.correlation.replaceAll('-', ''));
  });

  it('is answered by every replica in turn, each request by one', async () => {
    const services = [await hosts.host(), await hosts.host()];
    const bus = await hosts.caller();
    await Promise.all(Array.from({ length: 60 }, () => bus.ask(work, envelope(), { ms: 1 })));
    const counts = services.map((service) => controller(service).started);
    expect(counts[0]! + counts[1]!).toBe(60);
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });
});

describe('a refusal', () => {
  it('arrives as it was thrown', async () => {
    await hosts.host();
    const asking = (await hosts.caller()).ask(refuse, envelope(), { how: 'refusal' });
    await expect(asking).rejects.toBeInstanceOf(Refusal);
    await expect(asking).rejects.toMatchObject({ code: 'contact:revision_conflict', data: { revision: 7 } });
  });

  it.each(['error', 'answer'])('stands for an unforeseen %s without its words', async (how) => {
    await hosts.host();
    const failure: unknown = await (
      await hosts.caller()
    )
      .ask(refuse, envelope(), { how })
      .catch((e: unknown) => e);
    expect(failure).toMatchObject({ code: 'service:internal', data: {} });
    expect(JSON.stringify(failure)).not.toContain('Ada');
  });

  it('names the places of an input that does not fit, before it is sent', async () => {
    const bus = await hosts.caller();
    const failure: unknown = await bus.ask(greet, envelope(), { name: 'A' }).catch((e: unknown) => e);
    expect(failure).toMatchObject({ code: 'request:invalid', data: { errors: [{ path: 'name' }] } });
  });

  it.each([
    ['a wrong payload', { envelope: envelope(), payload: { name: 12_345_678 } }, 'name'],
    [
      'a wrong envelope',
      { envelope: { ...envelope(), account: 'Ada' }, payload: { name: 'Ada' } },
      'account',
    ],
    ['nothing', null, ''],
  ])('of the service names the places of %s', async (_name, data, path) => {
    await hosts.host();
    const raw = await connect({ servers: nats.url });
    hosts.closes(raw);
    const reply = await raw.request(greet.subject, JSON.stringify({ pattern: greet.subject, id: '1', data }));
    const { err } = reply.json<{ err: { code: string; data: { errors: { path: string }[] } } }>();
    expect(err.code).toBe('request:invalid');
    expect(err.data.errors.map((place) => place.path)).toEqual([path]);
    expect(reply.string()).not.toMatch(/Ada|12345678/);
  });

  it('leaves the service alive after a message that is not JSON', async () => {
    await hosts.host();
    const raw = await connect({ servers: nats.url });
    hosts.closes(raw);
    await expect(raw.request(greet.subject, '{"name":"Ada', { timeout: 300 })).rejects.toThrow('timeout');
    expect(await codeOf((await hosts.caller()).ask(greet, envelope(), { name: 'Ada' }))).toBe('ok');
  });
});

describe('sizes', () => {
  it('are checked before a request is sent, and what was refused leaves no subscription behind', async () => {
    await hosts.host();
    const bus = await hosts.caller();
    const limit = 'é'.repeat(REQUEST_MAX_BYTES / 2);
    for (let i = 0; i < 5; i += 1) {
      expect(await codeOf(bus.ask(echo, envelope(), { text: limit }))).toBe('request:too_large');
    }
    expect(inboxes(bus)).toBe(0);
    const fits = 'x'.repeat(REQUEST_MAX_BYTES - 2_000);
    expect(await bus.ask(echo, envelope(), { text: fits })).toEqual({ text: fits });
  });

  it('of an answer end in a refusal, not in silence', async () => {
    await hosts.host();
    const bus = await hosts.caller();
    const largest = ANSWER_MAX_BYTES - '{"text":""}'.length;
    expect((await bus.ask(grow, envelope(), { bytes: largest })).text).toHaveLength(largest);
    expect(await codeOf(bus.ask(grow, envelope(), { bytes: largest + 1 }))).toBe('service:internal');
  });
});

describe('a service that does not answer', () => {
  it('ends in a timeout, and leaves no subscription behind', async () => {
    await hosts.host();
    const bus = await hosts.caller();
    expect(await codeOf(bus.ask(work, envelope(), { ms: 400 }, { timeoutMs: 50 }))).toBe('service:timeout');
    expect(inboxes(bus)).toBe(0);
  });

  it('is unavailable when nobody listens', async () => {
    const bus = await hosts.caller();
    expect(await codeOf(bus.ask(greet, envelope(), { name: 'Ada' }))).toBe('service:unavailable');
  });

  it('is waited for when it is about to come up', async () => {
    const bus = await hosts.caller();
    const asking = codeOf(bus.ask(greet, envelope(), { name: 'Ada' }));
    await hosts.host();
    expect(await asking).toBe('ok');
  });

  it('is unavailable while NATS is down, and answers when it is back', async () => {
    const service = await hosts.host();
    const bus = await hosts.caller();
    await nats.kill();
    const isCutOff = ['nats', 'requests'];
    await eventually(async () => expect((await health(service.httpPort)).missing).toEqual(isCutOff));
    expect(await codeOf(bus.ask(greet, envelope(), { name: 'Ada' }))).toBe('service:unavailable');
    await nats.restart();
    await eventually(async () => (await codeOf(bus.ask(greet, envelope(), { name: 'Ada' }))) === 'ok');
    await eventually(async () => (await health(service.httpPort)).status === 200);
  });
});

describe('the figures', () => {
  it('count requests by subject and outcome on both ends', async () => {
    const service = await hosts.host();
    const bus = service.app.get(Bus);
    await bus.ask(greet, envelope(), { name: 'Ada' });
    await codeOf(bus.ask(refuse, envelope(), { how: 'refusal' }));
    const figures = await (await fetch(`http://127.0.0.1:${service.httpPort}/metrics`)).text();
    const count = (family: string, subject: string, outcome: string): RegExp =>
      new RegExp(`${family}_count\\{(?=[^}]*subject="${subject}")(?=[^}]*outcome="${outcome}")[^}]*\\} 1`);
    expect(figures).toMatch(count('muster_request_seconds', greet.subject, 'ok'));
    expect(figures).toMatch(count('muster_request_seconds', refuse.subject, 'contact:revision_conflict'));
    expect(figures).toMatch(count('muster_ask_seconds', greet.subject, 'ok'));
    expect(figures).toMatch(/nodejs_eventloop_lag_seconds\{service="contacts"\}/);
    expect(figures).toMatch(/process_resident_memory_bytes\{/);
  });
});
