import type { Variables } from './aggregate-expressions.js';
import { ObjectId } from 'bson';
import { type Document, isDocument } from './bson-types.js';
import type { CollectionWriter } from './collection-writer.js';
import type { Row } from './connection.js';
import { decode, encode } from './document-bytes.js';
import type { Engine } from './engine.js';
import { failedToParse } from './errors.js';
import { drain, type Pacer } from './pacer.js';
import { findPinned, PlannedQuery, type Query } from './query.js';
import { applyUpdate, isOperatorUpdate, seedUpsert, type Update } from './update.js';
import { applyWholeFields, type WholeFields } from './update-bytes.js';

/** One update statement. */
export interface UpdateRequest {
  filter: Document;
  update: Document | unknown[];
  /** The same update in a form that can be applied to bytes, where it has one. */
  whole?: WholeFields | undefined;
  multi: boolean;
  upsert: boolean;
  sort?: Document;
  arrayFilters?: readonly Document[];
  hint?: string | Document;
  let?: Variables;
}

/** What one delete statement asks for; a limit of 0 means all matches. */
export type DeleteRequest = Query & { limit: number };

/** What an update did; `before` and `after` are those of the last document it changed, unless `whole` was applied. */
export interface UpdateResult {
  matched: number;
  modified: number;
  before?: Document;
  after?: Document;
  upserted?: Document;
}

/**
 * Runs one update statement inside a write transaction. A single-document update answers at once; a multi-
 * document
 * one may give way to readers.
 */
export function updateMatching(
  engine: Engine,
  writer: CollectionWriter,
  request: UpdateRequest,
  now: Date,
  pacer: Pacer,
): UpdateResult | Promise<UpdateResult> {
  const quick = request.whole === undefined ? undefined : updateWhole(engine, writer, request, request.whole);
  if (quick !== undefined) return quick;
  const isReplacement = !Array.isArray(request.update) && !isOperatorUpdate(request.update as Update);
  if (request.multi && isReplacement && Object.keys(request.update).length > 0) {
    throw failedToParse('multi update is not supported for replacement-style update');
  }
  const result: UpdateResult = { matched: 0, modified: 0 };
  const query = { filter: request.filter, sort: request.sort, hint: request.hint, let: request.let };
  if (request.multi) return updateAll(engine, writer, request, query, result, now, pacer);
  const row = firstRow(engine, writer, query);
  if (row !== undefined) change(writer, request, row, result, now);
  else if (request.upsert) upsert(writer, request, isReplacement, result, now);
  return result;
}

/**
 * The update that services send by the thousand: whole fields of the one document of an `_id`, perhaps guarded by further
 * conditions.
 * @returns undefined for every other update; nothing was changed then
 */
function updateWhole(
  engine: Engine,
  writer: CollectionWriter,
  request: UpdateRequest,
  whole: WholeFields,
): UpdateResult | undefined {
  const { filter, hint, sort, multi } = request;
  if (multi || hint !== undefined || sort !== undefined) return undefined;
  if (request.arrayFilters !== undefined && request.arrayFilters.length > 0) return undefined;
  const pinned = findPinned(engine.store.writer, writer.collection, { filter, let: request.let });
  if (pinned === undefined) return undefined;
  const { row } = pinned;
  if (row === undefined)
    return request.upsert ? upsertWhole(writer, filter, whole) : { matched: 0, modified: 0 };
  const rewritten = applyWholeFields(row.raw, whole);
  if (rewritten === undefined) return undefined;
  if (rewritten.raw.equals(row.raw)) return { matched: 1, modified: 0 };
  writer.replaceBytes(row.n, row.raw, rewritten.raw, rewritten.changed);
  return { matched: 1, modified: 1 };
}

function upsertWhole(
  writer: CollectionWriter,
  filter: Document,
  whole: WholeFields,
): UpdateResult | undefined {
  const seed = seedUpsert(filter, { replacement: whole.replaces });
  if (Object.keys(seed).length !== 1 || !Object.hasOwn(seed, '_id')) return undefined;
  const rewritten = applyWholeFields(encode(seed), whole);
  if (rewritten === undefined) return undefined;
  writer.insert(rewritten.raw);
  return { matched: 0, modified: 0, upserted: seed };
}

