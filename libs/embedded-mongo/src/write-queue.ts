import type Database from 'better-sqlite3';
import type { CollectionInfo } from './catalog.js';
import type { Store } from './store.js';

/** How long commands of other connections may join a transaction before it is committed, in milliseconds. */
const GROUP_MS = 10;

/** What one write job leaves to be done when its transaction is durable, or when it is not. */
export class Transaction {
  private readonly committed: (() => void)[] = [];
  private readonly undone: (() => void)[] = [];
  private readonly counts = new Map<CollectionInfo, number>();

  /** Notes that a collection has gained (or lost) documents. */
  counted(collection: CollectionInfo, difference: number): void {
    this.counts.set(collection, (this.counts.get(collection) ?? 0) + difference);
  }

  /** Runs once the transaction is durable. */
  afterCommit(action: () => void): void {
    this.committed.push(action);
  }

  /** Runs when the job's changes were rolled back. */
  afterRollback(action: () => void): void {
    this.undone.push(action);
  }

  /** Called by the queue alone. */
  finish(durable: boolean): void {
    for (const action of durable ? this.committed : this.undone) action();
    if (!durable) return;
    for (const [collection, difference] of this.counts) {
      if (collection.count !== undefined) collection.count += difference;
    }
  }
}

interface Job {
  run(transaction: Transaction): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface Done {
  job: Job;
  transaction: Transaction;
  value: unknown;
}

/**
 * Runs write commands one after another. Commands that wait at the same time share one SQLite transaction,
 * so that
 * one flush to disk serves all of them; each is answered only when that transaction is durable. A command
 * that throws
 * is rolled back alone.
 */
export class WriteQueue {
  private readonly waiting: Job[] = [];
  private running: Promise<void> | undefined;
  private closed = false;
  private readonly statements: Record<'begin' | 'commit' | 'mark' | 'release', Database.Statement>;

  constructor(private readonly store: Store) {
    const { db } = store.writer;
    this.statements = {
      begin: db.prepare('BEGIN IMMEDIATE'),
      commit: db.prepare('COMMIT'),
      mark: db.prepare('SAVEPOINT job'),
      release: db.prepare('RELEASE job'),
    };
  }

  /** Runs a write and resolves with its result when it is durable. */
  submit<T>(run: (transaction: Transaction) => T | Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(new Error('the server is shutting down'));
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ run, resolve: resolve as (value: unknown) => void, reject });
      this.running ??= this.start();
    });
  }

  /** Waits for the writes that were submitted and takes no more. */
  async close(): Promise<void> {
    this.closed = true;
    while (this.running !== undefined) await this.running;
  }

  private async start(): Promise<void> {
    // One turn of the event loop lets every socket that has data hand in its command first.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.waiting.length > 0) await this.runGroup();
    this.running = undefined;
  }

  private async runGroup(): Promise<void> {
    const { db } = this.store.writer;
    const done: Done[] = [];
    try {
      this.statements.begin.run();
    } catch (error) {
      for (const job of this.waiting.splice(0)) job.reject(error);
      return;
    }
    try {
      const until = performance.now() + GROUP_MS;
      do {
        const job = this.waiting.shift()!;
        if (!(await this.runJob(job, done))) return;
      } while (this.waiting.length > 0 && performance.now() < until);
      this.statements.commit.run();
    } catch (error) {
      if (db.inTransaction) db.exec('ROLLBACK');
      for (const { job, transaction } of done.toReversed()) {
        transaction.finish(false);
        job.reject(error);
      }
      return;
    }
    for (const { job, transaction, value } of done) {
      transaction.finish(true);
      job.resolve(value);
    }
  }

  /**
   * Runs one job of a group. The first has the transaction to itself, so undoing it needs no savepoint, which would cost
   * a copy of every page that the job changes.
   * @returns false when the transaction was undone and there is nothing to commit
   * @throws when SQLite itself has undone the transaction, and with it the jobs that were done before
   */
  private async runJob(job: Job, done: Done[]): Promise<boolean> {
    const { db } = this.store.writer;
    const transaction = new Transaction();
    const alone = done.length === 0;
    if (!alone) this.statements.mark.run();
    try {
      let value = job.run(transaction);
      if (value instanceof Promise) value = await value;
      if (!alone) this.statements.release.run();
      done.push({ job, transaction, value });
      return true;
    } catch (error) {
      const open = db.inTransaction;
      if (open) db.exec(alone ? 'ROLLBACK' : 'ROLLBACK TO job; RELEASE job');
      transaction.finish(false);
      job.reject(error);
      if (!alone && !open) throw error;
      return !alone;
    }
  }
}
