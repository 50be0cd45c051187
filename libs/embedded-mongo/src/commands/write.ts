import { type Document, isDocument } from '../bson-types.js';
import { CollectionWriter } from '../collection-writer.js';
import { decode, encode, withoutElement } from '../document-bytes.js';
import { Elements } from '../elements.js';
import { CommandError, failedToParse, serverError } from '../errors.js';
import { Pacer } from '../pacer.js';
import { compileProjection } from '../project.js';
import type { Transaction } from '../write-queue.js';
import { type WholeFields, wholeFieldsOf } from '../update-bytes.js';
import {
  type DeleteRequest,
  deleteMatching,
  updateMatching,
  type UpdateRequest,
} from '../write-operations.js';
import {
  checkFields,
  type CommandContext,
  Fields,
  fieldsOf,
  type Handler,
  maxTimeOf,
  namespaceOf,
  ok,
  unknownField,
} from './context.js';

/** How many operations one write command may have (maxWriteBatchSize of the real server). */
const MAX_BATCH = 100_000;

interface WriteError extends Document {
  index: number;
  code: number;
  errmsg: string;
}

/** The operations of a write command, from its document sequence or from the command itself. */
function batchOf(context: CommandContext, field: string): readonly (Buffer | Document)[] {
  const sequence = context.sequences.get(field);
  const list = sequence ?? fieldsOf(context).array(field);
  if (list === undefined) {
    throw serverError(40414, `BSON field '${context.name}.${field}' is missing but a required field`);
  }
  if (list.length === 0 || list.length > MAX_BATCH) {
    throw new CommandError(
      16,
      'InvalidLength',
      `Write batch sizes must be between 1 and ${MAX_BATCH}. Got ${list.length} operations.`,
    );
  }
  return list.map((item) => {
    if (!Buffer.isBuffer(item) && !isDocument(item)) {
      throw serverError(14, `BSON field '${context.name}.${field}' must hold objects`);
    }
    return item;
  });
}

/**
 * Reads all operations of a bulk, then runs them one by one; an ordered bulk ends at the first error. What
 * `read` throws fails the command with nothing written, as on the real server: a statement that cannot be
 * read is no failure of one write among others.
 */
async function runBatch<T>(
  context: CommandContext,
  batch: readonly (Buffer | Document)[],
  transaction: Transaction,
  read: (operation: Buffer | Document) => T,
  run: (writer: CollectionWriter, operation: T, index: number, pacer: Pacer) => Promise<void> | void,
): Promise<WriteError[]> {
  const ordered = fieldsOf(context).get('ordered') !== false;
  const pacer = new Pacer(maxTimeOf(context));
  const operations: T[] = [];
  for (const operation of batch) {
    operations.push(read(operation));
    if ((operations.length & 15) === 0 && pacer.due) await pacer.pause();
  }
  const writer = writerFor(context, transaction);
  const errors: WriteError[] = [];
  for (let i = 0; i < operations.length; i++) {
    try {
      const step = run(writer, operations[i]!, i, pacer);
      if (step !== undefined) await step;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      errors.push({ index: i, code: error.code, errmsg: error.message, ...error.extra });
      if (ordered) break;
    }
    if ((i & 15) === 15 && pacer.due) await pacer.pause();
  }
  return errors;
}

function writerFor(context: CommandContext, transaction: Transaction): CollectionWriter {
  const { catalog, store } = context.engine;
  const collection = catalog.ensure(namespaceOf(context), transaction);
  return new CollectionWriter(catalog, store.writer, transaction, collection);
}

const withErrors = (errors: readonly WriteError[]): Document =>
  errors.length > 0 ? { writeErrors: errors } : {};

/** insert */
export const insert: Handler = (context) => {
  checkFields(context, ['documents', 'ordered', 'bypassDocumentValidation']);
  const batch = batchOf(context, 'documents');
  return context.engine.writes.submit(async (transaction) => {
    let n = 0;
    const read = (document: Buffer | Document): Buffer =>
      Buffer.isBuffer(document) ? document : encode(document);
    const errors = await runBatch(context, batch, transaction, read, (writer, document) => {
      writer.insert(document);
      n++;
    });
    return ok({ n, ...withErrors(errors) });
  });
};

const updateFields = ['q', 'u', 'c', 'multi', 'upsert', 'collation', 'arrayFilters', 'hint'];

/** A statement whose `u` only sets whole fields, with the rest of it; undefined for every other statement. */
function wholeStatement(statement: Buffer): { rest: Document; whole: WholeFields } | undefined {
  const elements = new Elements(statement);
  while (elements.next()) {
    if (elements.name !== 'u') continue;
    if (elements.type !== 0x03) return undefined;
    const whole = wholeFieldsOf(statement.subarray(elements.valueAt, elements.end));
    if (whole === undefined) return undefined;
    const rest = decode(withoutElement(statement, elements));
    return Object.hasOwn(rest, 'u') ? undefined : { rest, whole };
  }
  return undefined;
}

function updateRequest(context: CommandContext, operation: Buffer | Document): UpdateRequest {
  const quick = Buffer.isBuffer(operation) ? wholeStatement(operation) : undefined;
  let decoded: Document | undefined;
  const complete = (): Document => (decoded ??= Buffer.isBuffer(operation) ? decode(operation) : operation);
  const statement = quick?.rest ?? complete();
  for (const field of Object.keys(statement)) {
    if (!updateFields.includes(field)) throw unknownField(`update.updates.${field}`);
  }
  const fields = new Fields(statement, 'update.updates');
  fields.refuseCollation();
  fields.refuse('c');
  const update = quick === undefined ? fields.get('u') : {};
  if (!isDocument(update) && !Array.isArray(update)) {
    throw failedToParse('Update argument must be either an object or an array');
  }
  return {
    filter: fields.object('q') ?? {},
    whole: quick?.whole,
    get update() {
      return complete()['u'] as Document | unknown[];
    },
    multi: fields.flag('multi'),
    upsert: fields.flag('upsert'),
    arrayFilters: fields.array('arrayFilters') as readonly Document[] | undefined,
    hint: fields.hint(),
    let: fieldsOf(context).variables(),
  };
}