async function updateAll(
  engine: Engine,
  writer: CollectionWriter,
  request: UpdateRequest,
  query: Query,
  result: UpdateResult,
  now: Date,
  pacer: Pacer,
): Promise<UpdateResult> {
  await forEachMatch(engine, writer, query, pacer, (row) => change(writer, request, row, result, now));
  if (result.matched === 0 && request.upsert) upsert(writer, request, false, result, now);
  return result;
}

function change(
  writer: CollectionWriter,
  request: UpdateRequest,
  row: Row,
  result: UpdateResult,
  now: Date,
): void {
  const before = decode(row.raw);
  const { arrayFilters } = request;
  const filter = usesPosition(request.update) ? request.filter : undefined;
  const options = { filter, arrayFilters, now, let: request.let };
  const { doc, changed } = applyUpdate(before, request.update as Update, options);
  if (changed) writer.replace(row.n, before, doc);
  result.matched++;
  if (changed) result.modified++;
  result.before = before;
  result.after = doc;
}

/**
 * Whether a path of an update names an array element by `$`, so that the filter has to be asked which one.
 */
function usesPosition(update: Document | unknown[]): boolean {
  if (Array.isArray(update)) return false;
  return Object.values(update).some(
    (fields) => isDocument(fields) && Object.keys(fields).some((path) => path.includes('.$')),
  );
}

function upsert(
  writer: CollectionWriter,
  request: UpdateRequest,
  replacement: boolean,
  result: UpdateResult,
  now: Date,
): void {
  const seed = seedUpsert(request.filter, { replacement });
  const { arrayFilters } = request;
  const { doc } = applyUpdate(seed, request.update as Update, {
    isInsert: true,
    arrayFilters,
    now,
    let: request.let,
  });
  const document = Object.hasOwn(doc, '_id') ? doc : { _id: new ObjectId(), ...doc };
  writer.insert(encode(document));
  result.upserted = document;
}

/**
 * Deletes the first match (a limit of 1) or all matches (0); tells how many, and which if it was asked for
 * one.
 */
export async function deleteMatching(
  engine: Engine,
  writer: CollectionWriter,
  query: DeleteRequest,
  pacer: Pacer,
): Promise<{ deleted: number; document?: Document }> {
  if (query.limit === 1) {
    const row = firstRow(engine, writer, query);
    if (row === undefined) return { deleted: 0 };
    const document = decode(row.raw);
    writer.remove(row.n, document);
    return { deleted: 1, document };
  }
  let deleted = 0;
  await forEachMatch(engine, writer, query, pacer, (row) => {
    writer.remove(row.n, writer.indexedFields(row.raw));
    deleted++;
  });
  return { deleted };
}

function firstRow(engine: Engine, writer: CollectionWriter, query: Query): Row | undefined {
  const planned = new PlannedQuery(engine.store.writer, writer.collection, { ...query, skip: 0, limit: 1 });
  for (const row of planned.rows()) if (row !== undefined) return row;
  return undefined;
}

/**
 * Visits every match. All matches are found before the first is changed, so that a document which moves
 * within the
 * index that is being read is not met again.
 */
async function forEachMatch(
  engine: Engine,
  writer: CollectionWriter,
  query: Query,
  pacer: Pacer,
  visit: (row: Row) => void,
): Promise<void> {
  const { writer: connection } = engine.store;
  const records: number[] = [];
  const planned = new PlannedQuery(connection, writer.collection, { ...query, skip: 0, limit: 0 });
  await drain(planned.rows(), pacer, ({ n }) => {
    records.push(n);
  });
  const { byRecord } = connection.table(writer.collection.id);
  let visited = 0;
  for (const n of records) {
    const raw = byRecord.get(n);
    if (raw !== undefined) visit({ n, raw });
    if (++visited % 16 === 0 && pacer.due) await pacer.pause();
  }
}
