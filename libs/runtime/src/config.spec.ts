import { describe, expect, it } from 'vitest';
import { RuntimeEnv, readConfig } from './config.js';

const GOOD = {
  NATS_URL: 'nats://127.0.0.1:4222',
  EVENTSTORE_URL: 'esdb://127.0.0.1:2113?tls=false',
  MONGO_URL: 'mongodb://127.0.0.1:27017',
  MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
  HTTP_PORT: '0',
};

describe('the configuration', () => {
  it('fills in what may be left out, and takes an empty variable as left out', () => {
    expect(readConfig(RuntimeEnv, { ...GOOD, LOG_LEVEL: '', OTHER: 'x' })).toEqual({
      ...GOOD,
      HTTP_PORT: 0,
      HTTP_HOST: '127.0.0.1',
      LOG_LEVEL: 'info',
      DRAIN_MS: 8_000,
    });
  });

  it('can be extended by a service', () => {
    const Schema = RuntimeEnv.extend({ REDIS_URL: RuntimeEnv.shape.HTTP_HOST });
    expect(readConfig(Schema, { ...GOOD, REDIS_URL: 'redis' }).REDIS_URL).toBe('redis');
  });

  it.each([
    ['NATS_URL', 'http://127.0.0.1'],
    ['EVENTSTORE_URL', 'esdb:'],
    ['MONGO_URL', '127.0.0.1:27017'],
    ['MASTER_KEY', Buffer.alloc(31).toString('base64')],
    ['HTTP_PORT', '65536'],
    ['LOG_LEVEL', 'loud'],
    ['DRAIN_MS', 'long'],
  ])('does not take %s = %s', (name, value) => {
    const parsed = RuntimeEnv.safeParse({ ...GOOD, [name]: value });
    expect(parsed.error?.issues.map((issue) => issue.path)).toEqual([[name]]);
  });

  it.each(['esdb+discover://a,b', 'kurrentdb://a?tls=true'])('takes %s as an event store', (url) => {
    expect(RuntimeEnv.safeParse({ ...GOOD, EVENTSTORE_URL: url }).success).toBe(true);
  });
});
