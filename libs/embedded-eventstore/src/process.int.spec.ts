import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { EventStoreDBClient, START, jsonEvent } from '@eventstore/db-client';
import { eventually } from '@muster/testing/eventually';
import { repository } from '@muster/testing/servers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const MAIN = join(repository, 'libs/embedded-eventstore/dist/main.js');
/** Starts the program given as arguments with the stdio given in JSON, and prints its process id. */
const PARENT = `
  const [stdio, ...args] = process.argv.slice(1);
  const child = require('node:child_process').spawn(process.execPath, args, { stdio: JSON.parse(stdio) });
  console.log('CHILD ' + child.pid);
  setInterval(() => {}, 1000);
`;

let dir: string;
const started: ChildProcess[] = [];
beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), 'embedded-eventstore-'))));
afterEach(async () => {
  for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  await rm(dir, { recursive: true, force: true });
});

/** A started process with what it has printed so far. */
function run(args: string[], stdio: StdioOptions = ['pipe', 'pipe', 'pipe']) {
  const child = spawn(process.execPath, args, { stdio });
  started.push(child);
  const out: string[] = [];
  const err: string[] = [];
  if (child.stdout) createInterface(child.stdout).on('line', (line) => out.push(line));
  if (child.stderr) createInterface(child.stderr).on('line', (line) => err.push(line));
  return { child, out, err, exit: once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]> };
}

const serve = (...extra: string[]) => run([MAIN, '--data', dir, '--port', '0', ...extra]);
const until = (check: () => unknown) => eventually(() => Boolean(check()), 20_000);

/** Waits for the line that says which port is served. */
async function portOf(out: string[]): Promise<number> {
  await until(() => out.find((line) => line.startsWith('READY ')));
  const line = out.find((printed) => printed.startsWith('READY '))!;
  return (JSON.parse(line.slice('READY '.length)) as { port: number }).port;
}
const connect = (port: number) => EventStoreDBClient.connectionString(`esdb://127.0.0.1:${port}?tls=false`);
const append = (client: EventStoreDBClient, stream = 'one-1') =>
  client.appendToStream(stream, jsonEvent({ type: 'Tested', data: {} }));

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('the server as a process', () => {
  it('prints exactly one line, with the port it serves', async () => {
    const server = serve();
    const client = connect(await portOf(server.out));
    await append(client);
    await client.dispose();
    expect(server.out).toHaveLength(1);
    expect(server.out[0]).toMatch(/^READY \{"port":\d+\}$/);
    expect(server.err).toEqual([]);
  });

  it.each([
    ['no data directory', ['--port', '0']],
    ['no port', ['--data', 'x']],
    ['a port that is none', ['--data', 'x', '--port', '70000']],
    ['an unknown sync', ['--data', 'x', '--port', '0', '--sync', 'maybe']],
    ['an unknown option', ['--data', 'x', '--port', '0', '--colour', 'red']],
  ])('refuses %s', async (_title, args) => {
    const server = run([MAIN, ...args]);
    expect((await server.exit)[0]).toBe(1);
    expect(server.err.join('\n')).toMatch(/usage|Unknown option/);
  });

  it('refuses data that another server holds, until that one is dead', async () => {
    const first = serve();
    const client = connect(await portOf(first.out));
    const second = serve();
    expect((await second.exit)[0]).toBe(1);
    expect(second.err.join('\n')).toContain(`Another server already serves the data in ${dir}`);
    await append(client);
    await client.dispose();
    first.child.kill('SIGKILL');
    await first.exit;
    const third = serve();
    const again = connect(await portOf(third.out));
    expect((await append(again)).nextExpectedRevision).toBe(1n);
    await again.dispose();
  });

  it('says which port is taken', async () => {
    const first = serve();
    const port = await portOf(first.out);
    const other = await mkdtemp(join(tmpdir(), 'embedded-eventstore-'));
    const second = run([MAIN, '--data', other, '--port', `${port}`]);
    expect((await second.exit)[0]).toBe(1);
    expect(second.err.join('\n')).toMatch(/EADDRINUSE/);
    await rm(other, { recursive: true });
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s ends live calls as cancelled and the process with 0',
    async (signal) => {
      const server = serve();
      const client = connect(await portOf(server.out));
      await append(client);
      const subscription = client.subscribeToAll({ fromPosition: START });
      const ended = new Promise((resolve) => subscription.on('error', resolve));
      await new Promise((resolve) => subscription.once('caughtUp', resolve));
      server.child.kill(signal);
      expect(await server.exit).toEqual([0, null]);
      expect(await ended).toMatchObject({ type: 'cancelled' });
      await client.dispose();
    },
  );

  it('answers truly to every append that was under way when it was stopped', async () => {
    const server = serve();
    const client = connect(await portOf(server.out));
    await append(client);
    const appends = Array.from({ length: 300 }, (_, n) => append(client, `many-${n}`));
    await Promise.race(appends);
    server.child.kill('SIGTERM');
    const outcomes = await Promise.allSettled(appends);
    expect((await server.exit)[0]).toBe(0);
    await client.dispose();
    const second = serve();
    const again = connect(await portOf(second.out));
    const acknowledged = outcomes.flatMap(({ status }, n) => (status === 'fulfilled' ? [n] : []));
    expect(acknowledged.length).toBeGreaterThan(0);
    for (const n of acknowledged) {
      expect((await append(again, `many-${n}`)).nextExpectedRevision).toBe(1n);
    }
    await again.dispose();
  });

  it('ends when its standard input ends', async () => {
    const server = serve();
    await portOf(server.out);
    server.child.stdin!.end();
    expect(await server.exit).toEqual([0, null]);
  });

  it.each([
    ['a pipe as standard input', ['pipe', 'inherit', 'inherit']],
    ['an IPC channel', ['ignore', 'inherit', 'inherit', 'ipc']],
    ['nothing but its process id to tell', ['ignore', 'inherit', 'inherit']],
  ])('ends when its parent, which gave it %s, is killed', async (_title, stdio) => {
    const parent = run(['-e', PARENT, JSON.stringify(stdio), MAIN, '--data', dir, '--port', '0']);
    await portOf(parent.out);
    const pid = Number(parent.out.find((line) => line.startsWith('CHILD '))!.slice('CHILD '.length));
    expect(isRunning(pid)).toBe(true);
    parent.child.kill('SIGKILL');
    await until(() => !isRunning(pid));
  });
});
