import Database from 'better-sqlite3';

/** A document with its record id. Record ids grow, so their order is the natural order of a collection. */
export interface Row {
  n: number;
  raw: Buffer;
}

/** An index entry joined with its document. */
export interface EntryRow extends Row {
  key: Buffer;
}

type Statement<P extends unknown[], R = unknown> = Database.Statement<P, R>;

/** Greater than every key: no key begins with sixteen 0xff bytes. */
export const AFTER_ALL_KEYS = Buffer.alloc(16, 0xff);
export const BEFORE_ALL_KEYS = Buffer.alloc(0);

/** The statements of one collection's document table on one connection. */
export class DocumentTable {
  readonly byId: Statement<[Buffer], [number, Buffer]>;
  readonly byRecord: Statement<[number], Buffer>;
  readonly recordOf: Statement<[Buffer], number>;
  readonly insert: Statement<[Buffer, Buffer]>;
  readonly replace: Statement<[Buffer, number]>;
  readonly remove: Statement<[number]>;
  readonly count: Statement<[], number>;
  private readonly ascending: Statement<[number, number], [number, Buffer]>;
  private readonly descending: Statement<[number, number], [number, Buffer]>;

  constructor(db: Database.Database, collectionId: number) {
    const table = `d${collectionId}`;
    this.byId = db.prepare<[Buffer], [number, Buffer]>(`SELECT n, b FROM ${table} WHERE id = ?`).raw();
    this.byRecord = db.prepare<[number], Buffer>(`SELECT b FROM ${table} WHERE n = ?`).pluck();
    this.recordOf = db.prepare<[Buffer], number>(`SELECT n FROM ${table} WHERE id = ?`).pluck();
    this.insert = db.prepare(`INSERT INTO ${table} (id, b) VALUES (?, ?)`);
    this.replace = db.prepare(`UPDATE ${table} SET b = ? WHERE n = ?`);
    this.remove = db.prepare(`DELETE FROM ${table} WHERE n = ?`);
    this.count = db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck();
    const page = (condition: string, order: string) =>
      db
        .prepare<[number, number], [number, Buffer]>(
          `SELECT n, b FROM ${table} WHERE n ${condition} ? ORDER BY n ${order} LIMIT ?`,
        )
        .raw();
    this.ascending = page('>', 'ASC');
    this.descending = page('<', 'DESC');
  }

  /**
   * Up to `limit` rows after (or, in reverse, before) a record id; undefined starts at the end that comes
   * first.
   */
  page(after: number | undefined, reverse: boolean, limit: number): [number, Buffer][] {
    return reverse
      ? this.descending.all(after ?? Number.MAX_SAFE_INTEGER, limit)
      : this.ascending.all(after ?? -1, limit);
  }
}

/** Where a range scan goes on: the last entry it has seen. */
export interface Position {
  key: Buffer;
  n: number;
}

/** A half-open range of keys, `from <= key < to`. */
export interface KeyRange {
  from: Buffer;
  to: Buffer;
}

/**
 * Reads over one ordered set of (key, record id) pairs: an index table, or the `_id` column of the
 * documents.
 */
export class EntryTable {
  readonly first: Statement<[Buffer], number>;
  private readonly forward: Statement<[Buffer, number, Buffer, number], [Buffer, number, Buffer]>;
  private readonly backward: Statement<[Buffer, number, Buffer, number], [Buffer, number, Buffer]>;
  private readonly capped: Statement<[Buffer, Buffer, number], number>;
  private readonly rest: Statement<[Buffer, number, Buffer], number>;
  private readonly nth: Statement<[Buffer, number, Buffer, number], [Buffer, number]>;

