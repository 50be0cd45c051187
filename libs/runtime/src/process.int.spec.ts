import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from '@muster/testing/children';
import { eventually } from '@muster/testing/eventually';
import { freePort } from '@muster/testing/ports';
import { startNats, type Server } from '@muster/testing/servers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const dist = join(import.meta.dirname, '..', 'dist');
const contracts = join(import.meta.dirname, '..', '..', 'contracts', 'dist');
const from = (folder: string, file: string): string => JSON.stringify(join(folder, `${file}.js`));

/**
 * A service as its `main.ts` would be, with the decorators written out: asks itself to fail, and to work for a second,
 * when it is ready.
 */
const MAIN = `
import { bootstrap } from ${from(dist, 'bootstrap')};
import { RuntimeEnv, readConfig } from ${from(dist, 'config')};
import { EdgeModule } from ${from(dist, 'edge.module')};
import { Handles } from ${from(dist, 'handles')};
import { Bus } from ${from(dist, 'bus')};
import { systemEnvelope } from ${from(dist, 'envelopes')};
import { command } from ${from(contracts, 'subject')};
import { uuid7 } from ${from(contracts, 'ids')};
import { z } from 'zod';
import { Controller, Module } from '@nestjs/common';

const work = command('contacts', 'work', 'Works.', z.object({}), z.object({ done: z.boolean() }));
const fail = command('contacts', 'fail', 'Fails.', z.object({}), z.object({}));
class WorkController {
  async fail() {
    throw new Error('dup key { name: "Ada" }');
  }
  async work() {
    console.log('WORKING');
    await new Promise((resolve) => setTimeout(resolve, 800));
    console.log('WORKED');
    return { done: true };
  }
}
Controller()(WorkController);
const method = (name) => Object.getOwnPropertyDescriptor(WorkController.prototype, name);
Handles(work)(WorkController.prototype, 'work', method('work'));
Handles(fail)(WorkController.prototype, 'fail', method('fail'));
class Root {}
Module({})(Root);
const env = readConfig(RuntimeEnv);
const imports = [EdgeModule.forService('contacts', env)];
const module = { module: Root, imports, controllers: [WorkController] };
const { app } = await bootstrap({ service: 'contacts', module, env });
const envelope = systemEnvelope(uuid7(), { source: { kind: 'system' } });
if (process.env.LOG_LEVEL === 'debug') Promise.reject(new Error('dup key { name: "Ada" }'));
console.log('ENVELOPE', JSON.stringify(envelope));
app.get(Bus).ask(fail, envelope, {}).catch(() => {});
app.get(Bus).ask(work, envelope, {}).then((answer) => console.log('ANSWER', JSON.stringify(answer)));
`;

describe.skipIf(!existsSync(join(dist, 'bootstrap.js')))('a service process', () => {
  let nats: Server;
  let dir: string;
  const children: Child[] = [];
  beforeAll(async () => {
    nats = await startNats();
    dir = await mkdtemp(join(import.meta.dirname, '..', 'dist', 'process-'));
    await writeFile(join(dir, 'main.mjs'), MAIN);
  });
  afterEach(async () => {
    await Promise.all(children.splice(0).map((child) => child.kill()));
  });
  afterAll(async () => {
    await nats.stop();
    await rm(dir, { recursive: true });
  });

  async function start(changes: Record<string, string> = {}): Promise<Child> {
    const env = {
      NATS_URL: nats.url,
      EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false',
      MONGO_URL: 'mongodb://127.0.0.1:1',
      MASTER_KEY: Buffer.alloc(32).toString('base64'),
      HTTP_PORT: '0',
      ...changes,
    };
    const child = await Child.start({ file: process.execPath, args: [join(dir, 'main.mjs')], env });
    children.push(child);
    return child;
  }
  const printed = (child: Child, text: string): Promise<true> =>
    eventually(() => {
      if (!child.running && !child.output().includes(text)) throw new Error(child.output());
      return child.output().includes(text) as true;
    }, 30_000);

  it('ends with code 0 after SIGTERM, its work done', async () => {
    const child = await start();
    await printed(child, 'WORKING');
    const ready = child
      .output()
      .split('\n')
      .find((line) => line.includes('"ready"'));
    expect(JSON.parse(ready ?? '')).toMatchObject({ service: 'contacts', msg: 'ready' });
    await child.kill('SIGTERM');
    expect(child.ending).toBe('exit code 0');
    expect(child.output()).toContain('WORKED');
    expect(child.output()).toContain('ANSWER {"done":true}');
    expect(child.output()).not.toContain('work cut off');
  });

  it('names the call in what it logs of it, whether it went well or not', async () => {
    const child = await start();
    await printed(child, 'ANSWER');
    const [, sent] = /^ENVELOPE (.*)$/m.exec(child.output()) ?? [];
    const { account, command, correlation } = JSON.parse(sent ?? '') as Record<string, string>;
    const ids = { account, command, correlation, trace: correlation?.replaceAll('-', '') };
    const lines = (child.output().match(/^\{.*\}$/gm) ?? []).map((line) => JSON.parse(line) as object);
    expect(lines).toContainEqual(
      expect.objectContaining({ ...ids, msg: 'handled', subject: 'contacts.cmd.work', outcome: 'ok' }),
    );
    const failed = { ...ids, subject: 'contacts.cmd.fail' };
    expect(lines).toContainEqual(expect.objectContaining({ ...failed, msg: 'request failed' }));
    expect(lines).toContainEqual(expect.objectContaining({ ...failed, outcome: 'service:internal' }));
    expect(child.output()).not.toContain('Ada');
  });

  it('ends with code 0 after SIGTERM while it still waits for NATS', async () => {
    const child = await start({ NATS_URL: `nats://127.0.0.1:${await freePort()}`, LOG_LEVEL: 'debug' });
    await printed(child, 'http open');
    await child.kill('SIGTERM');
    expect(child.ending).toBe('exit code 0');
  });

  it('ends when its parent does', async () => {
    const parent = await Child.start({ file: 'sleep', args: ['600'] });
    children.push(parent);
    const child = await start({ MUSTER_PARENT_PID: `${parent.pid}` });
    await printed(child, '"ready"');
    await parent.kill();
    await child.ended();
    expect(child.ending).toBe('exit code 0');
  });

  it('says no values when something is thrown that nobody catches', async () => {
    const child = await start({ LOG_LEVEL: 'debug' });
    await child.ended();
    expect(child.ending).toBe('exit code 1');
    expect(child.output()).toContain('"crashed"');
    expect(child.output()).not.toContain('Ada');
  });

  it('ends with code 1 and names every wrong variable, never a value', async () => {
    const child = await start({ NATS_URL: 'Ada', MASTER_KEY: 'c2VjcmV0', MONGO_URL: '' });
    await child.ended();
    expect(child.ending).toBe('exit code 1');
    const line =
      'The configuration cannot be used: NATS_URL is wrong, MONGO_URL is missing, MASTER_KEY is wrong.';
    expect(child.output()).toBe(line);
  });
});
