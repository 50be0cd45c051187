import type { CollectionInfo } from './catalog.js';
import type { Connection, EntryTable, KeyRange, Position, Row } from './connection.js';
import { CommandError } from './errors.js';
import type { IndexInfo } from './index-definition.js';
import type { Paced } from './pacer.js';

/** How the documents that may match are reached. */
export type Access =
  | { kind: 'nothing' }
  | { kind: 'collection'; reverse: boolean }
  | { kind: 'ids'; keys: readonly Buffer[] }
  | {
      kind: 'index';
      index: IndexInfo | undefined;
      ranges: readonly KeyRange[];
      reverse: boolean;
      repeats: boolean;
    }
  | { kind: 'union'; branches: readonly Access[] };

/** What a scan has looked at so far, for explain. */
export interface ScanStats {
  keysExamined: number;
  docsExamined: number;
}

const FIRST_PAGE = 64;
const LARGEST_PAGE = 256;

/**
 * The documents an access path leads to, each once, in the order of the path. Pages are read whole, so no
 * statement
 * stays open while the sequence rests: a cursor may keep it for minutes. `want` is how many rows will
 * probably do.
 */
export function* candidates(
  connection: Connection,
  collection: CollectionInfo,
  access: Access,
  stats: ScanStats,
  want: number,
): Paced<Row> {
  switch (access.kind) {
    case 'nothing':
      return;
    case 'collection':
      yield* naturalScan(connection, collection, access.reverse, stats, want);
      return;
    case 'ids':
      yield* idLookups(connection, collection, access.keys, stats);
      return;
    case 'index':
      yield* indexScan(connection, collection, access, stats, want);
      return;
    case 'union':
      yield* unionScan(connection, collection, access.branches, stats);
  }
}

const firstPage = (want: number): number => Math.max(1, Math.min(want, FIRST_PAGE));

function checkAlive(collection: CollectionInfo, index?: IndexInfo): void {
  if (collection.dropped) throw new CommandError(175, 'QueryPlanKilled', 'collection dropped');
  if (index?.dropped) throw new CommandError(175, 'QueryPlanKilled', `index '${index.name}' dropped`);
}

function* naturalScan(
  connection: Connection,
  collection: CollectionInfo,
  reverse: boolean,
  stats: ScanStats,
  want: number,
): Paced<Row> {
  let after: number | undefined;
  let size = firstPage(want);
  for (;;) {
    checkAlive(collection);
    const rows = connection.table(collection.id).page(after, reverse, size);
    for (const [n, raw] of rows) {
      stats.docsExamined++;
      yield { n, raw };
    }
    if (rows.length < size) return;
    after = rows.at(-1)![0];
    size = Math.min(size * 2, LARGEST_PAGE);
    yield undefined;
  }
}

function* idLookups(
  connection: Connection,
  collection: CollectionInfo,
  keys: readonly Buffer[],
  stats: ScanStats,
): Paced<Row> {
  let since = 0;
  for (const key of keys) {
    if (++since % 128 === 0) {
      yield undefined;
      checkAlive(collection);
    }
    stats.keysExamined++;
    const row = connection.table(collection.id).byId.get(key);
    if (row === undefined) continue;
    stats.docsExamined++;
    yield { n: row[0], raw: row[1] };
  }
}

function* indexScan(
  connection: Connection,
  collection: CollectionInfo,
  access: Access & { kind: 'index' },
  stats: ScanStats,
  want: number,
): Paced<Row> {
  const { index, reverse } = access;
  const seen = access.repeats ? new Set<number>() : undefined;
  const ranges = reverse ? access.ranges.toReversed() : access.ranges;
  let size = firstPage(want);
  for (const range of ranges) {
    let position: Position | undefined;
    for (;;) {
      checkAlive(collection, index);
      const rows = entryTable(connection, collection, index).page(range, position, reverse, size);
      stats.keysExamined += rows.length;
      for (const row of rows) {
        if (seen?.has(row.n)) continue;
        seen?.add(row.n);
        stats.docsExamined++;
        yield row;
      }
      yield undefined;
      if (rows.length < size) break;
      position = rows.at(-1)!;
      size = Math.min(size * 2, LARGEST_PAGE);
    }
  }
}

/** The entries of a secondary index or, without one, of `_id`. */
export function entryTable(
  connection: Connection,
  collection: CollectionInfo,
  index?: IndexInfo,
): EntryTable {
  return index === undefined ? connection.idIndex(collection.id) : connection.index(collection.id, index.id);
}

function* unionScan(
  connection: Connection,
  collection: CollectionInfo,
  branches: readonly Access[],
  stats: ScanStats,
): Paced<Row> {
  const seen = new Set<number>();
  for (const branch of branches) {
    for (const row of candidates(connection, collection, branch, stats, FIRST_PAGE)) {
      if (row !== undefined) {
        if (seen.has(row.n)) continue;
        seen.add(row.n);
      }
      yield row;
    }
  }
}

const COUNT_STEP = 20_000;

/** Counts the entries of key ranges without touching documents. */
export function* countEntries(
  connection: Connection,
  collection: CollectionInfo,
  access: Access & { kind: 'index' },
  stats: ScanStats,
): Paced<number> {
  for (const range of access.ranges) {
    let position: Position | undefined;
    for (;;) {
      checkAlive(collection, access.index);
      const table = entryTable(connection, collection, access.index);
      const next = table.skipTo(range, position, COUNT_STEP - 1);
      const counted = next === undefined ? table.countAfter(range, position) : COUNT_STEP;
      stats.keysExamined += counted;
      yield counted;
      if (next === undefined) break;
      yield undefined;
      position = next;
    }
  }
}
