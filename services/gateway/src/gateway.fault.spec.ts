import { eventually } from '@muster/testing/eventually';
import { startService, type Service } from '@muster/testing/processes';
import { startServers, type Servers } from '@muster/testing/servers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const OPERATOR = 'operator-key-for-the-tests-only';

let servers: Servers<'nats' | 'eventStore' | 'mongo'>;
let gateway: Service;

async function call(method: string, path: string, key: string, body?: object, idempotencyKey?: string) {
  const answer = await fetch(`${gateway.url}${path}`, {
    method,
    ...(body && { body: JSON.stringify(body) }),
    headers: {
      authorization: `Bearer ${key}`,
      ...(body && { 'content-type': 'application/json' }),
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
    },
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

beforeAll(async () => {
  servers = await startServers({ nats: true, eventStore: true, mongo: true });
  gateway = await startService('gateway', {
    NATS_URL: servers.nats.url,
    EVENTSTORE_URL: servers.eventStore.url,
    MONGO_URL: servers.mongo.url,
    MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    LOG_LEVEL: 'debug',
    OPERATOR_KEY: OPERATOR,
    IMPORTS_URL: 'http://127.0.0.1:9',
  });
});

afterAll(async () => {
  await gateway?.stop();
  await servers?.stop();
});

describe('a gateway that is killed', () => {
  it('while it answers a write: the repeat is done once, whatever had happened', async () => {
    const opened = await call('POST', '/v1/accounts', OPERATOR, { name: 'Club' });
    const owner = String(opened.body['apiKey']);
    const names = ['at once', 'soon', 'later', 'late'];
    let cutOff = 0;
    for (const [index, name] of names.entries()) {
      const body = { name, role: 'viewer' };
      const first = call('POST', '/v1/api-keys', owner, body, name).then(
        () => undefined,
        () => (cutOff += 1),
      );
      await sleep(index * 4);
      await gateway.kill();
      await first;
      await gateway.restart();
      const repeat = await call('POST', '/v1/api-keys', owner, body, name);
      expect(repeat).toMatchObject({ status: 201, body: { name } });
      const again = await call('POST', '/v1/api-keys', owner, body, name);
      expect(again.body['apiKey']).toBe(repeat.body['apiKey']);
    }
    const { body } = await call('GET', '/v1/api-keys', owner);
    const issued = (body['items'] as { name: string }[]).map((item) => item.name);
    expect(issued.filter((name) => name !== 'Owner').sort()).toEqual([...names].sort());
    expect(cutOff).toBeGreaterThan(0);
  });
});

describe('its log', () => {
  it('names routes by their templates, and nobody', async () => {
    const { body } = await call('POST', '/v1/accounts', OPERATOR, { name: 'Canary Club' });
    const owner = String(body['apiKey']);
    const paths = ['/v1/consent/%2B15555550142', '/v1/contacts?query=canary', '/nothing/canary@example.com'];
    for (const path of paths) await call('GET', path, owner);
    await call('POST', '/v1/contacts', owner, { phone: '+15555550142', firstName: 'Canary' });
    await eventually(() => gateway.output().includes('POST /v1/contacts'));
    expect(gateway.output()).toContain('GET /v1/consent/{detail}');
    expect(gateway.output()).not.toMatch(/5550142|canary|Canary/);
    expect(gateway.output()).not.toContain(owner.slice(40));
    expect(gateway.output()).not.toContain(OPERATOR);
  });
});
