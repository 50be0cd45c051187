import type Database from 'better-sqlite3';
import type { ProposedEvent } from './codec.js';
import { METADATA_OF_METADATA, NO_METADATA, type StreamMetadata, parseMetadata } from './metadata.js';
import { Names } from './names.js';
import { dataOf, eventIdOf, identifierField, isJsonOf, recordedBody } from './recorded.js';
import { NO_STREAM, TOMBSTONE_REVISION } from './revision.js';

/** One event as it lies in the log. */
export interface StoredEvent {
  /** Position in the log: 1, 2, 3 … without gaps. */
  pos: number;
  rev: number;
  /** Id of the event type in `Store.types`. */
  type: number;
  /** Milliseconds since 1970. */
  created: number;
  body: Buffer;
}

/** What the server knows of a stream. `last` is NO_STREAM without events, TOMBSTONE_REVISION for ever after. */
export interface StreamState {
  readonly id: number;
  readonly name: string;
  readonly category: number;
  readonly identifier: Buffer;
  last: number;
  hasMetadata: boolean;
  metadata: StreamMetadata;
}

interface StreamRow {
  id: number;
  name: string;
  has_metadata: number;
}

/** How many rows a page of reading may have, and how many bytes it may hold. */
export interface PageLimit {
  rows: number;
  bytes: number;
}

export const PAGE: PageLimit = { rows: 512, bytes: 1024 * 1024 };
/** Of each of two generations. */
const STREAMS_IN_MEMORY = 25_000;
const EVENT = 'pos, rev, type, created, body';

export const metadataStreamOf = (stream: string): string => `$$${stream}`;
export const isMetadataStream = (stream: string): boolean => stream.startsWith('$$');
export const originalStreamOf = (metadataStream: string): string => metadataStream.slice(2);

/** The category of a stream: its name up to the first dash, or '' without one. */
export const categoryOf = (stream: string): string => stream.slice(0, Math.max(0, stream.indexOf('-')));

/** Tables and stream states. Everything is synchronous, so a caller sees one consistent state per turn. */
export class Store {
  readonly categories: Names;
  readonly types: Names;
  /** States of the streams that were used last, in two generations: one used again moves on to the young one. */
  #young = new Map<string, StreamState>();
  #old = new Map<string, StreamState>();
  /** The name that was last looked for in vain: an append to a new stream asks for it several times. */
  #absent: string | undefined;
  readonly #sql;

  constructor(readonly db: Database.Database) {
    this.categories = new Names(db, 'categories');
    this.types = new Names(db, 'types');
    this.#sql = prepare(db);
  }

  /** Position of the newest event; 0 if there is none. */
  lastPosition(): number {
    return this.#sql.lastPosition.get() ?? 0;
  }

  /** The stream's state, or undefined if neither an event nor metadata was ever written. */
  find(name: string): StreamState | undefined {
    const young = this.#young.get(name);
    if (young || name === this.#absent) return young;
    const old = this.#old.get(name);
    if (old) return this.#remember(old);
    const row = this.#sql.streamByName.get(name);
    if (row) return this.#remember(this.#load(row));
    this.#absent = name;
    return undefined;
  }

  /** The stream's state; a stream that is not known yet gets a row. Call within a transaction. */
  findOrCreate(name: string): StreamState {
    const found = this.find(name);
    if (found) return found;
    this.#absent = undefined;
    const id = Number(this.#sql.insertStream.run(name).lastInsertRowid);
    return this.#remember({
      id,
      name,
      category: this.categories.idOf(categoryOf(name)),
      identifier: identifierField(name),
      last: NO_STREAM,
      hasMetadata: false,
      metadata: isMetadataStream(name) ? METADATA_OF_METADATA : NO_METADATA,
    });
  }

  /** Whether the stream, or the stream whose metadata it is, has been tombstoned. */
  isTombstoned(name: string): boolean {
    if (this.find(name)?.last === TOMBSTONE_REVISION) return true;
    return isMetadataStream(name) && this.isTombstoned(originalStreamOf(name));
  }

