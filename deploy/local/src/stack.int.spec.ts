import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@muster/testing/eventually';
import { freePort } from '@muster/testing/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backOff } from './child.js';
import { readSettings, repository } from './config.js';
import { plan, type ProcessSpec } from './plan.js';
import { portBlock } from './ports.js';
import { Stack } from './stack.js';
import { prepareState } from './state.js';

/** Stands for a service: journals its life, is ready after a moment, and does as it is told by its environment. */
const STAND_IN = `
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
const { NAME, JOURNAL, HTTP_PORT, MODE } = process.env;
const note = (word) => appendFileSync(JOURNAL, word + ' ' + NAME + ' ' + process.pid + '\\n');
note('start');
if (MODE === 'broken') { console.error('MASTER_KEY is missing'); process.exit(3); }
const since = Date.now();
createServer((request, response) => {
  response.writeHead(request.url === '/health/ready' && Date.now() - since > 100 ? 200 : 503).end();
}).listen(Number(HTTP_PORT), '127.0.0.1', () => note('listen'));
process.on('SIGTERM', () => {
  if (MODE === 'stubborn') return;
  setTimeout(() => { note('stop'); process.exit(0); }, 100);
});
`;

let dir: string;
let said: string[];
let stack: Stack | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'muster-stack-'));
  said = [];
  await writeFile(join(dir, 'stand-in.mjs'), STAND_IN);
});
afterEach(async () => {
  stack?.kill();
  await rm(dir, { recursive: true });
});

async function standIn(name: ProcessSpec['name'], stage: number, mode = ''): Promise<ProcessSpec> {
  const port = await freePort();
  return {
    name,
    stage,
    file: process.execPath,
    args: [join(dir, 'stand-in.mjs')],
    env: { NAME: name, JOURNAL: join(dir, 'journal'), HTTP_PORT: `${port}`, MODE: mode },
    ready: { kind: 'http', url: `http://127.0.0.1:${port}/health/ready` },
  };
}

function stackOf(specs: ProcessSpec[], graceMs = 10_000): Stack {
  const say = (line: string): void => void said.push(line);
  const { inherited } = readSettings(['up'], process.env);
  stack = new Stack(specs, { logs: join(dir, 'logs'), inherited, say, graceMs });
  return stack;
}

/** What happened, in order: `start gateway`, `stop gateway` … */
async function journal(word?: string): Promise<string[]> {
  const lines = (await readFile(join(dir, 'journal'), 'utf8')).trim().split('\n');
  return lines
    .filter((line) => !word || line.startsWith(word))
    .map((line) => line.split(' ').slice(0, 2).join(' '));
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const pids = (all: Stack): number[] => all.children.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));

describe('the stack', () => {
  it('starts stage after stage when the one before is ready, and stops in reverse', async () => {
    const all = stackOf([
      await standIn('gateway', 2),
      await standIn('nats', 0),
      await standIn('contacts', 1),
    ]);
    await all.start();
    expect(await journal()).toEqual(
      ['nats', 'contacts', 'gateway'].flatMap((name) => [`start ${name}`, `listen ${name}`]),
    );
    const running = pids(all);
    expect(running).toHaveLength(3);
    await all.stop();
    expect(await journal('stop')).toEqual(['stop gateway', 'stop contacts', 'stop nats']);
    expect(running.filter(exists)).toEqual([]);
    expect(said).toEqual([]);
  });

  it('starts a process again that crashed, and says so', async () => {
    const all = stackOf([await standIn('contacts', 1)]);
    await all.start();
    const [first] = pids(all) as [number];
    process.kill(first, 'SIGKILL');
    await eventually(() => said.includes('contacts runs again'));
    expect(said[0]).toMatch(
      /^contacts ended \(signal SIGKILL\); starting it again in 0.5 s. Log: .*contacts\.log$/,
    );
    const [second] = pids(all) as [number];
    expect(second).not.toBe(first);
    process.kill(second, 'SIGKILL');
    await eventually(() => said.some((line) => line.includes('again in 1 s')));
    await all.stop();
    expect(pids(all)).toEqual([]);
  });

  it('stops everything when one process does not start, and shows the end of its log', async () => {
    const all = stackOf([
      await standIn('nats', 0),
      await standIn('contacts', 1, 'broken'),
      await standIn('gateway', 2),
    ]);
    await expect(all.start()).rejects.toThrow(
      /contacts ended \(exit code 3\)[^]*contacts\.log[^]*MASTER_KEY is missing/,
    );
    expect(await journal('start')).toEqual(['start nats', 'start contacts']);
    expect(await journal('stop')).toEqual(['stop nats']);
    expect(pids(all)).toEqual([]);
  });

  it('kills what does not end in time', async () => {
    const all = stackOf([await standIn('contacts', 1, 'stubborn')], 300);
    await all.start();
    const running = pids(all);
    await all.stop();
    expect(said).toEqual(['contacts did not end within 0.3 s and is killed']);
    expect(running.filter(exists)).toEqual([]);
  });

  it('can be stopped while it starts', async () => {
    const all = stackOf([await standIn('nats', 0), await standIn('contacts', 1)]);
    const [starting] = await Promise.allSettled([all.start(), all.stop()]);
    expect(starting).toMatchObject({
      status: 'rejected',
      reason: { message: 'nats was stopped before it was ready' },
    });
    expect(pids(all)).toEqual([]);
  });

  it('waits longer after each crash, up to a limit', () => {
    expect([0, 1, 2, 3, 10].map(backOff)).toEqual([500, 1_000, 2_000, 4_000, 15_000]);
  });
});

describe('a supervisor that is killed', () => {
  it('takes every process with it', async () => {
    const specs = [await standIn('nats', 0), await standIn('gateway', 2)];
    const main = join(dir, 'main.mjs');
    const module = JSON.stringify(join(repository, 'deploy/local/dist/stack.js'));
    const options = `{ logs: ${JSON.stringify(join(dir, 'logs'))}, inherited: process.env, say: console.log }`;
    await writeFile(
      main,
      `import { Stack } from ${module};
       const stack = new Stack(${JSON.stringify(specs)}, ${options});
       await stack.start();
       console.log('PIDS ' + stack.children.map(({ pid }) => pid).join(' '));`,
    );
    const supervisor = spawn(process.execPath, [main], { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    supervisor.stdout.on('data', (data: Buffer) => (printed += data.toString()));
    await eventually(() => printed.includes('PIDS '), 20_000);
    const children = printed.trim().split(' ').slice(1).map(Number);
    expect(children.map(exists)).toEqual([true, true]);
    supervisor.kill('SIGKILL');
    await eventually(() => !children.some(exists));
    expect(await journal('stop').then((lines) => lines.length)).toBe(0);
  });
});

describe('the stores of the plan', () => {
  it('start, are ready, and stop without leaving a process', async () => {
    const settings = {
      ...readSettings(['up', '--state', dir], process.env),
      ports: portBlock(await freePort()),
    };
    prepareState(settings);
    const stores = plan(settings, { masterKey: 'x', operatorKey: 'y' }).filter(({ stage }) => stage === 0);
    expect(stores.map(({ name }) => name)).toEqual(['eventstore', 'mongo', 'nats', 'redis']);
    const all = stackOf(stores);
    await all.start();
    const running = pids(all);
    expect(running).toHaveLength(4);
    await all.stop();
    expect(running.filter(exists)).toEqual([]);
  });
});
