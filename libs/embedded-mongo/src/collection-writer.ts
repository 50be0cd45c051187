import { encodeKey, identicalValues } from './bson-order.js';
import { type Document, describeValue } from './bson-types.js';
import type { Catalog, CollectionInfo } from './catalog.js';
import type { Connection, DocumentTable } from './connection.js';
import { encode, MAX_DOCUMENT_BYTES, withIdFirst } from './document-bytes.js';
import { type CommandError, duplicateKey, serverError } from './errors.js';
import { type Entries, entriesOf, keyValueOf } from './index-entries.js';
import type { IndexInfo } from './index-definition.js';
import { IndexedFields } from './indexed-fields.js';
import { checkId } from './update.js';
import type { Transaction } from './write-queue.js';

/**
 * Writes single documents together with their index entries. All keys are made and all unique indexes asked
 * before
 * the first change, so an operation that fails leaves nothing behind and a bulk can go on after it.
 */
export class CollectionWriter {
  private readonly documents: DocumentTable;
  private readonly fields: IndexedFields;
  /** What single indexes of the collection need, by which of them they are. */
  private readonly fieldsOf = new Map<string, IndexedFields>();

  constructor(
    private readonly catalog: Catalog,
    private readonly connection: Connection,
    private readonly transaction: Transaction,
    readonly collection: CollectionInfo,
  ) {
    this.documents = connection.table(collection.id);
    this.fields = new IndexedFields(collection.indexes);
  }

  /**
   * Stores a new document; `_id` is made when it has none and moves to the front.
   * @throws 11000 on a duplicate key, 53 on an `_id` that cannot be one, 10334 when it is too large
   */
  insert(bytes: Buffer): void {
    const raw = withIdFirst(bytes);
    checkSize(raw.length, 10334);
    const document = this.fields.of(raw);
    const id = document['_id'];
    checkId(id);
    const idKey = encodeKey(id);
    const { indexes } = this.collection;
    const entries = indexes.map((index) => entriesOf(index, document));
    indexes.forEach((index, i) => this.checkUnique(index, entries[i]!.keys, undefined, document, idKey));
    let n: number;
    try {
      n = Number(this.documents.insert.run(idKey, raw).lastInsertRowid);
    } catch (error) {
      if ((error as { code?: string }).code === 'SQLITE_CONSTRAINT_UNIQUE') throw this.duplicateId(id);
      throw error;
    }
    indexes.forEach((index, i) => this.addEntries(index, entries[i]!, n));
    this.transaction.counted(this.collection, 1);
  }

  /** Stores the new form of a document. `before` must hold at least the indexed fields of the stored form. */
  replace(n: number, before: Document, after: Document): void {
    const affected = this.collection.indexes.filter((index) => !sameFields(index, before, after));
    this.store(n, encode(after), affected, before, after);
  }

  /** Stores the new bytes of a document; the values of its other top-level fields are as they were. */
  replaceBytes(n: number, before: Buffer, after: Buffer, changed: ReadonlySet<string>): void {
    const affected = this.collection.indexes.filter(
      ({ needs }) => needs === undefined || meet(needs, changed),
    );
    const fields = this.fieldsFor(affected);
    const none = affected.length === 0;
    this.store(n, after, affected, none ? {} : fields.of(before), none ? {} : fields.of(after));
  }

  private fieldsFor(indexes: readonly IndexInfo[]): IndexedFields {
    const which = indexes.map(({ id }) => id).join();
    let fields = this.fieldsOf.get(which);
    if (fields === undefined) this.fieldsOf.set(which, (fields = new IndexedFields(indexes)));
    return fields;
  }

  private store(
    n: number,
    raw: Buffer,
    affected: readonly IndexInfo[],
    before: Document,
    after: Document,
  ): void {
    checkSize(raw.length, 17419);
    const changes = affected.map((index) => changesOf(entriesOf(index, before), entriesOf(index, after)));
    affected.forEach((index, i) => this.checkUnique(index, changes[i]!.added.keys, n, after, undefined));
    this.documents.replace.run(raw, n);
    affected.forEach((index, i) => {
      const { removed, added } = changes[i]!;
      if (removed.length > 0) this.removeEntries(index, removed, n);
      this.addEntries(index, added, n);
    });
  }