/** update */
export const update: Handler = (context) => {
  checkFields(context, ['updates', 'ordered', 'bypassDocumentValidation', 'let']);
  const batch = batchOf(context, 'updates');
  const now = new Date();
  return context.engine.writes.submit(async (transaction) => {
    let n = 0;
    let nModified = 0;
    const upserted: Document[] = [];
    const read = (operation: Buffer | Document): UpdateRequest => updateRequest(context, operation);
    const errors = await runBatch(context, batch, transaction, read, (writer, request, index, pacer) => {
      const note = (result: { matched: number; modified: number; upserted?: Document }): void => {
        n += result.upserted === undefined ? result.matched : 1;
        nModified += result.modified;
        if (result.upserted !== undefined) upserted.push({ index, _id: result.upserted['_id'] });
      };
      const result = updateMatching(context.engine, writer, request, now, pacer);
      if (result instanceof Promise) return result.then(note);
      note(result);
    });
    return ok({ n, nModified, ...(upserted.length > 0 ? { upserted } : {}), ...withErrors(errors) });
  });
};

const deleteFields = ['q', 'limit', 'collation', 'hint'];

function deleteRequest(context: CommandContext, operation: Buffer | Document): DeleteRequest {
  const statement = Buffer.isBuffer(operation) ? decode(operation) : operation;
  for (const field of Object.keys(statement)) {
    if (!deleteFields.includes(field)) throw unknownField(`delete.deletes.${field}`);
  }
  const fields = new Fields(statement, 'delete.deletes');
  fields.refuseCollation();
  const limit = fields.count('limit');
  if (limit === undefined)
    throw serverError(40414, "BSON field 'delete.deletes.limit' is missing but a required field");
  if (limit > 1) throw failedToParse(`The limit field in delete objects must be 0 or 1. Got ${limit}`);
  return {
    filter: fields.object('q') ?? {},
    hint: fields.hint(),
    let: fieldsOf(context).variables(),
    limit,
  };
}

/** delete */
export const remove: Handler = (context) => {
  checkFields(context, ['deletes', 'ordered', 'let']);
  const batch = batchOf(context, 'deletes');
  return context.engine.writes.submit(async (transaction) => {
    let n = 0;
    const read = (operation: Buffer | Document): DeleteRequest => deleteRequest(context, operation);
    const errors = await runBatch(context, batch, transaction, read, async (writer, request, _i, pacer) => {
      n += (await deleteMatching(context.engine, writer, request, pacer)).deleted;
    });
    return ok({ n, ...withErrors(errors) });
  });
};

const findAndModifyFields = [
  'query',
  'sort',
  'remove',
  'update',
  'new',
  'fields',
  'upsert',
  'bypassDocumentValidation',
  'collation',
  'arrayFilters',
  'hint',
  'let',
];

function checkFindAndModify(fields: Fields): void {
  fields.refuseCollation();
  const removes = fields.flag('remove');
  const update = fields.get('update');
  if (removes && update !== undefined) throw failedToParse('Cannot specify both an update and remove=true');
  if (removes && fields.flag('upsert'))
    throw failedToParse('Cannot specify both upsert=true and remove=true ');
  if (removes && fields.flag('new')) {
    throw failedToParse(
      "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document",
    );
  }
  if (!removes && !isDocument(update) && !Array.isArray(update)) {
    throw failedToParse('Either an update or remove=true must be specified');
  }
}

/** findAndModify */
export const findAndModify: Handler = (context) => {
  checkFields(context, findAndModifyFields);
  const fields = fieldsOf(context);
  checkFindAndModify(fields);
  const projection = fields.object('fields');
  const filter = fields.object('query') ?? {};
  const variables = fields.variables();
  const project =
    projection === undefined
      ? (document: Document) => document
      : compileProjection(projection, filter, variables ?? {});
  const shown = (document: Document | undefined): Document | null =>
    document === undefined ? null : project(document);
  const query = {
    filter,
    sort: fields.object('sort'),
    hint: fields.hint(),
    let: variables,
  };
  const now = new Date();
  return context.engine.writes.submit(async (transaction) => {
    const writer = writerFor(context, transaction);
    const pacer = new Pacer(maxTimeOf(context));
    if (fields.flag('remove')) {
      const { deleted, document } = await deleteMatching(
        context.engine,
        writer,
        { ...query, limit: 1 },
        pacer,
      );
      return ok({ lastErrorObject: { n: deleted }, value: shown(document) });
    }
    const request: UpdateRequest = {
      ...query,
      update: fields.get('update') as Document | unknown[],
      multi: false,
      upsert: fields.flag('upsert'),
      arrayFilters: fields.array('arrayFilters') as readonly Document[] | undefined,
    };
    const result = await updateMatching(context.engine, writer, request, now, pacer);
    const { upserted } = result;
    const value = fields.flag('new') ? (upserted ?? result.after) : result.before;
    return ok({
      lastErrorObject: {
        n: upserted === undefined ? result.matched : 1,
        updatedExisting: result.matched > 0,
        ...(upserted === undefined ? {} : { upserted: upserted['_id'] }),
      },
      value: shown(value),
    });
  });
};
