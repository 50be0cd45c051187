import { eventually } from '@muster/testing/eventually';
import { startFaultProxy } from '@muster/testing/proxy';
import { startNats, type Server } from '@muster/testing/servers';
import { Controller } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  AlienController,
  GreetingController,
  Hosts,
  codeOf,
  controller,
  envelope,
  greet,
  health,
  small,
  work,
} from './greeting.fixture.js';
import { Readiness } from './readiness.js';

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

describe('starting', () => {
  it('waits for NATS with its health port open', async () => {
    await nats.kill();
    let port = 0;
    const starting = hosts.host({
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
    const env = hosts.environment();
    const starting = hosts.host(
      { prepare: (app) => app.get(Readiness).register('repair', () => repaired) },
      env,
    );
    const bus = await hosts.caller();
    expect(await codeOf(bus.ask(greet, envelope(), { name: 'Ada' }))).toBe('service:unavailable');
    repaired = true;
    await starting;
    expect(await codeOf(bus.ask(greet, envelope(), { name: 'Ada' }))).toBe('ok');
  });

  it('fails for a subject of another service', async () => {
    const env = hosts.environment();
    await expect(hosts.host({ module: small(env, [AlienController]) }, env)).rejects.toThrow(
      'belongs to groups',
    );
  });

  it('fails for two handlers of one subject', async () => {
    @Controller()
    class SecondController extends GreetingController {}
    const env = hosts.environment();
    const module = small(env, [GreetingController, SecondController]);
    await expect(hosts.host({ module }, env)).rejects.toThrow('has two handlers');
  });
});

describe('stopping', () => {
  it('finishes the requests in flight, takes no new ones, and is not ready meanwhile', async () => {
    const service = await hosts.host();
    const bus = await hosts.caller();
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
    const leaving = await hosts.host();
    await hosts.host();
    const bus = await hosts.caller();
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

  it('still handles what was on its way when it left the queue group', async () => {
    const proxy = await startFaultProxy({ port: nats.port });
    try {
      const far = hosts.environment({ NATS_URL: `nats://127.0.0.1:${proxy.port}` });
      const leaving = await hosts.host({ module: small(far) }, far);
      const bus = await hosts.caller();
      proxy.delay(150);
      const asking = Promise.all(
        Array.from({ length: 20 }, () => codeOf(bus.ask(work, envelope(), { ms: 1 }))),
      );
      await eventually(() => proxy.fired.delayed > 0);
      await leaving.close();
      expect(new Set(await asking)).toEqual(new Set(['ok']));
    } finally {
      await proxy.stop();
    }
  });

  it('gives up on a handler that takes longer than the drain', async () => {
    const service = await hosts.host({}, hosts.environment({ DRAIN_MS: 100 }));
    const bus = await hosts.caller();
    const asking = codeOf(bus.ask(work, envelope(), { ms: 60_000 }, { timeoutMs: 500 }));
    await eventually(() => controller(service).started === 1);
    await service.close();
    expect(await asking).toBe('service:timeout');
  });

  it('lets HTTP requests in flight finish, and tells streams to end', async () => {
    const env = hosts.environment();
    let stopped = (): void => undefined;
    const service = await hosts.host(
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
    const service = await hosts.host();
    expect(process.listenerCount('SIGTERM')).toBe(before + 1);
    await service.close();
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });
});