  /** Adds an event to the stream. Call within a transaction. */
  insert(stream: StreamState, event: ProposedEvent, at: InsertAt): StoredEvent {
    const stored: StoredEvent = {
      pos: at.pos,
      rev: at.rev,
      type: this.types.idOf(event.type),
      created: at.ms,
      body: recordedBody(stream.identifier, event.fields, at.createdField),
    };
    this.#sql.insertEvent.run(
      stored.pos,
      stream.id,
      stored.rev,
      stream.category,
      stored.type,
      stored.created,
      stored.body,
    );
    stream.last = at.rev;
    return stored;
  }

  /** Makes `data` the metadata of the stream. Call within a transaction. */
  setMetadata(stream: StreamState, metadata: StreamMetadata): void {
    if (!stream.hasMetadata) this.#sql.markMetadata.run(stream.id);
    stream.hasMetadata = true;
    if (!isMetadataStream(stream.name)) stream.metadata = metadata;
  }

  /** Forgets all states, after a transaction was rolled back. */
  forget(): void {
    this.#young.clear();
    this.#old.clear();
    this.#absent = undefined;
    this.categories.reload();
    this.types.reload();
  }

  /** Lowest revision that may still be read. */
  firstReadable(stream: StreamState): number {
    return Math.max(0, stream.metadata.truncateBefore, stream.last - stream.metadata.maxCount + 1);
  }

  /** Ids of `count` events of a stream from revision `from` on, lower case. */
  idsFrom(stream: StreamState, from: number, count: number): string[] {
    return this.#sql.streamForwards.all(stream.id, from, count).map((event) => eventIdOf(event.body));
  }

  /** One event by revision. */
  event(stream: StreamState, rev: number): StoredEvent | undefined {
    const [event] = this.#sql.streamForwards.all(stream.id, rev, 1);
    return event?.rev === rev ? event : undefined;
  }

  /** Events of a stream from revision `from` (inclusive) on, or back. */
  readStream(stream: StreamState, from: number, backwards: boolean, limit = PAGE): StoredEvent[] {
    const statement = backwards ? this.#sql.streamBackwards : this.#sql.streamForwards;
    return page(statement.iterate(stream.id, Math.min(from, TOMBSTONE_REVISION), limit.rows), limit);
  }

  /** Events of the log: forwards from `from` inclusive, backwards from `from` exclusive. */
  readAll(from: number, backwards: boolean, limit = PAGE): StoredEvent[] {
    const statement = backwards ? this.#sql.allBackwards : this.#sql.allForwards;
    return page(statement.iterate(Math.min(from, TOMBSTONE_REVISION), limit.rows), limit);
  }

  /** Events of one category with `from` <= position <= `to`, oldest first. */
  readCategory(category: number, from: number, to: number, limit: PageLimit): StoredEvent[] {
    return page(this.#sql.category.iterate(category, from, to, limit.rows), limit);
  }

  #load(row: StreamRow): StreamState {
    const { id, name } = row;
    const hasMetadata = row.has_metadata !== 0;
    return {
      id,
      name,
      category: this.categories.idOf(categoryOf(name)),
      identifier: identifierField(name),
      last: this.#sql.lastRevision.get(id) ?? NO_STREAM,
      hasMetadata,
      metadata: this.#loadMetadata(name, hasMetadata),
    };
  }

  #loadMetadata(name: string, hasMetadata: boolean): StreamMetadata {
    if (isMetadataStream(name)) return METADATA_OF_METADATA;
    const newest = hasMetadata ? this.newestMetadata(name) : undefined;
    return newest && isJsonOf(newest.body) ? parseMetadata(dataOf(newest.body)) : NO_METADATA;
  }

  /** The newest metadata event of a stream. */
  newestMetadata(name: string): StoredEvent | undefined {
    const stream = this.find(metadataStreamOf(name));
    return stream && this.event(stream, stream.last);
  }

  #remember(state: StreamState): StreamState {
    if (this.#young.size >= STREAMS_IN_MEMORY) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(state.name, state);
    return state;
  }
}

/** Where and when an event is inserted; `createdField` is the encoded form of `ms`. */
export interface InsertAt {
  pos: number;
  rev: number;
  ms: number;
  createdField: Buffer;
}

/** Takes rows until the page is full; at least one, however large. */
function page(rows: IterableIterator<StoredEvent>, limit: PageLimit): StoredEvent[] {
  const events: StoredEvent[] = [];
  let bytes = 0;
  for (const event of rows) {
    events.push(event);
    bytes += event.body.length;
    if (bytes >= limit.bytes) break;
  }
  return events;
}

function prepare(db: Database.Database) {
  return {
    lastPosition: db.prepare<[], number | null>('select max(pos) from events').pluck(),
    streamByName: db.prepare<[string], StreamRow>(
      'select id, name, has_metadata from streams where name = ?',
    ),
    insertStream: db.prepare<[string]>('insert into streams(name) values (?)'),
    markMetadata: db.prepare<[number]>('update streams set has_metadata = 1 where id = ?'),
    lastRevision: db.prepare<[number], number | null>('select max(rev) from events where sid = ?').pluck(),
    insertEvent: db.prepare<[number, number, number, number, number, number, Buffer]>(
      'insert into events(pos, sid, rev, category, type, created, body) values (?, ?, ?, ?, ?, ?, ?)',
    ),
    streamForwards: db.prepare<[number, number, number], StoredEvent>(
      `select ${EVENT} from events where sid = ? and rev >= ? order by rev limit ?`,
    ),
    streamBackwards: db.prepare<[number, number, number], StoredEvent>(
      `select ${EVENT} from events where sid = ? and rev <= ? order by rev desc limit ?`,
    ),
    allForwards: db.prepare<[number, number], StoredEvent>(
      `select ${EVENT} from events where pos >= ? order by pos limit ?`,
    ),
    allBackwards: db.prepare<[number, number], StoredEvent>(
      `select ${EVENT} from events where pos < ? order by pos desc limit ?`,
    ),
    category: db.prepare<[number, number, number, number], StoredEvent>(
      `select ${EVENT} from events where category = ? and pos >= ? and pos <= ? order by pos limit ?`,
    ),
  };
}
