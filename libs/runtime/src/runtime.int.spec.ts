import { command, query } from '@muster/contracts/subject';
import { Refusal } from '@muster/contracts/errors';
import { uuid7 } from '@muster/contracts/ids';
import { eventually } from '@muster/testing/eventually';
import { startNats, type Server } from '@muster/testing/servers';
import { connect } from '@nats-io/transport-node';
import { Controller, Module, type DynamicModule } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { bootstrap, type Bootstrap, type Running } from './bootstrap.js';
import { Bus } from './bus.js';
import { RuntimeEnv } from './config.js';
import { EdgeModule } from './edge.module.js';
import { systemEnvelope } from './envelopes.js';
import { Ask, Handles, type AnswerOf } from './handles.js';
import { Readiness } from './readiness.js';
import { ANSWER_MAX_BYTES, REQUEST_MAX_BYTES } from './wire.js';

const greet = query(
  'contacts',
  'greet',
  'Greets.',
  z.object({ name: z.string().min(2), times: z.int().default(1) }),
  z.object({ text: z.string(), by: z.string() }),
);
const refuse = command(
  'contacts',
  'refuse',
  'Says no.',
  z.object({ how: z.string() }),
  z.object({ done: z.boolean() }),
);
const work = command(
  'contacts',
  'work',
  'Takes a while.',
  z.object({ ms: z.int() }),
  z.object({ by: z.string() }),
);
const echo = query(
  'contacts',
  'echo',
  'Echoes.',
  z.object({ text: z.string() }),
  z.object({ text: z.string() }),
);
const grow = query(
  'contacts',
  'grow',
  'A large answer.',
  z.object({ bytes: z.int() }),
  z.object({ text: z.string() }),
);
const alien = query('groups', 'alien', 'Of another service.', z.object({}), z.object({}));

let replicas = 0;

@Controller()
class GreetingController {
  private readonly name = `replica-${(replicas += 1)}`;
  started = 0;
  envelopes: unknown[] = [];

  @Handles(greet)
  async greet(request: Ask<typeof greet>): Promise<AnswerOf<typeof greet>> {
    this.envelopes.push(request.envelope);
    const { name, times } = request.input;
    const extra = { text: `${name} `.repeat(times).trim(), by: this.name, secret: 'cut off' };
    return extra;
  }

  @Handles(refuse)
  async refuse({ input }: Ask<typeof refuse>): Promise<AnswerOf<typeof refuse>> {
    if (input.how === 'refusal') throw new Refusal('contact:revision_conflict', { revision: 7 });
    if (input.how === 'answer') return { wrong: 'Ada' } as never;
    throw new Error('duplicate key { name: "Ada" }');
  }

  @Handles(work)
  async work({ input }: Ask<typeof work>): Promise<AnswerOf<typeof work>> {
    this.started += 1;
    await new Promise((resolve) => setTimeout(resolve, input.ms));
    return { by: this.name };
  }

  @Handles(echo)
  async echo({ input }: Ask<typeof echo>): Promise<AnswerOf<typeof echo>> {
    return input;
  }

  @Handles(grow)
  async grow({ input }: Ask<typeof grow>): Promise<AnswerOf<typeof grow>> {
    return { text: 'x'.repeat(input.bytes) };
  }
}

@Controller()
class AlienController {
  @Handles(alien)
  async alien(): Promise<AnswerOf<typeof alien>> {
    return {};
  }
}

@Module({})
class SmallModule {}

function small(
  env: RuntimeEnv,
  controllers: DynamicModule['controllers'] = [GreetingController],
): DynamicModule {
  return { module: SmallModule, imports: [EdgeModule.forService('contacts', env)], controllers };
}

let nats: Server;
const running: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats.stop());
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.close()));
  if (!nats.running) await nats.restart();
});

