import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProposedEvent } from './codec.js';
import { systemEvent } from './recorded.js';
import { ANY } from './revision.js';
import { openDatabase } from './schema.js';
import { Store } from './store.js';
import { type WriteResult, Writer } from './writer.js';

/** A disk that makes durable only when told to. */
class HeldDisk {
  readonly #held: (() => void)[] = [];
  syncs = 0;

  sync(): Promise<void> {
    this.syncs++;
    return new Promise((resolve) => this.#held.push(resolve));
  }

  async release(): Promise<void> {
    this.#held.shift()!();
    await nextTurn();
    await nextTurn();
  }
}

let dir: string;
let disk: HeldDisk;
let store: Store;
let writer: Writer;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'embedded-eventstore-'));
  disk = new HeldDisk();
  store = new Store(openDatabase(dir));
  writer = new Writer(store, disk);
});
afterEach(async () => {
  store.db.close();
  await rm(dir, { recursive: true });
});

const event = (): ProposedEvent => systemEvent('$User', `"${randomUUID()}"`);
const append = (results: WriteResult[], stream = 'one-1', events = [event()], deadline?: number) =>
  writer.write({
    action: 'append',
    stream,
    expected: ANY,
    events,
    deadline,
    done: (result) => results.push(result),
  });
const turns = async (): Promise<void> => {
  await nextTurn();
  await nextTurn();
};

describe('a group of writes', () => {
  it('is told to nobody before it is on the disk', async () => {
    const results: WriteResult[] = [];
    let woken = 0;
    writer.onCommit(() => woken++);
    append(results);
    await turns();
    expect(store.find('one-1')?.last).toBe(0);
    expect([results.length, woken, writer.tail.last, disk.syncs]).toEqual([0, 0, 0, 1]);
    const durable = writer.durable();
    expect(durable).toBeInstanceOf(Promise);
    await disk.release();
    await durable;
    expect(results).toEqual([{ kind: 'done', rev: 0, pos: 1 }]);
    expect([woken, writer.tail.last, writer.durable()]).toEqual([1, 1, undefined]);
  });

  it('gathers while the one before waits for the disk, and waits itself only once', async () => {
    const results: WriteResult[] = [];
    append(results);
    await turns();
    for (let n = 0; n < 50; n++) append(results, `other-${n}`);
    await turns();
    expect(store.lastPosition()).toBe(1);
    await disk.release();
    expect([results.length, store.lastPosition(), disk.syncs]).toEqual([1, 51, 2]);
    await disk.release();
    expect(results.map((result) => result.kind === 'done' && result.pos)).toEqual(
      Array.from({ length: 51 }, (_, n) => n + 1),
    );
  });

  it('needs no disk if nothing was written', async () => {
    const results: WriteResult[] = [];
    append(results, 'one-1', [event()], Date.now() - 1);
    writer.write({
      action: 'delete',
      stream: 'none-1',
      expected: ANY,
      events: [],
      done: (r) => results.push(r),
    });
    await turns();
    expect(results).toEqual([{ kind: 'timeout' }, { kind: 'wrong', current: -1 }]);
    expect([disk.syncs, store.lastPosition()]).toEqual([0, 0]);
  });

  it('fails as a whole when the database refuses, and leaves no trace', async () => {
    const results: WriteResult[] = [];
    append(results, 'kept-1');
    await turns();
    await disk.release();
    store.db.exec(
      `create trigger refuse before insert on events when new.rev = 2 begin select raise(abort, 'full'); end`,
    );
    append(results, 'lost-1');
    append(results, 'lost-2', [event(), event(), event()]);
    await turns();
    expect(results.slice(1)).toEqual([
      { kind: 'failed', message: 'full' },
      { kind: 'failed', message: 'full' },
    ]);
    expect([store.find('lost-1'), store.lastPosition(), writer.tail.last]).toEqual([undefined, 1, 1]);
    store.db.exec('drop trigger refuse');
    append(results, 'lost-2', [event()]);
    await turns();
    await disk.release();
    expect(results.at(-1)).toEqual({ kind: 'done', rev: 0, pos: 2 });
    expect(store.readAll(1, false).map(({ pos }) => pos)).toEqual([1, 2]);
  });
});
