import { describe, expect, it } from 'vitest';
import { readSettings, repository } from './config.js';

describe('the settings', () => {
  it('start everything on this machine when nothing is said', () => {
    const settings = readSettings(['up'], {});
    expect(settings).toMatchObject({ command: 'up', external: {}, demo: true, yes: false, reset: false });
    expect(settings.state).toBe(`${repository}/.muster`);
    expect(settings.ports.gateway).toBe(7400);
  });

  it('take options in both spellings', () => {
    expect(readSettings(['up', '--ports', '8000', '--no-demo', '--yes', '--reset'], {})).toMatchObject({
      ports: { gateway: 8000, redis: 8013 },
      demo: false,
      yes: true,
      reset: true,
    });
    expect(readSettings(['reset', '--state=/tmp/elsewhere'], {}).state).toBe('/tmp/elsewhere');
  });

  it.each([
    [[], 'no command'],
    [['start'], 'no command start'],
    [['up', '--fast'], 'no option --fast'],
    [['up', '--yes=no'], 'no option --yes=no'],
    [['up', '--ports'], '--ports needs a value'],
    [['up', '--ports', 'many'], '--ports takes a number'],
    [['up', '--ports', '80'], '--ports takes a number from 1024'],
    [['up', '--ports', '65530'], 'to 65522'],
  ])('refuse %j', (args, message) => expect(() => readSettings(args, {})).toThrow(message));

  it('leave a store alone whose address is given', () => {
    const env = { REDIS_URL: 'redis://cache:6379', MONGO_URL: '', NATS_URL: ' ' };
    expect(readSettings(['up'], env).external).toEqual({ redis: 'redis://cache:6379' });
  });

  it.each([
    ['EVENTSTORE_URL', 'http://secret-host:2113', 'esdb:// or esdb+discover://'],
    ['MONGO_URL', 'secret-host:27017', 'mongodb://'],
    ['NATS_URL', 'nats:///secret-host', 'nats://'],
    ['REDIS_URL', 'secret-host', 'redis:// or rediss://'],
    ['MASTER_KEY', 'secret', '32 bytes in base64'],
    ['OPERATOR_KEY', 'secret', '24 characters'],
    ['LOG_LEVEL', 'secret', 'trace, debug'],
    ['PUBLIC_URL', 'secret.example.com', 'https://'],
  ])('name %s when it is wrong, but not its value', (name, value, message) => {
    const read = (): unknown => readSettings(['up'], { [name]: value });
    expect(read).toThrow(name);
    expect(read).toThrow(message);
    expect(read).not.toThrow('secret');
  });

  it('find servers that are not on the path of the user', () => {
    expect(readSettings(['up'], { PATH: '/opt/mine:/usr/bin' }).inherited['PATH']).toMatch(
      /^\/opt\/mine:\/usr\/bin:.*\/usr\/sbin/,
    );
  });
});
