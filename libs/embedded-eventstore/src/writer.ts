import type { ProposedEvent } from './codec.js';
import { checkCommit } from './commit-check.js';
import type { DurableLog } from './log.js';
import { NO_METADATA, parseMetadata, recreatedMetadata } from './metadata.js';
import { RecentEvents } from './recent-events.js';
import { createdField, dataOf, systemEvent } from './recorded.js';
import { NO_STREAM, SOFT_DELETED_JSON, TOMBSTONE_REVISION } from './revision.js';
import {
  type Store,
  type StoredEvent,
  type StreamState,
  isMetadataStream,
  metadataStreamOf,
  originalStreamOf,
} from './store.js';
import { Tail } from './tail.js';

/** The answer to a write. Nothing is written unless it is `done`. */
export type WriteResult =
  | { kind: 'done'; rev: number; pos: number }
  | { kind: 'wrong'; current: number }
  | { kind: 'deleted' }
  | { kind: 'timeout' }
  | { kind: 'failed'; message: string };

export interface WriteRequest {
  action: 'append' | 'delete' | 'tombstone';
  stream: string;
  expected: number;
  events: readonly ProposedEvent[];
  /** Milliseconds since 1970 after which it must not be written any more. */
  deadline?: number;
  /** Called exactly once, after the commit. */
  done: (result: WriteResult) => void;
}

const GROUP_EVENTS = 4096;
const GROUP_BYTES = 32 * 1024 * 1024;

/**
 * The only writer. A group of requests is committed as one transaction and made durable once; requests that arrive
 * meanwhile are the next group. Until a commit is durable nobody is told of it: not its writers, not subscribers,
 * and a read of a stream waits (`durable`).
 */
export class Writer {
  readonly tail: Tail;
  readonly #recent = new RecentEvents();
  readonly #queue: WriteRequest[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #transact;
  #scheduled = false;
  #syncing: Promise<void> | undefined;

