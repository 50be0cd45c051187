import { type Document, describeValue, isDocument } from '../bson-types.js';
import { type CollectionInfo, idIndexDefinition } from '../catalog.js';
import { CollectionWriter } from '../collection-writer.js';
import type { Row } from '../connection.js';
import { CommandError, cannotCreateIndex, indexNotFound, namespaceNotFound, serverError } from '../errors.js';
import { existsAlready, type IndexInfo, parseIndexSpec, sameKeyPattern } from '../index-definition.js';
import { drain, Pacer } from '../pacer.js';
import { candidates } from '../scan.js';
import type { Transaction } from '../write-queue.js';
import { checkFields, type CommandContext, fieldsOf, type Handler, namespaceOf, ok } from './context.js';
import { batchSizeOf } from './collections.js';
import { encoded, openCursor } from './read.js';

/** How many indexes a collection may have, the one on `_id` included (the real server's limit). */
const MAX_INDEXES = 64;

const isIdKey = (key: unknown): boolean => isDocument(key) && sameKeyPattern(key, { _id: 1 });

/** createIndexes: built before the answer, in one transaction. */
export const createIndexes: Handler = (context) => {
  checkFields(context, ['indexes', 'commitQuorum', 'ignoreUnknownIndexOptions']);
  fieldsOf(context).refuse('ignoreUnknownIndexOptions');
  const ns = namespaceOf(context);
  const specs = fieldsOf(context).array('indexes') ?? [];
  if (specs.length === 0) throw serverError(2, 'Must specify at least one index to create');
  const parsed = specs.map(parseIndexSpec).filter((spec) => !isIdKey(spec['key']) || checkIdSpec(spec));
  const { engine } = context;
  return engine.writes.submit(async (transaction) => {
    const existed = engine.catalog.findForWrite(ns);
    const collection = existed ?? engine.catalog.ensure(ns, transaction);
    const numIndexesBefore = collection.indexes.length + 1;
    for (const spec of parsed) {
      if (existsAlready(spec, collection.indexes)) continue;
      if (collection.indexes.length + 1 >= MAX_INDEXES) {
        throw cannotCreateIndex(
          `add index fails, too many indexes for ${ns} key:${describeValue(spec['key'])}`,
        );
      }
      await build(context, collection, spec, transaction);
    }
    const numIndexesAfter = collection.indexes.length + 1;
    return ok({
      numIndexesBefore,
      numIndexesAfter,
      createdCollectionAutomatically: existed === undefined,
      ...(numIndexesBefore === numIndexesAfter ? { note: 'all indexes already exist' } : {}),
    });
  });
};

/** An index on `_id` is there already; it takes no options. */
function checkIdSpec(spec: Document): false {
  for (const option of ['unique', 'sparse', 'partialFilterExpression']) {
    if (spec[option] === undefined || (option === 'unique' && spec[option] === true)) continue;
    throw serverError(197, `The field '${option}' is not valid for an _id index specification.`);
  }
  return false;
}

async function build(
  context: CommandContext,
  collection: CollectionInfo,
  spec: Document,
  transaction: Transaction,
): Promise<void> {
  const { catalog, store } = context.engine;
  const index = catalog.addIndex(collection, spec, transaction);
  const writer = new CollectionWriter(catalog, store.writer, transaction, collection);
  const stats = { keysExamined: 0, docsExamined: 0 };
  const rows = candidates(store.writer, collection, { kind: 'collection', reverse: false }, stats, Infinity);
  await drain<Row>(rows, new Pacer(), ({ n, raw }) => writer.addToIndex(index, n, raw));
}

/** listIndexes */
export const listIndexes: Handler = (context) => {
  checkFields(context, ['cursor', 'includeBuildUUIDs', 'includeIndexBuildInfo']);
  const ns = namespaceOf(context);
  const collection = context.engine.catalog.find(ns);
  if (collection === undefined) throw namespaceNotFound(`ns does not exist: ${ns}`);
  const listed = [
    idIndexDefinition,
    ...collection.indexes.filter((each) => each.ready).map((each) => each.definition),
  ];
  return openCursor(context, ns, encoded(listed), batchSizeOf(fieldsOf(context)), false);
};

/** dropIndexes (and its old name deleteIndexes) */
export const dropIndexes: Handler = (context) => {
  checkFields(context, ['index']);
  const ns = namespaceOf(context);
  const wanted = context.command['index'];
  const { catalog, writes } = context.engine;
  return writes.submit((transaction) => {
    const collection = catalog.findForWrite(ns);
    if (collection === undefined) throw namespaceNotFound(`ns not found ${ns}`);
    const nIndexesWas = collection.indexes.length + 1;
    for (const index of indexesToDrop(collection, wanted)) catalog.dropIndex(collection, index, transaction);
    return ok({ nIndexesWas });
  });
};

function indexesToDrop(collection: CollectionInfo, wanted: unknown): readonly IndexInfo[] {
  if (wanted === '*') return [...collection.indexes];
  const found = (Array.isArray(wanted) ? (wanted as unknown[]) : [wanted]).map((each) =>
    oneIndex(collection, each),
  );
  return [...new Set(found)];
}

function oneIndex(collection: CollectionInfo, wanted: unknown): IndexInfo {
  if (wanted === '_id_' || isIdKey(wanted)) {
    throw new CommandError(72, 'InvalidOptions', 'cannot drop _id index');
  }
  if (typeof wanted === 'string') {
    const named = collection.indexes.find((each) => each.name === wanted);
    if (named === undefined) throw indexNotFound(`index not found with name [${wanted}]`);
    return named;
  }
  if (!isDocument(wanted)) throw serverError(14, "BSON field 'dropIndexes.index' is the wrong type");
  const keyed = collection.indexes.find((each) => sameKeyPattern(each.key, wanted));
  if (keyed === undefined) throw indexNotFound(`can't find index with key: ${describeValue(wanted)}`);
  return keyed;
}
