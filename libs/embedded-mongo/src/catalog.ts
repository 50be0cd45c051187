import { randomBytes } from 'node:crypto';
import { type Document } from './bson-types.js';
import { decode, encode } from './document-bytes.js';
import { indexNotFound, serverError } from './errors.js';
import { IndexInfo } from './index-definition.js';
import type { Store } from './store.js';
import type { Transaction } from './write-queue.js';

/** A collection with its secondary indexes; the index on `_id` is part of the document table. */
export class CollectionInfo {
  readonly indexes: IndexInfo[] = [];
  /** Readers see a collection only once its creation is durable. */
  ready = true;
  dropped = false;
  /** The number of documents, once somebody has asked for it. */
  count: number | undefined;

  constructor(
    readonly id: number,
    readonly ns: string,
    readonly uuid: Buffer,
  ) {}

  get database(): string {
    return this.ns.slice(0, this.ns.indexOf('.'));
  }

  get name(): string {
    return this.ns.slice(this.ns.indexOf('.') + 1);
  }
}

/** What listIndexes shows for the index that every collection has. */
export const idIndexDefinition: Document = { v: 2, key: { _id: 1 }, name: '_id_' };

/** Collections and indexes by name, in memory and in the tables they are loaded from. */
export class Catalog {
  private readonly byNamespace = new Map<string, CollectionInfo>();

  constructor(private readonly store: Store) {
    const { db } = store.writer;
    const rows = db.prepare<[], { id: number; ns: string; uuid: Buffer }>(
      'SELECT id, ns, uuid FROM collections',
    );
    const byId = new Map<number, CollectionInfo>();
    for (const row of rows.all()) {
      const collection = new CollectionInfo(row.id, row.ns, row.uuid);
      byId.set(row.id, collection);
      this.byNamespace.set(row.ns, collection);
    }
    const indexes = db.prepare<[], { id: number; collection: number; definition: Buffer; multikey: number }>(
      'SELECT id, collection, definition, multikey FROM indexes ORDER BY id',
    );
    for (const row of indexes.all()) {
      const index = new IndexInfo(row.id, decode(row.definition), row.multikey);
      byId.get(row.collection)?.indexes.push(index);
    }
  }

  /** A collection as readers may see it. */
  find(ns: string): CollectionInfo | undefined {
    const collection = this.byNamespace.get(ns);
    return collection?.ready ? collection : undefined;
  }

  /** A collection as the write queue sees it, durable or not. */
  findForWrite(ns: string): CollectionInfo | undefined {
    return this.byNamespace.get(ns);
  }

  /** The collections that readers may see, in the order of their names. */
  list(): CollectionInfo[] {
    const all = [...this.byNamespace.values()].filter((collection) => collection.ready);
    return all.sort((a, b) => (a.ns < b.ns ? -1 : 1));
  }

  /** Makes a collection. Its name must have been checked. */
  create(ns: string, transaction: Transaction): CollectionInfo {
    const { db } = this.store.writer;
    const uuid = randomBytes(16);
    uuid[6] = (uuid[6]! & 0x0f) | 0x40;
    uuid[8] = (uuid[8]! & 0x3f) | 0x80;
    const added = db.prepare('INSERT INTO collections (ns, uuid) VALUES (?, ?)').run(ns, uuid);
    const id = Number(added.lastInsertRowid);
    db.exec(`CREATE TABLE d${id} (n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, b BLOB NOT NULL)`);
    const collection = new CollectionInfo(id, ns, uuid);
    collection.ready = false;
    this.byNamespace.set(ns, collection);
    transaction.afterCommit(() => (collection.ready = true));
    transaction.afterRollback(() => this.byNamespace.delete(ns));
    return collection;
  }

  /** The collection of that name, made when there is none, as the first write to a name does. */
  ensure(ns: string, transaction: Transaction): CollectionInfo {
    return this.byNamespace.get(ns) ?? this.create(checkedNamespace(ns), transaction);
  }

