import { Long } from 'bson';
import { compileExpression, type Variables } from '../aggregate-expressions.js';
import { type BsonNumber, exactInteger } from '../bson-numbers.js';
import { type Document, isDocument, rankOf, typeNameOf, TypeRank } from '../bson-types.js';
import type { Engine } from '../engine.js';
import { CommandError, notSupported, serverError, typeMismatch } from '../errors.js';
import { isSimpleCollation } from '../index-definition.js';
import type { Reply } from '../wire.js';

/** One command on its way through the server. */
export interface CommandContext {
  readonly engine: Engine;
  /** The command's name as the client spelled it. */
  readonly name: string;
  readonly command: Document;
  /** Lists of documents that came beside the command, still as bytes. */
  readonly sequences: ReadonlyMap<string, Buffer[]>;
  readonly database: string;
  readonly connectionId: number;
}

/** Answers one command. Errors are thrown as CommandError. */
export type Handler = (context: CommandContext) => Reply | Promise<Reply>;

/** A successful reply. */
export const ok = (fields: Document = {}): Document => ({ ...fields, ok: 1 });

/** Fields that every command may carry. */
const genericFields = new Set([
  '$db',
  'lsid',
  '$clusterTime',
  '$readPreference',
  'readConcern',
  'writeConcern',
  'maxTimeMS',
  'comment',
  'apiVersion',
  'apiStrict',
  'apiDeprecationErrors',
  'txnNumber',
  'autocommit',
  'startTransaction',
]);

/**
 * Refuses fields that a command does not know: an option that is ignored gives a wrong answer without a word.
 * @throws code 40415
 */
export function checkFields(context: CommandContext, known: readonly string[]): void {
  for (const field of Object.keys(context.command)) {
    if (field === context.name || genericFields.has(field) || known.includes(field)) continue;
    throw unknownField(`${context.name}.${field}`);
  }
}

/** The refusal of a field that the server does not know. */
export const unknownField = (path: string): CommandError =>
  new CommandError(40415, 'IDLUnknownField', `BSON field '${path}' is an unknown field.`);

/** The refusal of a value of the wrong type. */
export const wrongType = (path: string, value: unknown, expected: string): CommandError =>
  typeMismatch(`BSON field '${path}' is the wrong type '${typeNameOf(value)}', expected type '${expected}'`);

/** Reads the fields of a command, or of one statement inside it, with MongoDB's type errors. */
export class Fields {
  /** @param path how the holder is called in messages, such as `find` or `update.updates` */
  constructor(
    private readonly holder: Document,
    private readonly path: string,
  ) {}

  get(field: string): unknown {
    return Object.hasOwn(this.holder, field) ? this.holder[field] : undefined;
  }

  object(field: string): Document | undefined {
    const value = this.get(field);
    if (value === undefined || value === null) return undefined;
    if (!isDocument(value)) throw wrongType(`${this.path}.${field}`, value, 'object');
    return value;
  }

  array(field: string): readonly unknown[] | undefined {
    const value = this.get(field);
    if (value === undefined || value === null) return undefined;
    if (!Array.isArray(value)) throw wrongType(`${this.path}.${field}`, value, 'array');
    return value as unknown[];
  }

  string(field: string): string | undefined {
    const value = this.get(field);
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'string') throw wrongType(`${this.path}.${field}`, value, 'string');
    return value;
  }

  /** A boolean; numbers count as booleans, as on the real server. */
  flag(field: string): boolean {
    const value = this.get(field);
    if (value === undefined || value === null) return false;
    if (typeof value === 'boolean') return value;
    if (rankOf(value) === TypeRank.number) return exactInteger(value as BsonNumber) !== 0n;
    throw wrongType(`${this.path}.${field}`, value, 'bool');
  }

  /** A whole number that is not negative; undefined when it was not sent. */
  count(field: string): number | undefined {
    const value = this.get(field);
    if (value === undefined || value === null) return undefined;
    if (rankOf(value) !== TypeRank.number) throw wrongType(`${this.path}.${field}`, value, 'long');
    const number = Number(value);
    if (!(number >= 0)) {
      throw serverError(51024, `BSON field '${field}' value must be >= 0, actual value '${number}'`);
    }
    return Math.trunc(number);
  }

  /** The variables of `let`: each is an expression without fields, such as `{ $literal: '$5' }`. */
  variables(): Variables | undefined {
    const expressions = this.object('let');
    if (expressions === undefined) return undefined;
    const evaluated = Object.entries(expressions).map(([name, expression]) => [
      name,
      compileExpression(expression)({}),
    ]);
    return Object.fromEntries(evaluated) as Variables;
  }

  /** Refuses every collation but the simple one. */
  refuseCollation(): void {
    if (!isSimpleCollation(this.get('collation'))) throw notSupported('collation');
  }

  /** Refuses an option that was sent with another value than false, null or an empty document. */
  refuse(...fields: string[]): void {
    for (const field of fields) {
      const value = this.get(field);
      if (value === undefined || value === null || value === false) continue;
      if (isDocument(value) && Object.keys(value).length === 0) continue;
      throw notSupported(`the option ${this.path}.${field}`);
    }
  }

  /** The hint of a query: an index name or a key pattern. */
  hint(): string | Document | undefined {
    const value = this.get('hint');
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'string') return value;
    if (!isDocument(value)) throw serverError(9, 'Hint must be a string or an object');
    return Object.keys(value).length === 0 ? undefined : value;
  }
}

/** The fields of the command itself. */
export const fieldsOf = (context: CommandContext): Fields => new Fields(context.command, context.name);

/** The namespace a command works on, `database.collection`. */
export function namespaceOf(context: CommandContext): string {
  const name = context.command[context.name];
  if (typeof name !== 'string') {
    throw serverError(73, `collection name has invalid type ${typeNameOf(name)}`);
  }
  if (name === '') throw serverError(73, `Invalid namespace specified '${context.database}.'`);
  return `${context.database}.${name}`;
}

/** The client's time limit in milliseconds. */
export const maxTimeOf = (context: CommandContext): number | undefined =>
  fieldsOf(context).count('maxTimeMS');

/** A cursor id from a command. */
export function cursorId(value: unknown): Long {
  if (value instanceof Long) return value;
  if (typeof value === 'number') return Long.fromNumber(value);
  throw typeMismatch('cursor ids are 64-bit integers');
}
