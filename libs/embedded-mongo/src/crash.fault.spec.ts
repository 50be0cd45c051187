import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Server, startMongo } from '@muster/testing/servers';
import { eventually } from '@muster/testing/eventually';
import { describe, expect, it } from 'vitest';
import { MongoClient } from './contract-targets.js';
import { decode } from './document-bytes.js';
import { Engine } from './engine.js';
import { entriesOf } from './index-entries.js';
import { DataFolderInUse, startServer } from './server.js';

const main = join(import.meta.dirname, '../dist/main.js');
const BATCH = 500;
const ROUNDS = 4;

interface Row {
  _id: string;
  round: number;
  batch: number;
  key: string;
  tags: string[];
}

interface Outcome {
  acknowledged: number;
  /** What the client saw of the bulk that was on the wire when the server was killed. */
  failure: string;
}

/** Writes one bulk after another until the server is killed. */
async function writeUntilKilled(server: Server, round: number, killAfter: number): Promise<Outcome> {
  const client = new MongoClient(server.url, { serverSelectionTimeoutMS: 2000, retryWrites: false });
  const rows = (await client.connect()).db('crash').collection<Row>('rows');
  await rows.createIndexes([{ key: { key: 1 }, unique: true }, { key: { tags: 1, batch: -1 } }]);
  let acknowledged = 0;
  for (;;) {
    const batch = acknowledged;
    const operations = Array.from({ length: BATCH }, (_, i) => {
      const _id = `r${round}b${batch}i${i}`;
      const fields = { round, batch, key: `k${_id}`, tags: [`t${i % 7}`, `u${i % 3}`] };
      return { updateOne: { filter: { _id }, update: { $set: fields }, upsert: true } };
    });
    const write = rows.bulkWrite(operations, { ordered: batch % 2 === 0 });
    // The bulk is on the wire when the server goes down; how far it has come differs from round to round.
    if (acknowledged === killAfter) setTimeout(() => void server.kill('SIGKILL'), round * 7);
    const failure = await write.then(
      () => undefined,
      (error: unknown) => String(error),
    );
    if (failure === undefined) {
      acknowledged += 1;
      continue;
    }
    await server.kill();
    await client.close(true);
    return { acknowledged, failure };
  }
}

/**
 * What a folder holds, read without the server: documents of each bulk, and whether every index agrees with
 * them.
 */
async function inspect(dir: string): Promise<Map<string, number>> {
  const engine = new Engine({ dataDir: dir, sync: 'full' });
  try {
    const collection = engine.catalog.find('crash.rows')!;
    const rows = engine.store.reader.table(collection.id).page(undefined, false, 10_000_000);
    const perBatch = new Map<string, number>();
    const all = { from: Buffer.alloc(0), to: Buffer.alloc(16, 0xff) };
    for (const [, raw] of rows) {
      const { round, batch } = decode(raw) as unknown as Row;
      const name = `${round}/${batch}`;
      perBatch.set(name, (perBatch.get(name) ?? 0) + 1);
    }
    for (const index of collection.indexes) {
      const stored = engine.store.reader
        .index(collection.id, index.id)
        .page(all, undefined, false, 100_000_000);
      const wanted = rows.flatMap(([n, raw]) =>
        entriesOf(index, decode(raw)).keys.map((key) => `${key.toString('hex')} ${n}`),
      );
      expect(stored.map(({ key, n }) => `${key.toString('hex')} ${n}`).sort()).toEqual(wanted.sort());
    }
    return perBatch;
  } finally {
    await engine.close();
  }
}

describe('kill -9 in the middle of bulk writes', () => {
  it('loses no acknowledged bulk, tears none, and leaves indexes that agree with the documents', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'embedded-mongo-crash-'));
    const acknowledged = new Map<number, number>();
    try {
      for (let round = 1; round <= ROUNDS; round++) {
        const server = await startMongo(dir);
        const outcome = await writeUntilKilled(server, round, 2 + round);
        expect(outcome.failure).toMatch(/connection .* closed|ECONNRESET|EPIPE/);
        acknowledged.set(round, outcome.acknowledged);
        const perBatch = await inspect(dir);
        for (const [each, batches] of acknowledged) {
          expect(batches, 'bulks were acknowledged before the kill').toBeGreaterThan(2);
          for (let batch = 0; batch < batches; batch++) expect(perBatch.get(`${each}/${batch}`)).toBe(BATCH);
          const inFlight = perBatch.get(`${each}/${batches}`) ?? 0;
          expect([0, BATCH], 'the bulk in flight is there whole or not at all').toContain(inFlight);
        }
      }
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});

describe('the server process', () => {
  it('keeps its data over a restart', async () => {
    const server = await startMongo();
    const client = await new MongoClient(server.url).connect();
    await client.db('d').collection('c').insertOne({ a: 1 });
    await client.close();
    await server.restart();
    const again = await new MongoClient(server.url).connect();
    expect(await again.db('d').collection('c').countDocuments({ a: 1 })).toBe(1);
    await again.close();
    await server.stop();
  });

  it('refuses a folder that another server has', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'embedded-mongo-lock-'));
    const first = await startServer({ dataDir: dir, port: 0 });
    await expect(startServer({ dataDir: dir, port: 0 })).rejects.toThrow(DataFolderInUse);
    await expect(startMongo(dir)).rejects.toThrow(/in use by another server/);
    await first.close();
    const second = await startServer({ dataDir: dir, port: 0 });
    await second.close();
    await rm(dir, { recursive: true, force: true });
  });

  it('ends with code 0 on SIGTERM', async () => {
    const child = spawn(process.execPath, [main, '--data', ':memory:', '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it.each([
    ['that holds a pipe to it', 'pipe'],
    ['that holds none', 'ignore'],
  ])('ends when a parent %s is killed', async (_title, stdin) => {
    const script = `
      const { spawn } = require('node:child_process');
      const child = spawn(process.execPath, ${JSON.stringify([main, '--data', ':memory:', '--port', '0'])},
        { stdio: ['${stdin}', 'pipe', 'inherit'] });
      child.stdout.once('data', () => process.stdout.write(String(child.pid)));
      setInterval(() => undefined, 1000);`;
    const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = Number(
      await new Promise((resolve) => parent.stdout.once('data', (chunk) => resolve(String(chunk)))),
    );
    expect(isRunning(pid)).toBe(true);
    parent.kill('SIGKILL');
    await eventually(() => !isRunning(pid), 20_000);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
