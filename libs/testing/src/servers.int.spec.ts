import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from './eventually.js';
import { startService } from './processes.js';
import {
  repository,
  startEventStore,
  startMongo,
  startNats,
  startRedis,
  startServers,
  type Server,
} from './servers.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.stop()));
});
async function opened<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
  const server = await starting;
  open.push(server);
  return server;
}

/** Whether a process of that number exists, zombies included. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Sends bytes to a loopback port and answers the first bytes that come back; rejects when nobody listens. */
function ask(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('error', reject);
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString());
    });
    socket.write(request);
  });
}

describe('a redis server', () => {
  it('is configured as production is', async () => {
    const redis = await opened(startRedis());
    expect(await ask(redis.port, 'CONFIG GET maxmemory-policy\r\n')).toContain('noeviction');
    expect(await ask(redis.port, 'CONFIG GET appendonly\r\n')).toContain('yes');
  });

  it('keeps port and data over a restart', async () => {
    const redis = await opened(startRedis());
    const { port, pid } = redis;
    expect(await ask(port, 'SET word kept\r\n')).toBe('+OK\r\n');
    await redis.restart();
    expect(redis.port).toBe(port);
    expect(redis.pid).not.toBe(pid);
    expect(await ask(port, 'GET word\r\n')).toContain('kept');
  });

  it('is gone after kill and there again after restart', async () => {
    const redis = await opened(startRedis());
    const { pid } = redis;
    await redis.kill();
    expect(redis.running).toBe(false);
    expect(exists(pid)).toBe(false);
    await expect(ask(redis.port, 'PING\r\n')).rejects.toThrow('ECONNREFUSED');
    await redis.restart();
    expect(await ask(redis.port, 'PING\r\n')).toBe('+PONG\r\n');
  });

  it('leaves no process and no temporary folder after stop', async () => {
    const redis = await startRedis();
    expect(existsSync(redis.dir)).toBe(true);
    await redis.stop();
    expect(exists(redis.pid)).toBe(false);
    expect(existsSync(redis.dir)).toBe(false);
  });

  it('leaves a folder alone that was given to it', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'muster-given-'));
    const redis = await startRedis(dir);
    await redis.stop();
    expect(readdirSync(dir)).toContain('appendonlydir');
    await rm(dir, { recursive: true });
  });
});

describe('a NATS server', () => {
  it('speaks NATS and has JetStream', async () => {
    const nats = await opened(startNats());
    expect(nats.url).toBe(`nats://127.0.0.1:${nats.port}`);
    const greeting = JSON.parse((await ask(nats.port, '')).replace(/^INFO /, '')) as { jetstream: boolean };
    expect(greeting.jetstream).toBe(true);
  });

  it('keeps its port over kill and restart', async () => {
    const nats = await opened(startNats());
    await nats.kill();
    await nats.restart();
    expect(await ask(nats.port, '')).toMatch(/^INFO /);
  });
});

describe('the embedded event store', () => {
  it('starts, is killed, and starts again on the same port', async () => {
    const store = await opened(startEventStore());
    expect(store.url).toBe(`esdb://127.0.0.1:${store.port}?tls=false`);
    const { port } = store;
    await store.kill();
    await store.restart();
    expect(store.port).toBe(port);
    expect(store.output()).toContain(`"port":${port}`);
  });
});

describe('the embedded mongo server', () => {
  it('starts, is killed, and starts again on the same port', async () => {
    const mongo = await opened(startMongo());
    expect(mongo.url).toBe(`mongodb://127.0.0.1:${mongo.port}`);
    const { port } = mongo;
    await mongo.kill();
    await mongo.restart();
    expect(mongo.output()).toContain(`"port":${port}`);
  });
});

describe('several servers', () => {
  it('start and stop together', async () => {
    const servers = await startServers({ nats: true, redis: true });
    const pids = [servers.nats.pid, servers.redis.pid];
    expect(pids.map(exists)).toEqual([true, true]);
    await servers.stop();
    expect(pids.map(exists)).toEqual([false, false]);
  });

  it('leave nothing behind when one of them does not start', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'muster-clash-'));
    await writeFile(join(dir, 'appendonlydir'), 'a file where redis wants a folder');
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('muster-test-nats-'));
    await expect(startServers({ nats: true, redis: dir })).rejects.toThrow('redis did not start');
    const after = readdirSync(tmpdir()).filter((name) => name.startsWith('muster-test-nats-'));
    expect(after.filter((name) => !before.includes(name))).toEqual([]);
    await rm(dir, { recursive: true });
  });

  it('names what could not be found', async () => {
    const { Child } = await import('./children.js');
    await expect(Child.start({ file: 'no-such-server', args: [] })).rejects.toThrow(
      'no-such-server cannot be started',
    );
  });
});

const SERVICE = `
import { createServer } from 'node:http';
const started = Date.now();
createServer((request, response) => {
  const ready = request.url === '/health/ready' && Date.now() - started > 50;
  response.writeHead(ready ? 200 : 503).end(process.env.WORD);
}).listen(Number(process.env.HTTP_PORT), process.env.HTTP_HOST);
`;

async function serviceScript(text: string): Promise<{ dir: string; entry: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'muster-service-'));
  const entry = join(dir, 'main.mjs');
  await writeFile(entry, text);
  return { dir, entry };
}

describe('a service', () => {
  it('is waited for until it is ready, killed, and started again with other variables', async () => {
    const { dir, entry } = await serviceScript(SERVICE);
    const service = await opened(startService('stand-in', { WORD: 'one' }, { entry }));
    const word = async (): Promise<string> => (await fetch(`${service.url}/health/ready`)).text();
    expect(await word()).toBe('one');
    await service.kill();
    await expect(word()).rejects.toThrow('fetch failed');
    await service.restart({ WORD: 'two' });
    expect(await word()).toBe('two');
    await rm(dir, { recursive: true });
  });

  it('that ends at its start is reported with its own words', async () => {
    const { dir, entry } = await serviceScript('console.error("MASTER_KEY is missing"); process.exit(3);');
    await expect(startService('stand-in', {}, { entry })).rejects.toThrow(
      /exit code 3[^]*MASTER_KEY is missing/,
    );
    await rm(dir, { recursive: true });
  });
});

describe('a test process that is killed', () => {
  it('takes its servers and their folders with it', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'muster-killed-'));
    const main = join(dir, 'main.mjs');
    const kit = join(repository, 'libs/testing/dist/servers.js');
    await writeFile(
      main,
      `import { startServers } from ${JSON.stringify(kit)};
       const { nats, redis } = await startServers({ nats: true, redis: true });
       console.log(JSON.stringify([nats, redis].map((s) => ({ pid: s.pid, dir: s.dir }))));
       setInterval(() => undefined, 1000);`,
    );
    const parent = spawn(process.execPath, [main], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const servers = JSON.parse(line.toString()) as Pick<Server, 'pid' | 'dir'>[];
    expect(servers.map(({ pid }) => exists(pid))).toEqual([true, true]);
    parent.kill('SIGKILL');
    await eventually(() => servers.every(({ pid, dir: folder }) => !exists(pid) && !existsSync(folder)));
    await rm(dir, { recursive: true });
  });
});
