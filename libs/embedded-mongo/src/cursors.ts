import { randomBytes } from 'node:crypto';
import { Long } from 'bson';
import { CommandError, cursorNotFound } from './errors.js';
import { Pacer, type Paced } from './pacer.js';

/** How long a cursor is kept that nobody reads, in milliseconds (cursorTimeoutMillis of the real server). */
const IDLE_MS = 10 * 60_000;
/** How many bytes of documents one reply carries at most. */
const BATCH_BYTES = 15 * 1024 * 1024;

/** A query that has more results than were sent. */
export interface Cursor {
  readonly id: Long;
  readonly ns: string;
  readonly results: Paced<Buffer>;
  /** A result that was read but did not fit into the last batch. */
  held: Buffer | undefined;
  lastUsed: number;
  busy: boolean;
}

/** One batch of a reply. */
export interface Batch {
  documents: Buffer[];
  /** A result that has to wait for the next batch; undefined when the query has no more. */
  next: Buffer | undefined;
}

/** Takes up to `size` results, and one more to learn whether there is one. */
export async function takeBatch(
  results: Paced<Buffer>,
  held: Buffer | undefined,
  size: number,
  pacer: Pacer,
): Promise<Batch> {
  const documents: Buffer[] = [];
  let bytes = 0;
  let sinceCheck = 0;
  let next = held;
  for (;;) {
    if (next !== undefined) {
      if (documents.length >= size || (documents.length > 0 && bytes + next.length > BATCH_BYTES)) break;
      documents.push(next);
      bytes += next.length;
      next = undefined;
    }
    const step = results.next();
    if (step.done) break;
    next = step.value;
    if ((next === undefined || ++sinceCheck % 32 === 0) && pacer.due) await pacer.pause();
  }
  return { documents, next };
}

/** The open cursors of a server. */
export class Cursors {
  private readonly open = new Map<string, Cursor>();
  private readonly sweeper: NodeJS.Timeout;

  constructor() {
    this.sweeper = setInterval(() => this.sweep(), 60_000);
    this.sweeper.unref();
  }

  /** Keeps the rest of a query's results under a new id. */
  add(ns: string, results: Paced<Buffer>, held: Buffer): Cursor {
    const bytes = randomBytes(8);
    const id = Long.fromBits(bytes.readInt32LE(0), bytes.readInt32LE(4) & 0x7fffffff);
    const cursor: Cursor = { id, ns, results, held, lastUsed: Date.now(), busy: false };
    this.open.set(id.toString(), cursor);
    return cursor;
  }

  /**
   * Marks a cursor as in use and returns it.
   * @throws code 43 when there is no such cursor, 13 when it belongs to another collection
   */
  acquire(id: Long, ns: string): Cursor {
    const cursor = this.open.get(id.toString());
    if (cursor === undefined) throw cursorNotFound(id.toString());
    if (cursor.ns !== ns) {
      const message = `Requested getMore on namespace '${ns}', but cursor belongs to a different namespace ${cursor.ns}`;
      throw new CommandError(13, 'Unauthorized', message);
    }
    if (cursor.busy)
      throw new CommandError(12050, 'CursorInUse', `cursor id ${id.toString()} is already in use`);
    cursor.busy = true;
    return cursor;
  }

  /** Puts a cursor back, or forgets it when `held` says that there is nothing left. */
  release(cursor: Cursor, held: Buffer | undefined): void {
    cursor.busy = false;
    cursor.held = held;
    cursor.lastUsed = Date.now();
    if (held === undefined) this.open.delete(cursor.id.toString());
  }

  /** Forgets a cursor; false when there was none. */
  kill(id: Long): boolean {
    return this.open.delete(id.toString());
  }

  get size(): number {
    return this.open.size;
  }

  close(): void {
    clearInterval(this.sweeper);
    this.open.clear();
  }

  private sweep(): void {
    const oldest = Date.now() - IDLE_MS;
    for (const [id, cursor] of this.open) {
      if (!cursor.busy && cursor.lastUsed < oldest) this.open.delete(id);
    }
  }
}
