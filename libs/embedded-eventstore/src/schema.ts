import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

/** `full` survives power loss; `normal` survives the end of the process only. */
export type Sync = 'full' | 'normal';

const SCHEMA_VERSION = 1;

/**
 * `events.pos` is dense: the n-th event of the log has position n. `rev` of a tombstone is the largest safe
 * integer. `category` is the stream name up to its first dash; its index serves filters by name prefix.
 */
const SCHEMA = `
  create table streams(
    id integer primary key, name text not null unique, has_metadata integer not null default 0);
  create table categories(id integer primary key, name text not null unique);
  create table types(id integer primary key, name text not null unique);
  create table events(
    pos integer primary key, sid integer not null, rev integer not null, category integer not null,
    type integer not null, created integer not null, body blob not null);
  create unique index events_of_stream on events(sid, rev);
  create index events_of_category on events(category, pos);
  pragma user_version = ${SCHEMA_VERSION};
`;

/** A second server was started on the same data. */
export class DataInUse extends Error {
  override readonly name = 'DataInUse';
  constructor(dataDir: string) {
    super(`Another server already serves the data in ${dataDir}. Stop it first, or use another directory.`);
  }
}

/**
 * Takes the data directory for this process. The lock is SQLite's lock on a file of its own: the kernel releases
 * it when the process dies in whatever way, so there is no stale lock to clean up.
 */
export function lockData(dataDir: string): Database.Database {
  mkdirSync(dataDir, { recursive: true });
  const lock = new Database(join(dataDir, 'lock'), { timeout: 0 });
  try {
    lock.exec('begin exclusive');
    return lock;
  } catch (cause) {
    lock.close();
    const busy = cause instanceof Database.SqliteError && cause.code.startsWith('SQLITE_BUSY');
    throw busy ? new DataInUse(dataDir) : cause;
  }
}

const FILE = 'events.db';
/** The write-ahead log of the data; it exists while the database is open. */
export const writeAheadLog = (dataDir: string): string => join(dataDir, `${FILE}-wal`);

/**
 * Opens `events.db` in the directory and creates its tables on first use. Commits are not made durable by the
 * database but by whoever commits; only its own consistency after power loss is (`synchronous = normal`).
 */
export function openDatabase(dataDir: string): Database.Database {
  const db = new Database(join(dataDir, FILE));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = normal');
  db.pragma('cache_size = -65536');
  db.pragma('mmap_size = 268435456');
  db.pragma('temp_store = memory');
  db.pragma('wal_autocheckpoint = 4000');
  const version = db.pragma('user_version', { simple: true });
  if (version === 0) db.transaction(() => db.exec(SCHEMA))();
  else if (version !== SCHEMA_VERSION) {
    db.close();
    throw new Error(
      `The data in ${dataDir} has format ${String(version)}; this server reads ${SCHEMA_VERSION}.`,
    );
  }
  return db;
}