  /** Drops a collection with its documents and indexes. */
  drop(collection: CollectionInfo, transaction: Transaction): void {
    const { db } = this.store.writer;
    db.prepare('DELETE FROM indexes WHERE collection = ?').run(collection.id);
    db.prepare('DELETE FROM collections WHERE id = ?').run(collection.id);
    const ids = collection.indexes.map((index) => index.id);
    for (const connection of [this.store.writer, this.store.reader]) connection.forget(collection.id, ids);
    for (const id of ids) db.exec(`DROP TABLE i${id}`);
    db.exec(`DROP TABLE d${collection.id}`);
    this.byNamespace.delete(collection.ns);
    collection.dropped = true;
    for (const index of collection.indexes) index.dropped = true;
    transaction.afterRollback(() => {
      this.byNamespace.set(collection.ns, collection);
      collection.dropped = false;
      for (const index of collection.indexes) index.dropped = false;
    });
  }

  /** Registers an index with an empty table; the caller fills it. */
  addIndex(collection: CollectionInfo, definition: Document, transaction: Transaction): IndexInfo {
    const { db } = this.store.writer;
    const insert = db.prepare('INSERT INTO indexes (collection, definition) VALUES (?, ?)');
    const id = Number(insert.run(collection.id, encode(definition)).lastInsertRowid);
    db.exec(`CREATE TABLE i${id} (k BLOB NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (k, n)) WITHOUT ROWID`);
    const index = new IndexInfo(id, definition, 0);
    index.ready = false;
    collection.indexes.push(index);
    transaction.afterCommit(() => (index.ready = true));
    transaction.afterRollback(() => {
      index.dropped = true;
      collection.indexes.splice(collection.indexes.indexOf(index), 1);
    });
    return index;
  }

  /** Drops an index. */
  dropIndex(collection: CollectionInfo, index: IndexInfo, transaction: Transaction): void {
    const at = collection.indexes.indexOf(index);
    if (at < 0) throw indexNotFound(`index not found with name [${index.name}]`);
    const { db } = this.store.writer;
    db.prepare('DELETE FROM indexes WHERE id = ?').run(index.id);
    for (const connection of [this.store.writer, this.store.reader])
      connection.forget(collection.id, [index.id]);
    db.exec(`DROP TABLE i${index.id}`);
    collection.indexes.splice(at, 1);
    index.dropped = true;
    transaction.afterRollback(() => {
      collection.indexes.splice(at, 0, index);
      index.dropped = false;
    });
  }

  /** Writes down that arrays have run through fields of an index, before an entry that shows it is stored. */
  noteMultikey(index: IndexInfo, bits: number, transaction: Transaction): void {
    if ((bits & ~index.storedMultikey) === 0) return;
    const before = index.storedMultikey;
    index.multikey |= bits;
    index.storedMultikey = index.multikey;
    this.store.writer.db
      .prepare('UPDATE indexes SET multikey = ? WHERE id = ?')
      .run(index.multikey, index.id);
    transaction.afterRollback(() => (index.storedMultikey = before));
  }
}

/**
 * Checks a namespace `database.collection` as MongoDB does on creation.
 * @throws code 73 for names that MongoDB refuses
 */
export function checkedNamespace(ns: string): string {
  const dot = ns.indexOf('.');
  const database = ns.slice(0, dot);
  const name = ns.slice(dot + 1);
  const badDatabase = dot < 1 || database.length > 63 || /[/\\. "$\0]/.test(database);
  if (badDatabase || name === '' || /[$\0]/.test(name) || name.startsWith('.') || name.endsWith('.')) {
    throw serverError(73, `Invalid namespace specified '${ns}'`);
  }
  if (name.startsWith('system.')) throw serverError(73, `Invalid system namespace: ${ns}`);
  if (Buffer.byteLength(ns) > 255)
    throw serverError(73, `Fully qualified namespace is too long. Namespace: ${ns}`);
  return ns;
}