function environment(changes: Partial<RuntimeEnv> = {}): RuntimeEnv {
  return {
    NATS_URL: nats.url,
    EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false',
    MONGO_URL: 'mongodb://127.0.0.1:1',
    MASTER_KEY: Buffer.alloc(32).toString('base64'),
    HTTP_HOST: '127.0.0.1',
    HTTP_PORT: 0,
    LOG_LEVEL: 'silent',
    DRAIN_MS: 5_000,
    ...changes,
  };
}

async function host(changes: Partial<Bootstrap> = {}, env = environment()): Promise<Running> {
  const service = await bootstrap({ service: 'contacts', module: small(env), env, ...changes });
  running.push(service);
  return service;
}

/** A bus of another process's kind: on a service without handlers of its own. */
async function caller(): Promise<Bus> {
  const env = environment();
  const module: DynamicModule = { module: SmallModule, imports: [EdgeModule.forService('gateway', env)] };
  return (await host({ service: 'gateway', module }, env)).app.get(Bus);
}

const envelope = () => systemEnvelope(uuid7(), { source: { kind: 'system' } });
const controller = (service: Running): GreetingController => service.app.get(GreetingController);
const codeOf = (asking: Promise<unknown>): Promise<unknown> =>
  asking.then(
    () => 'ok',
    (error: unknown) => (error instanceof Refusal ? error.code : error),
  );

async function health(port: number): Promise<{ status: number; missing: string[] }> {
  const answer = await fetch(`http://127.0.0.1:${port}/health/ready`);
  return { status: answer.status, missing: ((await answer.json()) as { missing: string[] }).missing };
}

/** Inboxes that wait for an answer on the connection of a bus. */
function inboxes(bus: Bus): number {
  const client = Reflect.get(bus, 'client') as {
    unwrap(): { protocol: { subscriptions: { size(): number } } };
  };
  return client.unwrap().protocol.subscriptions.size();
}

describe('a request', () => {
  it('is answered through both schemas, with defaults in and unknown properties out', async () => {
    await host();
    const bus = await caller();
    const answer = await bus.ask(greet, envelope(), { name: 'Ada' });
    expect(answer).toEqual({ text: 'Ada', by: expect.stringMatching(/^replica-/) as string });
    expect(await bus.ask(greet, envelope(), { name: 'Ada', times: 2 })).toMatchObject({ text: 'Ada Ada' });
  });

  it('carries the envelope, and a new span of the same trace', async () => {
    const service = await host();
    const sent = envelope();
    await (await caller()).ask(greet, sent, { name: 'Ada' });
    const [received] = controller(service).envelopes as { traceparent: string }[];
    expect(received).toMatchObject(sent);
    expect(received?.traceparent).toContain(sent.correlation.replaceAll('-', ''));
  });

  it('is answered by every replica in turn, each request by one', async () => {
    const services = [await host(), await host()];
    const bus = await caller();
    await Promise.all(Array.from({ length: 60 }, () => bus.ask(work, envelope(), { ms: 1 })));
    const counts = services.map((service) => controller(service).started);
    expect(counts[0]! + counts[1]!).toBe(60);
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });
});

describe('a refusal', () => {
  it('arrives as it was thrown', async () => {
    await host();
    const asking = (await caller()).ask(refuse, envelope(), { how: 'refusal' });
    await expect(asking).rejects.toBeInstanceOf(Refusal);
    await expect(asking).rejects.toMatchObject({ code: 'contact:revision_conflict', data: { revision: 7 } });
  });

  it.each(['error', 'answer'])('stands for an unforeseen %s without its words', async (how) => {
    await host();
    const failure: unknown = await (await caller()).ask(refuse, envelope(), { how }).catch((e: unknown) => e);
    expect(failure).toMatchObject({ code: 'service:internal', data: {} });
    expect(JSON.stringify(failure)).not.toContain('Ada');
  });

  it('names the places of an input that does not fit, before it is sent', async () => {
    const bus = await caller();
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
    await host();
    const raw = await connect({ servers: nats.url });
    running.push(raw);
    const reply = await raw.request(greet.subject, JSON.stringify({ pattern: greet.subject, id: '1', data }));
    const { err } = reply.json<{ err: { code: string; data: { errors: { path: string }[] } } }>();
    expect(err.code).toBe('request:invalid');
    expect(err.data.errors.map((place) => place.path)).toEqual([path]);
    expect(reply.string()).not.toMatch(/Ada|12345678/);
  });

  it('leaves the service alive after a message that is not JSON', async () => {
    await host();
    const raw = await connect({ servers: nats.url });
    running.push(raw);
    await expect(raw.request(greet.subject, '{"name":"Ada', { timeout: 300 })).rejects.toThrow('timeout');
    expect(await codeOf((await caller()).ask(greet, envelope(), { name: 'Ada' }))).toBe('ok');
  });
});