  /** Removes a document; `before` must hold at least its indexed fields. */
  remove(n: number, before: Document): void {
    for (const index of this.collection.indexes) {
      this.removeEntries(index, entriesOf(index, before).keys, n);
    }
    this.documents.remove.run(n);
    this.transaction.counted(this.collection, -1);
  }

  /** Adds the entries of one stored document to an index that is being built. */
  addToIndex(index: IndexInfo, n: number, raw: Buffer): void {
    const document = this.fieldsFor([index]).of(raw);
    const entries = entriesOf(index, document);
    this.checkUnique(index, entries.keys, n, document, undefined);
    this.addEntries(index, entries, n);
  }

  /** The stored fields that the indexes are made of, for `before` of replace and remove. */
  indexedFields(raw: Buffer): Document {
    return this.fields.of(raw);
  }

  private addEntries(index: IndexInfo, entries: Entries, n: number): void {
    if (entries.multikey !== 0) this.catalog.noteMultikey(index, entries.multikey, this.transaction);
    const { add } = this.connection.index(this.collection.id, index.id);
    for (const key of entries.keys) add.run(key, n);
  }

  private removeEntries(index: IndexInfo, keys: readonly Buffer[], n: number): void {
    const { remove } = this.connection.index(this.collection.id, index.id);
    for (const key of keys) remove.run(key, n);
  }

  private checkUnique(
    index: IndexInfo,
    keys: readonly Buffer[],
    own: number | undefined,
    document: Document,
    idKey: Buffer | undefined,
  ): void {
    if (!index.unique) return;
    const { first } = this.connection.index(this.collection.id, index.id);
    for (const key of keys) {
      const holder = first.get(key);
      if (holder === undefined || holder === own) continue;
      if (idKey !== undefined && this.documents.recordOf.get(idKey) !== undefined) {
        throw this.duplicateId(document['_id']);
      }
      const values = keyValueOf(index, document, key);
      throw duplicateKey(this.collection.ns, index.name, index.key, values, describeValue(values));
    }
  }

  private duplicateId(id: unknown): CommandError {
    const value = { _id: id };
    return duplicateKey(this.collection.ns, '_id_', { _id: 1 }, value, describeValue(value));
  }
}

/** Most updates leave most indexes alone; comparing a few fields is cheaper than making keys twice. */
function sameFields(index: IndexInfo, before: Document, after: Document): boolean {
  if (index.needs === undefined) return false;
  for (const name of index.needs) {
    const had = Object.hasOwn(before, name);
    if (had !== Object.hasOwn(after, name)) return false;
    if (had && !identicalValues(before[name], after[name])) return false;
  }
  return true;
}

function meet(needs: ReadonlySet<string>, changed: ReadonlySet<string>): boolean {
  for (const name of needs) if (changed.has(name)) return true;
  return false;
}

function changesOf(before: Entries, after: Entries): { removed: Buffer[]; added: Entries } {
  const [only] = before.keys;
  if (before.keys.length === 1 && after.keys.length === 1 && only!.equals(after.keys[0]!)) {
    return { removed: [], added: { keys: [], multikey: after.multikey } };
  }
  const old = new Set(before.keys.map((key) => key.toString('latin1')));
  const next = new Set(after.keys.map((key) => key.toString('latin1')));
  return {
    removed: before.keys.filter((key) => !next.has(key.toString('latin1'))),
    added: { keys: after.keys.filter((key) => !old.has(key.toString('latin1'))), multikey: after.multikey },
  };
}

function checkSize(size: number, code: number): void {
  if (size <= MAX_DOCUMENT_BYTES) return;
  if (code === 17419)
    throw serverError(code, `Resulting document after update is larger than ${MAX_DOCUMENT_BYTES}`);
  const hex = size.toString(16).toUpperCase();
  throw serverError(
    code,
    `BSONObj size: ${size} (0x${hex}) is invalid. Size must be between 0 and 16793600(16MB)`,
  );
}