  constructor(db: Database.Database, collectionId: number, indexId: number | undefined) {
    const documents = `d${collectionId}`;
    const own = indexId !== undefined;
    const table = own ? `i${indexId}` : documents;
    const key = own ? 'k' : 'id';
    const joined = own ? `${table} e CROSS JOIN ${documents} d ON d.n = e.n` : `${table} e`;
    const columns = own ? 'e.k, e.n, d.b' : 'e.id, e.n, e.b';
    const scan = (after: string, inside: string, order: string) => {
      const by = own ? `e.k ${order}, e.n ${order}` : `e.id ${order}`;
      const sql = `SELECT ${columns} FROM ${joined} WHERE ${after} AND ${inside} ORDER BY ${by} LIMIT ?`;
      return db.prepare<[Buffer, number, Buffer, number], [Buffer, number, Buffer]>(sql).raw();
    };
    this.forward = scan(own ? '(e.k, e.n) > (?, ?)' : 'e.id >= ? AND e.n <> ?', `e.${key} < ?`, 'ASC');
    this.backward = scan(own ? '(e.k, e.n) < (?, ?)' : 'e.id < ? AND e.n <> ?', `e.${key} >= ?`, 'DESC');
    const rest = `SELECT count(*) FROM ${table} WHERE (${key}, n) > (?, ?) AND ${key} < ?`;
    this.rest = db.prepare<[Buffer, number, Buffer], number>(rest).pluck();
    const range = `SELECT 1 FROM ${table} WHERE ${key} >= ? AND ${key} < ? LIMIT ?`;
    this.capped = db.prepare<[Buffer, Buffer, number], number>(`SELECT count(*) FROM (${range})`).pluck();
    const nth = `SELECT ${key}, n FROM ${table} WHERE (${key}, n) > (?, ?) AND ${key} < ?
      ORDER BY ${key}, n LIMIT 1 OFFSET ?`;
    this.nth = db.prepare<[Buffer, number, Buffer, number], [Buffer, number]>(nth).raw();
    this.first = db.prepare<[Buffer], number>(`SELECT n FROM ${table} WHERE ${key} = ? LIMIT 1`).pluck();
  }

  /** Up to `limit` entries of a range with their documents, going on after `position`. */
  page(range: KeyRange, position: Position | undefined, reverse: boolean, limit: number): EntryRow[] {
    const rows = reverse
      ? this.backward.all(position?.key ?? range.to, position?.n ?? -1, range.from, limit)
      : this.forward.all(position?.key ?? range.from, position?.n ?? -1, range.to, limit);
    return rows.map(([key, n, raw]) => ({ key, n, raw }));
  }

  /** How many entries a range holds, but counting no further than `cap`. */
  countUpTo(range: KeyRange, cap: number): number {
    return this.capped.get(range.from, range.to, cap) ?? 0;
  }

  /** How many entries of a range come after a position. */
  countAfter(range: KeyRange, position: Position | undefined): number {
    return this.rest.get(position?.key ?? range.from, position?.n ?? -1, range.to) ?? 0;
  }

  /** The entry that comes `offset + 1` entries after a position; undefined when the range ends before it. */
  skipTo(range: KeyRange, position: Position | undefined, offset: number): Position | undefined {
    const row = this.nth.get(position?.key ?? range.from, position?.n ?? -1, range.to, offset);
    return row === undefined ? undefined : { key: row[0], n: row[1] };
  }
}

/** The table of one secondary index, with the statements that keep it. */
export class IndexTable extends EntryTable {
  readonly add: Statement<[Buffer, number]>;
  readonly remove: Statement<[Buffer, number]>;

  constructor(db: Database.Database, collectionId: number, indexId: number) {
    super(db, collectionId, indexId);
    this.add = db.prepare(`INSERT INTO i${indexId} (k, n) VALUES (?, ?)`);
    this.remove = db.prepare(`DELETE FROM i${indexId} WHERE k = ? AND n = ?`);
  }
}

/** One SQLite connection with its prepared statements. The server has one that writes and one that reads. */
export class Connection {
  private readonly documents = new Map<number, DocumentTable>();
  private readonly ids = new Map<number, EntryTable>();
  private readonly indexes = new Map<number, IndexTable>();

  constructor(readonly db: Database.Database) {}

  /** The document table of a collection. */
  table(collectionId: number): DocumentTable {
    let table = this.documents.get(collectionId);
    if (table === undefined)
      this.documents.set(collectionId, (table = new DocumentTable(this.db, collectionId)));
    return table;
  }

  /** The entries of the built-in index on `_id`. */
  idIndex(collectionId: number): EntryTable {
    let table = this.ids.get(collectionId);
    if (table === undefined) {
      this.ids.set(collectionId, (table = new EntryTable(this.db, collectionId, undefined)));
    }
    return table;
  }

  /** The entries of a secondary index. */
  index(collectionId: number, indexId: number): IndexTable {
    let table = this.indexes.get(indexId);
    if (table === undefined) {
      this.indexes.set(indexId, (table = new IndexTable(this.db, collectionId, indexId)));
    }
    return table;
  }

  /** Forgets the statements of a dropped collection or index; ids are never used again. */
  forget(collectionId: number, indexIds: readonly number[]): void {
    this.documents.delete(collectionId);
    this.ids.delete(collectionId);
    for (const id of indexIds) this.indexes.delete(id);
  }
}