describe('sizes', () => {
  it('are checked before a request is sent, and what was refused leaves no subscription behind', async () => {
    await host();
    const bus = await caller();
    const limit = 'é'.repeat(REQUEST_MAX_BYTES / 2);
    for (let i = 0; i < 5; i += 1) {
      expect(await codeOf(bus.ask(echo, envelope(), { text: limit }))).toBe('request:too_large');
    }
    expect(inboxes(bus)).toBe(0);
    const fits = 'x'.repeat(REQUEST_MAX_BYTES - 2_000);
    expect(await bus.ask(echo, envelope(), { text: fits })).toEqual({ text: fits });
  });

  it('of an answer end in a refusal, not in silence', async () => {
    await host();
    const bus = await caller();
    const largest = ANSWER_MAX_BYTES - '{"text":""}'.length;
    expect((await bus.ask(grow, envelope(), { bytes: largest })).text).toHaveLength(largest);
    expect(await codeOf(bus.ask(grow, envelope(), { bytes: largest + 1 }))).toBe('service:internal');
  });
});

describe('a service that does not answer', () => {
  it('ends in a timeout, and leaves no subscription behind', async () => {
    await host();
    const bus = await caller();
    expect(await codeOf(bus.ask(work, envelope(), { ms: 400 }, { timeoutMs: 50 }))).toBe('service:timeout');
    expect(inboxes(bus)).toBe(0);
  });

  it('is unavailable when nobody listens', async () => {
    const bus = await caller();
    expect(await codeOf(bus.ask(greet, envelope(), { name: 'Ada' }))).toBe('service:unavailable');
  });

  it('is waited for when it is about to come up', async () => {
    const bus = await caller();
    const asking = codeOf(bus.ask(greet, envelope(), { name: 'Ada' }));
    await host();
    expect(await asking).toBe('ok');
  });

  it('is unavailable while NATS is down, and answers when it is back', async () => {
    const service = await host();
    const bus = await caller();
    await nats.kill();
    await eventually(async () => (await health(service.httpPort)).missing.includes('nats'));
    expect(await codeOf(bus.ask(greet, envelope(), { name: 'Ada' }))).toBe('service:unavailable');
    await nats.restart();
    await eventually(async () => (await codeOf(bus.ask(greet, envelope(), { name: 'Ada' }))) === 'ok');
    await eventually(async () => (await health(service.httpPort)).status === 200);
  });
});

