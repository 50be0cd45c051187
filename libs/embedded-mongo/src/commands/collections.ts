import { Binary } from 'bson';
import { type Document } from '../bson-types.js';
import { checkedNamespace, type CollectionInfo, idIndexDefinition } from '../catalog.js';
import { CommandError, namespaceExists } from '../errors.js';
import { compileFilter } from '../match.js';
import {
  checkFields,
  type CommandContext,
  Fields,
  fieldsOf,
  type Handler,
  namespaceOf,
  ok,
} from './context.js';
import { encoded, openCursor } from './read.js';

const refusedOptions: readonly string[] = [
  'capped',
  'timeseries',
  'expireAfterSeconds',
  'clusteredIndex',
  'changeStreamPreAndPostImages',
  'viewOn',
  'pipeline',
  'validator',
  'encryptedFields',
  'storageEngine',
  'indexOptionDefaults',
  'temp',
];
const acceptedOptions: readonly string[] = [
  'autoIndexId',
  'collation',
  'validationLevel',
  'validationAction',
];
const sizesOfCapped: readonly string[] = ['size', 'max'];

/** create */
export const create: Handler = (context) => {
  checkFields(context, [...refusedOptions, ...acceptedOptions, ...sizesOfCapped, 'flags', 'idIndex']);
  const fields = fieldsOf(context);
  fields.refuseCollation();
  fields.refuse(...refusedOptions);
  const ns = checkedNamespace(namespaceOf(context));
  return context.engine.writes.submit((transaction) => {
    if (context.engine.catalog.findForWrite(ns) !== undefined) {
      throw namespaceExists(`Collection ${ns} already exists.`);
    }
    context.engine.catalog.create(ns, transaction);
    return ok();
  });
};

/** drop */
export const drop: Handler = (context) => {
  checkFields(context, []);
  const ns = namespaceOf(context);
  return context.engine.writes.submit((transaction) => {
    const collection = context.engine.catalog.findForWrite(ns);
    if (collection === undefined) return ok();
    const nIndexesWas = collection.indexes.length + 1;
    context.engine.catalog.drop(collection, transaction);
    return ok({ nIndexesWas, ns });
  });
};

/** dropDatabase */
export const dropDatabase: Handler = (context) => {
  checkFields(context, []);
  return context.engine.writes.submit((transaction) => {
    for (const collection of context.engine.catalog.list()) {
      if (collection.database === context.database) context.engine.catalog.drop(collection, transaction);
    }
    return ok({ dropped: context.database });
  });
};

/** listCollections */
export const listCollections: Handler = (context) => {
  checkFields(context, ['filter', 'nameOnly', 'authorizedCollections', 'cursor']);
  const fields = fieldsOf(context);
  const nameOnly = fields.flag('nameOnly');
  const describe = (collection: CollectionInfo): Document => ({
    name: collection.name,
    type: 'collection',
    ...(nameOnly
      ? {}
      : {
          options: {},
          info: { readOnly: false, uuid: new Binary(collection.uuid, 4) },
          idIndex: idIndexDefinition,
        }),
  });
  const matches = compileFilter(fields.object('filter') ?? {});
  const own = context.engine.catalog.list().filter((each) => each.database === context.database);
  const listed = own.map(describe).filter((each) => matches(each));
  return openCursor(
    context,
    `${context.database}.$cmd.listCollections`,
    encoded(listed),
    batchSizeOf(fields),
    false,
  );
};

/** The `cursor.batchSize` of a command that lists things; without one, everything comes at once. */
export function batchSizeOf(fields: Fields): number {
  const cursor = fields.object('cursor');
  return (cursor === undefined ? undefined : new Fields(cursor, 'cursor').count('batchSize')) ?? Infinity;
}

/** listDatabases */
export const listDatabases: Handler = (context) => {
  checkFields(context, ['filter', 'nameOnly', 'authorizedDatabases']);
  requireAdmin(context);
  const fields = fieldsOf(context);
  const names = [...new Set(context.engine.catalog.list().map((collection) => collection.database))].sort();
  const matches = compileFilter(fields.object('filter') ?? {});
  const all = names.map((name) => ({ name, sizeOnDisk: 0, empty: false })).filter((each) => matches(each));
  if (fields.flag('nameOnly')) return ok({ databases: all.map(({ name }) => ({ name })) });
  const { db } = context.engine.store.reader;
  const pages = db.pragma('page_count', { simple: true }) as number;
  const totalSize = pages * (db.pragma('page_size', { simple: true }) as number);
  return ok({ databases: all, totalSize, totalSizeMb: Math.floor(totalSize / 1024 ** 2) });
};

/** @throws code 13 for commands that belong to the admin database */
export function requireAdmin(context: CommandContext): void {
  if (context.database === 'admin') return;
  throw new CommandError(13, 'Unauthorized', `${context.name} may only be run against the admin database.`);
}

/** collStats: the numbers that tools show. Sizes are those of the stored documents. */
export const collStats: Handler = (context) => {
  checkFields(context, ['scale', 'freeStorage']);
  const ns = namespaceOf(context);
  const collection = context.engine.catalog.find(ns);
  const { reader } = context.engine.store;
  const count = collection === undefined ? 0 : (reader.table(collection.id).count.get() ?? 0);
  const sum = collection === undefined ? 0 : sizeOf(context, collection);
  return ok({
    ns,
    size: sum,
    count,
    ...(count > 0 ? { avgObjSize: Math.floor(sum / count) } : {}),
    storageSize: sum,
    capped: false,
    nindexes: collection === undefined ? 0 : collection.indexes.length + 1,
  });
};

function sizeOf(context: CommandContext, collection: CollectionInfo): number {
  const sql = `SELECT coalesce(sum(length(b)), 0) FROM d${collection.id}`;
  return context.engine.store.reader.db.prepare<[], number>(sql).pluck().get() ?? 0;
}

/** dbStats */
export const dbStats: Handler = (context) => {
  checkFields(context, ['scale', 'freeStorage']);
  const own = context.engine.catalog.list().filter((each) => each.database === context.database);
  const { reader } = context.engine.store;
  const objects = own.reduce((sum, each) => sum + (reader.table(each.id).count.get() ?? 0), 0);
  const dataSize = own.reduce((sum, each) => sum + sizeOf(context, each), 0);
  const indexes = own.reduce((sum, each) => sum + each.indexes.length + 1, 0);
  const averages = { avgObjSize: objects === 0 ? 0 : dataSize / objects, dataSize, storageSize: dataSize };
  return ok({ db: context.database, collections: own.length, views: 0, objects, ...averages, indexes });
};
