import { runPipeline } from '../aggregate.js';
import type { Variables } from '../aggregate-expressions.js';
import { type Document, isDocument } from '../bson-types.js';
import type { CollectionInfo } from '../catalog.js';
import { decode } from '../document-bytes.js';
import { CommandError, failedToParse, notSupported, serverError, typeMismatch } from '../errors.js';
import { compileFilter } from '../match.js';
import { drain, Pacer } from '../pacer.js';
import { PlannedQuery, type Query } from '../query.js';
import {
  checkFields,
  type CommandContext,
  Fields,
  fieldsOf,
  type Handler,
  maxTimeOf,
  namespaceOf,
} from './context.js';
import { countMatching, encoded, openCursor } from './read.js';

const knownFields = [
  'pipeline',
  'cursor',
  'allowDiskUse',
  'hint',
  'let',
  'collation',
  'bypassDocumentValidation',
  'explain',
  'needsMerge',
  'fromMongos',
];

/** The stages at the front of a pipeline that the storage can answer, and the rest. */
export interface Pushdown {
  query: Query;
  rest: readonly Document[];
}

/** The stages of a pipeline, checked for shape. */
export function stagesOf(context: CommandContext): Document[] {
  const pipeline = fieldsOf(context).array('pipeline');
  if (pipeline === undefined) {
    throw serverError(40414, "BSON field 'aggregate.pipeline' is missing but a required field");
  }
  return pipeline.map((stage) => {
    if (!isDocument(stage)) throw typeMismatch("Each element of the 'pipeline' array must be an object");
    if (Object.keys(stage).length !== 1) {
      throw serverError(40323, 'A pipeline stage specification object must contain exactly one field.');
    }
    return stage;
  });
}

/** Splits off leading `$match`, `$sort`, `$skip` and `$limit`, in that order, as one query. */
export function pushDown(
  stages: readonly Document[],
  hint: string | Document | undefined,
  variables?: Variables,
): Pushdown {
  const query: Query = { filter: {}, hint, let: variables };
  let at = 0;
  const filters: Document[] = [];
  while (isDocument(stages[at]?.['$match'])) filters.push(stages[at++]!['$match'] as Document);
  if (filters.length === 1) query.filter = filters[0]!;
  else if (filters.length > 1) query.filter = { $and: filters };
  const sort = stages[at]?.['$sort'];
  if (isDocument(sort) && Object.keys(sort).length > 0 && !Object.hasOwn(sort, '$natural')) {
    query.sort = sort;
    at++;
  }
  const skip = wholeNumber(stages[at]?.['$skip']);
  if (skip !== undefined) {
    query.skip = skip;
    at++;
  }
  const limit = wholeNumber(stages[at]?.['$limit']);
  if (limit !== undefined && limit > 0) {
    query.limit = limit;
    at++;
  }
  return { query, rest: stages.slice(at) };
}

function wholeNumber(value: unknown): number | undefined {
  const number = typeof value === 'object' && value !== null ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/**
 * `$group` that only counts, as the drivers' countDocuments sends it, or `$count`. Returns how to show the
 * count.
 */
function countingOf(rest: readonly Document[]): ((n: number) => Document) | undefined {
  if (rest.length !== 1) return undefined;
  const counted = rest[0]!['$count'];
  if (typeof counted === 'string' && /^[^$.\0]+$/.test(counted)) return (n) => ({ [counted]: n });
  const group = rest[0]!['$group'];
  if (!isDocument(group)) return undefined;
  const [id, field, ...others] = Object.keys(group);
  const key = group['_id'];
  const constant = key === null || typeof key === 'number';
  if (id !== '_id' || field === undefined || others.length > 0 || !constant) return undefined;
  const sum = group[field];
  if (!isDocument(sum) || Object.keys(sum).length !== 1 || sum['$sum'] !== 1) return undefined;
  return (n) => ({ _id: key, [field]: n });
}

function refuseStages(stages: readonly Document[]): void {
  if (stages[0] !== undefined && Object.hasOwn(stages[0], '$changeStream')) {
    throw new CommandError(
      40573,
      'Location40573',
      'The $changeStream stage is only supported on replica sets',
    );
  }
}

/** aggregate */
export const aggregate: Handler = async (context) => {
  checkFields(context, knownFields);
  const fields = fieldsOf(context);
  fields.refuseCollation();
  if (fields.flag('explain')) throw notSupported('aggregate with explain: true; send the explain command');
  const stages = stagesOf(context);
  refuseStages(stages);
  const cursor = fields.object('cursor');
  if (cursor === undefined) {
    throw failedToParse("The 'cursor' option is required, except for aggregate with the explain argument");
  }
  const batchSize = new Fields(cursor, 'aggregate.cursor').count('batchSize');
  if (context.command[context.name] === 1) throw notSupported('a pipeline on a database');
  const ns = namespaceOf(context);
  const variables = fields.variables();
  const { query, rest } = pushDown(stages, fields.hint(), variables);
  const asCount = countingOf(rest);
  if (asCount !== undefined && query.sort === undefined) {
    compileFilter(query.filter, { let: variables });
    const n = await countMatching(context, ns, query);
    return openCursor(context, ns, encoded(n === 0 ? [] : [asCount(n)]), batchSize, false);
  }
  const { catalog } = context.engine;
  const collection = catalog.find(ns);
  if (rest.length === 0 && collection !== undefined) {
    const rows = new PlannedQuery(context.engine.store.reader, collection, query).rows();
    return openCursor(context, ns, rawOf(rows), batchSize, false);
  }
  const source = collection === undefined ? [] : await collect(context, collection, query);
  const lookup = (name: string, filter?: Document): Iterable<Document> => lookUp(context, name, filter);
  const results = runPipeline(rest, source, { lookup, let: { NOW: new Date(), ...variables } });
  return openCursor(context, ns, encoded(results), batchSize, false);
};

function* rawOf(rows: Iterable<{ raw: Buffer } | undefined>): Generator<Buffer | undefined, void, undefined> {
  for (const row of rows) yield row?.raw;
}

async function collect(
  context: CommandContext,
  collection: CollectionInfo,
  query: Query,
): Promise<Document[]> {
  const documents: Document[] = [];
  const planned = new PlannedQuery(context.engine.store.reader, collection, query);
  await drain(planned.rows(), new Pacer(maxTimeOf(context)), ({ raw }) => {
    documents.push(decode(raw));
  });
  return documents;
}

/** The documents of another collection of the same database, for `$lookup`. */
function* lookUp(context: CommandContext, name: string, filter: Document = {}): Iterable<Document> {
  const { catalog, store } = context.engine;
  const collection = catalog.find(`${context.database}.${name}`);
  if (collection === undefined) return;
  for (const row of new PlannedQuery(store.reader, collection, { filter }).rows()) {
    if (row !== undefined) yield decode(row.raw);
  }
}
