import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Connection } from './connection.js';

/** `full`: an acknowledged write survives a power cut. `normal`: it survives the end of the process only. */
export type SyncMode = 'full' | 'normal';

export interface StoreOptions {
  /** The folder of the database, or `:memory:` for a temporary one that goes away with the server. */
  dataDir: string;
  sync: SyncMode;
}

/** Thrown when another process (or another server in this one) has the data folder open. */
export class DataFolderInUse extends Error {
  constructor(folder: string) {
    super(`the data folder is in use by another server: ${folder}`);
  }
}

const schema = `
  CREATE TABLE IF NOT EXISTS collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT, ns TEXT NOT NULL UNIQUE, uuid BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS indexes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL, definition BLOB NOT NULL,
    multikey INTEGER NOT NULL DEFAULT 0);
`;

/**
 * The files of one server: a writing and a reading SQLite connection over one database in WAL mode. Reads
 * go through
 * their own connection so that they see whole commands only, also while a long write gives way to them.
 */
export class Store {
  readonly writer: Connection;
  readonly reader: Connection;
  private readonly lock: Database.Database;
  private readonly temporary: string | undefined;

  constructor(options: StoreOptions) {
    this.temporary =
      options.dataDir === ':memory:' ? mkdtempSync(join(tmpdir(), 'embedded-mongo-')) : undefined;
    const folder = this.temporary ?? options.dataDir;
    mkdirSync(folder, { recursive: true });
    this.lock = takeLock(folder);
    const file = join(folder, 'data.db');
    const db = new Database(file);
    // Documents of 1 to 2 KB fill pages of 4 KB badly. Takes effect where the file is new.
    db.pragma('page_size = 8192');
    db.pragma('journal_mode = WAL');
    const durable = options.sync === 'full' && this.temporary === undefined;
    db.pragma(`synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
    db.pragma('wal_autocheckpoint = 4000');
    db.pragma('cache_size = -131072');
    db.exec(schema);
    const readOnly = new Database(file, { readonly: true });
    readOnly.pragma('cache_size = -65536');
    for (const each of [db, readOnly]) each.pragma(`mmap_size = ${8 * 1024 ** 3}`);
    this.writer = new Connection(db);
    this.reader = new Connection(readOnly);
  }

  /** Closes the files and gives the folder free. */
  close(): void {
    this.reader.db.close();
    this.writer.db.close();
    this.lock.close();
    if (this.temporary !== undefined) rmSync(this.temporary, { recursive: true, force: true });
  }
}

/**
 * Holds the folder by an open exclusive transaction on a file of its own: the operating system lets go of
 * it when the
 * process ends in whatever way, which a file with a process id in it cannot promise.
 */
function takeLock(folder: string): Database.Database {
  const lock = new Database(join(folder, 'lock.db'), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if ((error as { code?: string }).code?.startsWith('SQLITE_BUSY')) throw new DataFolderInUse(folder);
    throw error;
  }
}
