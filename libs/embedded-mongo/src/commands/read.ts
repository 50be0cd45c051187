import { Long } from 'bson';
import { compareValues, encodeKey } from '../bson-order.js';
import { type Document } from '../bson-types.js';
import { takeBatch } from '../cursors.js';
import { cursorReply } from '../cursor-reply.js';
import { decode, encode } from '../document-bytes.js';
import { badValue, notSupported, serverError } from '../errors.js';
import { compileFilter } from '../match.js';
import { drain, Pacer, type Paced } from '../pacer.js';
import { valuesAtPath } from '../path.js';
import { compileByteProjection } from '../project-bytes.js';
import { compileProjection } from '../project.js';
import { PlannedQuery, type Query } from '../query.js';
import type { Row } from '../connection.js';
import type { Reply } from '../wire.js';
import {
  checkFields,
  type CommandContext,
  cursorId,
  fieldsOf,
  type Handler,
  maxTimeOf,
  namespaceOf,
  ok,
} from './context.js';

/** How many documents the first batch of a query has when the client does not say. */
const DEFAULT_BATCH = 101;

/** Answers with the first batch of results and keeps the rest under a cursor. */
export async function openCursor(
  context: CommandContext,
  ns: string,
  results: Paced<Buffer>,
  batchSize: number | undefined,
  single: boolean,
): Promise<Reply> {
  const pacer = new Pacer(maxTimeOf(context));
  const { documents, next } = await takeBatch(results, undefined, batchSize ?? DEFAULT_BATCH, pacer);
  const id = next === undefined || single ? Long.ZERO : context.engine.cursors.add(ns, results, next).id;
  return cursorReply('firstBatch', documents, id, ns);
}

/** Results that are decoded documents, as bytes. */
export function* encoded(documents: Iterable<Document | undefined>): Paced<Buffer> {
  for (const document of documents) yield document === undefined ? undefined : encode(document);
}

const findFields = [
  'filter',
  'sort',
  'projection',
  'hint',
  'skip',
  'limit',
  'batchSize',
  'singleBatch',
  'allowDiskUse',
  'allowPartialResults',
  'noCursorTimeout',
  'collation',
  'let',
  'min',
  'max',
  'returnKey',
  'showRecordId',
  'tailable',
  'awaitData',
  'oplogReplay',
];

/** The query that a find command describes. */
export function queryOf(context: CommandContext): Query {
  const fields = fieldsOf(context);
  fields.refuseCollation();
  fields.refuse('min', 'max', 'returnKey', 'showRecordId', 'awaitData');
  if (fields.flag('tailable')) {
    throw badValue(
      `error processing query: ns=${namespaceOf(context)} planner returned error :: caused by :: ` +
        'tailable cursor requested on non capped collection',
    );
  }
  return {
    filter: fields.object('filter') ?? {},
    sort: fields.object('sort'),
    skip: fields.count('skip'),
    limit: fields.count('limit'),
    hint: fields.hint(),
    let: fields.variables(),
  };
}

/** find */
export const find: Handler = (context) => {
  checkFields(context, findFields);
  const ns = namespaceOf(context);
  const fields = fieldsOf(context);
  const query = queryOf(context);
  const projection = fields.object('projection');
  const project =
    projection === undefined || Object.keys(projection).length === 0
      ? undefined
      : byteProjection(projection, query);
  const { catalog, store } = context.engine;
  const collection = catalog.find(ns);
  const batchSize = fields.count('batchSize');
  const single = fields.flag('singleBatch');
  if (collection === undefined) {
    compileFilter(query.filter, { let: query.let });
    return openCursor(context, ns, encoded([]), batchSize, single);
  }
  const rows = new PlannedQuery(store.reader, collection, query).rows();
  return openCursor(context, ns, output(rows, project), batchSize, single);
};

/** Checks a projection and gives the quickest way to apply it. */
function byteProjection(projection: Document, query: Query): (raw: Buffer) => Buffer {
  const project = compileProjection(projection, query.filter, query.let ?? {});
  return compileByteProjection(projection) ?? ((raw) => encode(project(decode(raw))));
}

function* output(rows: Paced<Row>, project: ((raw: Buffer) => Buffer) | undefined): Paced<Buffer> {
  for (const row of rows) {
    if (row === undefined) yield undefined;
    else yield project === undefined ? row.raw : project(row.raw);
  }
}

