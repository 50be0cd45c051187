import { describe, expect, it } from 'vitest';
import { installCommands } from './binaries.js';
import { readSettings } from './config.js';
import { examine, hostAndPort, isAtLeast, nodeFinding, redisFindings, shapeFindings } from './doctor.js';

const texts = (env: Record<string, string>, level: string): string[] =>
  shapeFindings(readSettings(['doctor'], env)).flatMap((one) => (one.level === level ? [one.text] : []));

describe('versions', () => {
  it.each([
    ['2.9.10', [2, 9], true],
    ['2.10.1', [2, 9], true],
    ['2.8.9', [2, 9], false],
    ['3.0.0', [2, 9], true],
    ['1.99.0', [2, 9], false],
  ] as const)('%s is at least %j: %s', (version, needed, expected) => {
    expect(isAtLeast(version, needed)).toBe(expected);
  });
  it('judges Node', () => {
    expect(nodeFinding('20.18.9').level).toBe('error');
    expect(nodeFinding('20.19.0').level).toBe('weaker');
    expect(nodeFinding('24.1.0').level).toBe('ok');
  });
});

describe('the shape of the stack', () => {
  it('is weaker than production with the embedded servers on one machine', () => {
    expect(texts({}, 'weaker').join('\n')).toMatch(
      /events: the embedded[^]*documents: the embedded[^]*one machine/,
    );
    expect(texts({}, 'error')).toEqual([]);
  });
  it('is wrong when only one of the two databases is given', () => {
    expect(texts({ MONGO_URL: 'mongodb://db' }, 'error')[0]).toMatch(
      /^MONGO_URL is set and EVENTSTORE_URL is not/,
    );
    expect(texts({ EVENTSTORE_URL: 'esdb://es' }, 'error')[0]).toMatch(
      /^EVENTSTORE_URL is set and MONGO_URL/,
    );
  });
  it('is weaker when the key of data elsewhere lies only here', () => {
    const env = { EVENTSTORE_URL: 'esdb://es', MONGO_URL: 'mongodb://db' };
    expect(texts(env, 'error')).toEqual([]);
    expect(texts(env, 'weaker').join()).toContain('MASTER_KEY is not set');
    const key = Buffer.alloc(32).toString('base64');
    expect(texts({ ...env, MASTER_KEY: key }, 'weaker').join()).not.toContain('MASTER_KEY');
  });
});

describe('addresses', () => {
  it.each([
    ['eventstore', 'esdb://user:pass@es1:2114,es2:2113?tls=true', { host: 'es1', port: 2114 }],
    ['eventstore', 'esdb+discover://cluster.example.com', undefined],
    ['mongo', 'mongodb+srv://db.example.com/x', undefined],
    ['mongo', 'mongodb://a:1,b:2/?replicaSet=rs0', { host: 'a', port: 1 }],
    ['nats', 'nats://bus', { host: 'bus', port: 4222 }],
    ['redis', 'redis://[::1]:6380/1', { host: '::1', port: 6380 }],
    ['redis', 'rediss://:p%40ss@cache', { host: 'cache', port: 6379 }],
  ] as const)('%s %s', (store, address, expected) => {
    expect(hostAndPort(store, address)).toEqual(expected);
  });

  it('that do not answer are errors, named by their variable', async () => {
    const settings = readSettings(['doctor'], { NATS_URL: 'nats://127.0.0.1:1' });
    const findings = await examine(settings);
    expect(findings).toContainEqual({ level: 'error', text: 'NATS_URL: 127.0.0.1:1 does not answer' });
  });
});

describe('a Redis elsewhere', () => {
  it.each([
    [{ 'maxmemory-policy': 'noeviction', appendonly: 'yes' }, ['ok']],
    [{ 'maxmemory-policy': 'allkeys-lru', appendonly: 'yes' }, ['error']],
    [{ 'maxmemory-policy': 'noeviction', appendonly: 'no' }, ['ok', 'error']],
    [{}, ['weaker']],
  ])('with %j', (config, levels) => {
    expect(redisFindings(config as Record<string, string>).map(({ level }) => level)).toEqual(levels);
  });
});

describe('what installs missing servers', () => {
  const none = { apt: false, brew: false, root: false, sudo: false };
  it('is apt-get for root, and with sudo for others', () => {
    expect(
      installCommands(['nats', 'redis'], { ...none, apt: true, root: true })?.map((one) => one.join(' ')),
    ).toEqual(['apt-get update', 'apt-get install -y --no-install-recommends nats-server redis-server']);
    expect(installCommands(['redis'], { ...none, apt: true, sudo: true })?.[1]?.[0]).toBe('sudo');
  });
  it('is brew where that is the package manager', () => {
    expect(installCommands(['redis'], { ...none, brew: true })).toEqual([['brew', 'install', 'redis']]);
  });
  it('is nothing without the right to install, or without a known package manager', () => {
    expect(installCommands(['redis'], { ...none, apt: true })).toBeUndefined();
    expect(installCommands(['redis'], none)).toBeUndefined();
  });
});
