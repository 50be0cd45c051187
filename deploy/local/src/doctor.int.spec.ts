import { startRedis, type Server } from '@muster/testing/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSettings } from './config.js';
import { examine, type Finding } from './doctor.js';

let redis: Server;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const levels = (findings: Finding[], word: string): string[] =>
  findings.filter(({ text }) => text.includes(word)).map(({ level }) => level);

describe('a Redis elsewhere', () => {
  it('is asked for its configuration', async () => {
    const findings = await examine(readSettings(['doctor'], { REDIS_URL: redis.url }));
    expect(findings).toContainEqual({ level: 'ok', text: 'REDIS_URL: never evicts' });
    expect(levels(findings, 'appendonly')).toEqual([]);
    expect(levels(findings, 'redis-server')).toEqual([]);
  });

  it('that would lose jobs is an error', async () => {
    const { Redis } = await import('ioredis');
    const client = new Redis(redis.url);
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await client.config('SET', 'appendonly', 'no');
    client.disconnect();
    const findings = await examine(readSettings(['doctor'], { REDIS_URL: redis.url }));
    expect(levels(findings, 'allkeys-lru')).toEqual(['error']);
    expect(levels(findings, 'appendonly')).toEqual(['error']);
  });
});