/** getMore */
export const getMore: Handler = async (context) => {
  checkFields(context, ['collection', 'batchSize', 'term', 'lastKnownCommittedOpTime']);
  const fields = fieldsOf(context);
  const id = cursorId(context.command[context.name]);
  const ns = `${context.database}.${fields.string('collection') ?? ''}`;
  const { cursors } = context.engine;
  const size = fields.count('batchSize') ?? 0;
  const cursor = cursors.acquire(id, ns);
  try {
    const pacer = new Pacer(maxTimeOf(context));
    const { documents, next } = await takeBatch(
      cursor.results,
      cursor.held,
      size === 0 ? Infinity : size,
      pacer,
    );
    cursors.release(cursor, next);
    return cursorReply('nextBatch', documents, next === undefined ? Long.ZERO : id, ns);
  } catch (error) {
    cursors.release(cursor, undefined);
    throw error;
  }
};

/** killCursors */
export const killCursors: Handler = (context) => {
  checkFields(context, ['cursors']);
  const killed: Long[] = [];
  const unknown: Long[] = [];
  for (const value of fieldsOf(context).array('cursors') ?? []) {
    const id = cursorId(value);
    (context.engine.cursors.kill(id) ? killed : unknown).push(id);
  }
  return ok({ cursorsKilled: killed, cursorsNotFound: unknown, cursorsAlive: [], cursorsUnknown: [] });
};

/** count */
export const count: Handler = async (context) => {
  checkFields(context, ['query', 'limit', 'skip', 'hint', 'collation', 'fields']);
  const fields = fieldsOf(context);
  fields.refuseCollation();
  const limit = Math.abs(Number(fields.get('limit') ?? 0));
  const query: Query = {
    filter: fields.object('query') ?? {},
    skip: fields.count('skip'),
    limit,
    hint: fields.hint(),
  };
  return ok({ n: await countMatching(context, namespaceOf(context), query) });
};

/** How many documents of a collection match, within the skip and limit of the query. */
export async function countMatching(context: CommandContext, ns: string, query: Query): Promise<number> {
  const { catalog, store } = context.engine;
  const collection = catalog.find(ns);
  if (collection === undefined) return 0;
  const bare = Object.keys(query.filter).length === 0 && query.hint === undefined;
  if (bare) {
    collection.count ??= store.reader.table(collection.id).count.get() ?? 0;
    const rest = Math.max(0, collection.count - (query.skip ?? 0));
    return query.limit ? Math.min(rest, query.limit) : rest;
  }
  let counted = 0;
  const planned = new PlannedQuery(store.reader, collection, query);
  await drain(planned.count(), new Pacer(maxTimeOf(context)), (n) => {
    counted = n;
  });
  return counted;
}

/** distinct */
export const distinct: Handler = async (context) => {
  checkFields(context, ['key', 'query', 'collation', 'hint']);
  const fields = fieldsOf(context);
  fields.refuseCollation();
  const key = fields.string('key');
  if (key === undefined)
    throw serverError(40414, "BSON field 'distinct.key' is missing but a required field");
  if (key.startsWith('$')) throw notSupported(`distinct on ${key}`);
  const { catalog, store } = context.engine;
  const collection = catalog.find(namespaceOf(context));
  const query: Query = { filter: fields.object('query') ?? {}, hint: fields.hint() };
  if (collection === undefined) {
    compileFilter(query.filter);
    return ok({ values: [] });
  }
  const found = new Map<string, unknown>();
  const planned = new PlannedQuery(store.reader, collection, query);
  await drain(planned.rows(), new Pacer(maxTimeOf(context)), ({ raw }) => {
    for (const value of distinctValues(decode(raw), key)) {
      const name = encodeKey(value).toString('latin1');
      if (!found.has(name)) found.set(name, value);
    }
  });
  return ok({ values: [...found.values()].sort(compareValues) });
};

/**
 * The values that distinct counts: array elements one by one, an array itself never, a missing field not at
 * all.
 */
function distinctValues(document: Document, key: string): unknown[] {
  const all = valuesAtPath(document, key);
  const arrays = new Set(all.filter((value) => Array.isArray(value)).flat() as unknown[]);
  return all.filter((value) => value !== undefined && (!Array.isArray(value) || arrays.has(value)));
}
