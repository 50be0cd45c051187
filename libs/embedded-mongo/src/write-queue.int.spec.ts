import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Db, MongoClient } from './contract-targets.js';
import { Engine } from './engine.js';
import { type RunningServer, startServer } from './server.js';

describe('the write queue', () => {
  let engine: Engine;

  beforeEach(() => {
    engine = new Engine({ dataDir: ':memory:', sync: 'normal' });
    engine.store.writer.db.exec('CREATE TABLE noted (x INTEGER)');
  });
  afterEach(() => engine.close());

  const note = (x: number) => engine.store.writer.db.prepare('INSERT INTO noted VALUES (?)').run(x);
  const noted = () => engine.store.reader.db.prepare<[], number>('SELECT x FROM noted').pluck().all();

  it('rolls back a command that throws, alone among those that share its transaction', async () => {
    const failing = async (): Promise<void> => {
      note(2);
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error('on purpose');
    };
    const all = await Promise.allSettled([
      engine.writes.submit(() => note(1)),
      engine.writes.submit(failing),
      engine.writes.submit(() => note(3)),
    ]);
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(noted()).toEqual([1, 3]);
  });

  it('rolls back a command that throws first, and runs those that waited behind it', async () => {
    const failing = async (): Promise<void> => {
      note(1);
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error('on purpose');
    };
    const all = await Promise.allSettled([
      engine.writes.submit(failing),
      engine.writes.submit(() => note(2)),
      engine.writes.submit(failing),
      engine.writes.submit(() => note(3)),
    ]);
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
    expect(noted()).toEqual([2, 3]);
  });

  it('fails every command of a transaction that SQLite has undone, and goes on with the next', async () => {
    const { db } = engine.store.writer;
    const undone = (): void => {
      db.exec('ROLLBACK');
      throw new Error('disk full');
    };
    const all = await Promise.allSettled([
      engine.writes.submit(() => note(1)),
      engine.writes.submit(undone),
      engine.writes.submit(() => note(3)),
    ]);
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect(noted()).toEqual([3]);
  });

  it('shows readers nothing of a command before it answers', async () => {
    let before: number[] | undefined;
    await engine.writes.submit(async () => {
      note(1);
      await new Promise((resolve) => setImmediate(resolve));
      before = noted();
    });
    expect(before).toEqual([]);
    expect(noted()).toEqual([1]);
  });

  it('forgets a collection whose creation was rolled back, and makes it again', async () => {
    const failing = engine.writes.submit((transaction) => {
      engine.catalog.ensure('d.c', transaction);
      throw new Error('on purpose');
    });
    await expect(failing).rejects.toThrow('on purpose');
    expect(engine.catalog.findForWrite('d.c')).toBeUndefined();
    await engine.writes.submit((transaction) => void engine.catalog.ensure('d.c', transaction));
    expect(engine.catalog.find('d.c')?.ns).toBe('d.c');
  });
});

describe('readers beside a long write', () => {
  const DOCUMENTS = 8000;
  let server: RunningServer;
  let client: InstanceType<typeof MongoClient>;
  let db: Db;

  beforeEach(async () => {
    server = await startServer({ dataDir: ':memory:', port: 0, sync: 'normal' });
    client = await new MongoClient(`mongodb://127.0.0.1:${server.port}`).connect();
    db = client.db('d');
  });
  afterEach(async () => {
    await client.close();
    await server.close();
  });

  it('are answered while it runs and see all of it or nothing', async () => {
    const rows = db.collection<{ _id: number; v: number }>('rows');
    await rows.createIndex({ v: 1 });
    await rows.insertMany(Array.from({ length: DOCUMENTS }, (_, i) => ({ _id: i, v: 0 })));
    let running = true;
    const update = rows.updateMany({}, { $set: { v: 1 } }).finally(() => (running = false));
    const counts = new Set<number>();
    let readsBeside = 0;
    const read = async (): Promise<void> => {
      counts.add(await rows.countDocuments({ v: 1 }));
      if (!running) return;
      readsBeside += 1;
      await read();
    };
    await read();
    expect((await update).modifiedCount).toBe(DOCUMENTS);
    counts.add(await rows.countDocuments({ v: 1 }));
    expect([...counts].sort((a, b) => a - b)).toEqual([0, DOCUMENTS]);
    expect(readsBeside, 'reads that were answered while the update ran').toBeGreaterThan(1);
  });
});