  /** Without `log` a commit counts as durable at once. */
  constructor(
    readonly store: Store,
    private readonly log?: Pick<DurableLog, 'sync'>,
  ) {
    this.tail = new Tail(store.lastPosition());
    this.#transact = store.db.transaction((transaction: Transaction, group: readonly WriteRequest[]) =>
      group.map((request) => transaction.apply(request)),
    ).immediate;
  }

  /** Queues a write; its `done` is called in a later turn. */
  write(request: WriteRequest): void {
    this.#queue.push(request);
    this.#schedule();
  }

  /** Queues a write and waits for its answer. */
  request(request: Omit<WriteRequest, 'done'>): Promise<WriteResult> {
    return new Promise((done) => this.write({ ...request, done }));
  }

  /** A promise if the store holds a commit that is not durable yet; right after it, all of it is. */
  durable(): Promise<void> | undefined {
    return this.#syncing;
  }

  /** Calls `wake` once, after the next commit. Returns how to take that back. */
  onCommit(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }

  /** Commits everything that is queued, before the database is closed. */
  async flushAll(): Promise<void> {
    while (this.#syncing || this.#queue.length > 0) {
      if (!this.#syncing) this.#flush();
      await this.#syncing;
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#syncing || this.#queue.length === 0) return;
    this.#scheduled = true;
    // In the next turn, so that answers that are due leave before the commit takes its time.
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#syncing && this.#queue.length > 0) this.#flush();
    });
  }

  #takeGroup(): WriteRequest[] {
    let events = 0;
    let bytes = 0;
    let count = 0;
    for (const request of this.#queue) {
      events += request.events.length;
      for (const event of request.events) bytes += event.size;
      count++;
      if (events >= GROUP_EVENTS || bytes >= GROUP_BYTES) break;
    }
    return this.#queue.splice(0, count);
  }

  #flush(): void {
    const group = this.#takeGroup();
    const { results, written } = this.#commit(group);
    const settle = (): void => {
      this.#syncing = undefined;
      this.#settle(group, results, written);
      this.#schedule();
    };
    if (this.log && written.length > 0) this.#syncing = this.log.sync().then(settle);
    else settle();
  }

  /** Tells everybody of a commit. */
  #settle(
    group: readonly WriteRequest[],
    results: readonly WriteResult[],
    written: readonly StoredEvent[],
  ): void {
    this.tail.add(written);
    group.forEach((request, index) => request.done(results[index]!));
    if (written.length === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  #commit(group: readonly WriteRequest[]): { results: WriteResult[]; written: StoredEvent[] } {
    const transaction = new Transaction(this.store, this.#recent, this.tail.last, Date.now());
    try {
      const results = this.#transact(transaction, group);
      return { results, written: transaction.written };
    } catch (cause) {
      this.store.forget();
      this.#recent.clear();
      const message = cause instanceof Error ? cause.message : String(cause);
      return { results: group.map(() => ({ kind: 'failed', message })), written: [] };
    }
  }
}

/** One group of writes within one SQLite transaction. */
class Transaction {
  readonly written: StoredEvent[] = [];
  readonly #createdField: Buffer;

  constructor(
    private readonly store: Store,
    private readonly recent: RecentEvents,
    private readonly before: number,
    private readonly ms: number,
  ) {
    this.#createdField = createdField(ms);
  }

  apply(request: WriteRequest): WriteResult {
    const { store, recent } = this;
    if (request.deadline !== undefined && request.deadline <= this.ms) return { kind: 'timeout' };
    const ids =
      request.action === 'append' ? request.events.map((event) => event.id) : [`${request.action}: no id`];
    const check = checkCommit(store, recent, request.stream, request.expected, ids);
    switch (check.kind) {
      case 'repeated':
        return { kind: 'done', rev: check.last, pos: this.#positionOf(request.stream, check.last) };
      case 'ok':
        return this.#perform(request, check.endsSoftDelete);
      default:
        return check;
    }
  }

  #perform(request: WriteRequest, endsSoftDelete: boolean): WriteResult {
    if (request.action === 'delete') return this.#softDelete(request.stream);
    if (request.action === 'tombstone') return this.#tombstone(request.stream);
    return this.#append(request.stream, request.events, endsSoftDelete);
  }

  #append(name: string, events: readonly ProposedEvent[], endsSoftDelete: boolean): WriteResult {
    const { store } = this;
    if (events.length === 0) {
      return { kind: 'done', rev: store.find(name)?.last ?? NO_STREAM, pos: this.#last() };
    }
    const stream = store.findOrCreate(name);
    const before = stream.last;
    for (const event of events) this.#insert(stream, event, stream.last + 1);
    const done: WriteResult = { kind: 'done', rev: stream.last, pos: this.#last() };
    if (isMetadataStream(name)) this.#metadataWritten(originalStreamOf(name), events.at(-1)!);
    if (endsSoftDelete) this.#endSoftDelete(name, before + 1);
    return done;
  }

  /** Applies a metadata event to the stream it is about. Written to a soft deleted stream it revives the stream. */
  #metadataWritten(name: string, event: ProposedEvent): void {
    const stream = this.store.findOrCreate(name);
    const wasSoftDeleted = stream.metadata.softDeleted;
    this.store.setMetadata(stream, event.isJson ? parseMetadata(event.data) : NO_METADATA);
    if (wasSoftDeleted) this.#endSoftDelete(name, stream.last + 1);
  }

  #endSoftDelete(name: string, from: number): void {
    const newest = this.store.newestMetadata(name);
    const json = newest && recreatedMetadata(dataOf(newest.body), from);
    if (json !== undefined) this.#writeMetadata(name, json);
  }

  #softDelete(name: string): WriteResult {
    const { store } = this;
    const current = store.find(name)?.last ?? NO_STREAM;
    const metadataRevision = store.find(metadataStreamOf(name))?.last ?? NO_STREAM;
    if (current < 0 && metadataRevision < 0) return { kind: 'wrong', current: NO_STREAM };
    this.#writeMetadata(name, SOFT_DELETED_JSON);
    return { kind: 'done', rev: current, pos: this.#last() };
  }

  #writeMetadata(name: string, json: string): void {
    const event = systemEvent('$metadata', json);
    const stream = this.store.findOrCreate(metadataStreamOf(name));
    this.#insert(stream, event, stream.last + 1);
    this.store.setMetadata(this.store.findOrCreate(name), parseMetadata(event.data));
  }

  #tombstone(name: string): WriteResult {
    const stream = this.store.findOrCreate(name);
    this.#insert(stream, systemEvent('$streamDeleted', ''), TOMBSTONE_REVISION);
    return { kind: 'done', rev: TOMBSTONE_REVISION, pos: this.#last() };
  }

  #insert(stream: StreamState, event: ProposedEvent, rev: number): void {
    const at = { pos: this.#last() + 1, rev, ms: this.ms, createdField: this.#createdField };
    this.written.push(this.store.insert(stream, event, at));
    this.recent.add(event.id, stream.id, rev);
  }

  #positionOf(name: string, rev: number): number {
    const stream = this.store.find(name);
    return (stream && this.store.event(stream, rev)?.pos) ?? this.before;
  }

  #last(): number {
    return this.before + this.written.length;
  }
}
