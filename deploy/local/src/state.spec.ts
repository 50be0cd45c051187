import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSettings, type Settings } from './config.js';
import {
  loadSecrets,
  prepareState,
  readRun,
  releaseLock,
  rotatedLog,
  runningStack,
  takeLock,
  wipe,
  writeRun,
} from './state.js';

let dir: string;
let settings: Settings;
const withEnv = (env: Record<string, string>): Settings => readSettings(['up', '--state', dir], env);
const mode = (name: string): number => statSync(join(dir, name)).mode & 0o777;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'muster-state-'));
  settings = withEnv({});
  prepareState(settings);
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('keys', () => {
  it('are made once, of 32 bytes, and only their owner can read them', () => {
    const first = loadSecrets(settings);
    expect(Buffer.from(first.masterKey, 'base64')).toHaveLength(32);
    expect(loadSecrets(settings)).toEqual(first);
    expect(mode('secrets.json')).toBe(0o600);
  });

  it('come from the environment where they are given', () => {
    const MASTER_KEY = Buffer.alloc(32, 7).toString('base64');
    expect(loadSecrets(withEnv({ MASTER_KEY, OPERATOR_KEY: 'm'.repeat(24) }))).toEqual({
      masterKey: MASTER_KEY,
      operatorKey: 'm'.repeat(24),
    });
  });

  it('are never replaced under data that need them', () => {
    loadSecrets(settings);
    writeFileSync(join(dir, 'data/eventstore/events.db'), 'x');
    const other = withEnv({ MASTER_KEY: Buffer.alloc(32, 7).toString('base64') });
    expect(() => loadSecrets(other)).toThrow('not the key');
    rmSync(join(dir, 'secrets.json'));
    expect(() => loadSecrets(settings)).toThrow('missing or damaged');
    writeFileSync(join(dir, 'secrets.json'), '{"masterKey": ');
    expect(() => loadSecrets(settings)).toThrow('missing or damaged');
  });
});

describe('run.json', () => {
  it('is for its owner only and is read back', () => {
    const run = { url: 'http://127.0.0.1:7400', operatorKey: 'op', demo: { accountId: 'a', apiKey: 'k' } };
    expect(readRun(settings)).toBeUndefined();
    writeRun(settings, run);
    expect(mode('run.json')).toBe(0o600);
    expect(readRun(settings)).toEqual(run);
  });
});

describe('the lock', () => {
  it('is taken once and given back', () => {
    expect(takeLock(settings, 'http://one')).toBeUndefined();
    expect(existsSync(join(dir, 'up.lock'))).toBe(true);
    releaseLock(settings);
    expect(existsSync(join(dir, 'up.lock'))).toBe(false);
  });

  it('names the stack that has it', async () => {
    const args = ['-e', 'setInterval(() => undefined, 1000)', 'deploy/local/dist/main.js'];
    const stack = spawn(process.execPath, args, { stdio: 'ignore' });
    const lock = { pid: stack.pid, url: 'http://other' };
    writeFileSync(join(dir, 'up.lock'), JSON.stringify(lock));
    expect(runningStack(settings)).toEqual(lock);
    expect(takeLock(settings, 'http://one')).toEqual(lock);
    releaseLock(settings);
    expect(existsSync(join(dir, 'up.lock'))).toBe(true);
    stack.kill('SIGKILL');
    await once(stack, 'exit');
    expect(takeLock(settings, 'http://one')).toBeUndefined();
  });

  it.each([
    '{"pid": 4194303, "url": "http://gone"}',
    `{"pid": ${process.ppid}, "url": "http://a stranger"}`,
    'torn',
  ])('that a killed stack left behind is taken over: %s', (content) => {
    writeFileSync(join(dir, 'up.lock'), content);
    expect(takeLock(settings, 'http://one')).toBeUndefined();
    expect(JSON.parse(readFileSync(join(dir, 'up.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
  });
});

describe('logs', () => {
  it('are moved aside at each start, and the oldest are dropped', () => {
    for (const round of [1, 2, 3, 4, 5, 6]) {
      writeFileSync(rotatedLog(dir, 'gateway'), `round ${round}`);
    }
    const kept = ['gateway.log', 'gateway.log.1', 'gateway.log.2', 'gateway.log.3'];
    expect(kept.map((name) => readFileSync(join(dir, name), 'utf8'))).toEqual(
      [6, 5, 4, 3].map((round) => `round ${round}`),
    );
    expect(existsSync(join(dir, 'gateway.log.4'))).toBe(false);
    expect(mode('gateway.log')).toBe(0o600);
  });
});

describe('a reset', () => {
  it('removes everything but the lock', () => {
    loadSecrets(settings);
    takeLock(settings, 'http://one');
    wipe(settings);
    expect(existsSync(join(dir, 'data'))).toBe(false);
    expect(existsSync(join(dir, 'secrets.json'))).toBe(false);
    expect(existsSync(join(dir, 'up.lock'))).toBe(true);
  });
});