describe('starting', () => {
  it('waits for NATS with its health port open', async () => {
    await nats.kill();
    let port = 0;
    const starting = host({
      prepare: (app) => {
        app
          .getHttpAdapter()
          .getInstance()
          .get('/raw', () => 'raw');
        app.getHttpServer().once('listening', () => {
          port = (app.getHttpServer().address() as { port: number }).port;
        });
      },
    });
    await eventually(() => port > 0);
    expect(await health(port)).toEqual({ status: 503, missing: ['nats', 'requests'] });
    expect((await fetch(`http://127.0.0.1:${port}/health/live`)).status).toBe(200);
    expect(await (await fetch(`http://127.0.0.1:${port}/raw`)).text()).toBe('raw');
    await nats.restart();
    const service = await starting;
    expect(service.httpPort).toBe(port);
    expect(await health(port)).toEqual({ status: 200, missing: [] });
  });

  it('joins the queue group only when every check holds', async () => {
    let repaired = false;
    const env = environment();
    const starting = host({ prepare: (app) => app.get(Readiness).register('repair', () => repaired) }, env);
    const bus = await caller();
    expect(await codeOf(bus.ask(greet, envelope(), { name: 'Ada' }))).toBe('service:unavailable');
    repaired = true;
    await starting;
    expect(await codeOf(bus.ask(greet, envelope(), { name: 'Ada' }))).toBe('ok');
  });

  it('fails for a subject of another service', async () => {
    const env = environment();
    await expect(host({ module: small(env, [AlienController]) }, env)).rejects.toThrow('belongs to groups');
  });

  it('fails for two handlers of one subject', async () => {
    @Controller()
    class SecondController extends GreetingController {}
    const env = environment();
    const module = small(env, [GreetingController, SecondController]);
    await expect(host({ module }, env)).rejects.toThrow('has two handlers');
  });
});

describe('stopping', () => {
  it('finishes the requests in flight, takes no new ones, and is not ready meanwhile', async () => {
    const service = await host();
    const bus = await caller();
    const asking = bus.ask(work, envelope(), { ms: 800 });
    await eventually(() => controller(service).started === 1);
    const closing = service.close();
    await eventually(async () => (await health(service.httpPort)).missing.includes('draining'));
    expect(await codeOf(bus.ask(greet, envelope(), { name: 'Ada' }))).toBe('service:unavailable');
    expect(await asking).toMatchObject({ by: expect.stringMatching(/^replica-/) as string });
    await closing;
    await expect(fetch(`http://127.0.0.1:${service.httpPort}/health/live`)).rejects.toThrow('fetch failed');
  });

  it('loses no request when one of two replicas leaves under load', async () => {
    const leaving = await host();
    await host();
    const bus = await caller();
    const asked = Array.from({ length: 300 }, (_, index) => async () => {
      if (index === 100) void leaving.close();
      return codeOf(bus.ask(work, envelope(), { ms: 5 }));
    });
    const outcomes: unknown[] = [];
    const lanes = Array.from({ length: 16 }, async () => {
      for (let next = asked.shift(); next; next = asked.shift()) outcomes.push(await next());
    });
    await Promise.all(lanes);
    expect(outcomes).toHaveLength(300);
    expect(new Set(outcomes)).toEqual(new Set(['ok']));
    expect(controller(leaving).started).toBeGreaterThan(0);
  });

  it('gives up on a handler that takes longer than the drain', async () => {
    const service = await host({}, environment({ DRAIN_MS: 100 }));
    const bus = await caller();
    const asking = codeOf(bus.ask(work, envelope(), { ms: 60_000 }, { timeoutMs: 500 }));
    await eventually(() => controller(service).started === 1);
    await service.close();
    expect(await asking).toBe('service:timeout');
  });

  it('lets HTTP requests in flight finish, and tells streams to end', async () => {
    const env = environment();
    let stopped = (): void => undefined;
    const service = await host(
      {
        prepare: (app) => {
          const ended = new Promise<void>((resolve) => (stopped = resolve));
          app.get(Readiness).draining.addEventListener('abort', () => setTimeout(stopped, 200));
          app
            .getHttpAdapter()
            .getInstance()
            .get('/slow', () => ended.then(() => 'done'));
        },
      },
      env,
    );
    const answer = fetch(`http://127.0.0.1:${service.httpPort}/slow`).then((got) => got.text());
    await eventually(() => (Reflect.get(service, 'http') as { count: number }).count === 1);
    await service.close();
    expect(await answer).toBe('done');
  });

  it('leaves no listener on the process', async () => {
    const before = process.listenerCount('SIGTERM');
    const service = await host();
    expect(process.listenerCount('SIGTERM')).toBe(before + 1);
    await service.close();
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });
});

describe('the figures', () => {
  it('count requests by subject and outcome on both ends', async () => {
    const service = await host();
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
