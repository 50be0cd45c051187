import { Binary, Decimal128, Long, ObjectId, Timestamp, type BSONRegExp, type DBRef } from 'bson';

/** A decoded BSON document: own enumerable string keys in stored order. */
export type Document = { [key: string]: unknown };

/**
 * MongoDB's comparison order of types; the numbers double as the leading byte of an encoded key, so they are
 * positive and leave gaps. `undefined` (a missing field) ranks as null, as it does in sorts and indexes.
 * Source: mongodb.com/docs/manual/reference/bson-type-comparison-order.
 */
export const TypeRank = {
  minKey: 1,
  null: 5,
  number: 10,
  string: 15,
  object: 20,
  array: 25,
  binary: 30,
  objectId: 35,
  boolean: 40,
  date: 45,
  timestamp: 47,
  regex: 50,
  code: 60,
  codeWithScope: 65,
  maxKey: 127,
} as const;
export type TypeRank = (typeof TypeRank)[keyof typeof TypeRank];

const TAGGED: ReadonlyMap<string, TypeRank> = new Map([
  ['ObjectId', TypeRank.objectId],
  ['Long', TypeRank.number],
  ['Int32', TypeRank.number],
  ['Double', TypeRank.number],
  ['Decimal128', TypeRank.number],
  ['Binary', TypeRank.binary],
  ['Timestamp', TypeRank.timestamp],
  ['BSONRegExp', TypeRank.regex],
  ['BSONSymbol', TypeRank.string],
  ['MinKey', TypeRank.minKey],
  ['MaxKey', TypeRank.maxKey],
  ['DBRef', TypeRank.object],
]);

/**
 * The `_bsontype` tag of a bson class instance; a stored field of that name on a plain document is not a tag.
 */
export function tagOf(value: object): string | undefined {
  if (Object.getPrototypeOf(value) === Object.prototype) return undefined;
  const tag = (value as { _bsontype?: unknown })._bsontype;
  return typeof tag === 'string' ? tag : undefined;
}

/**
 * The rank of any decoded BSON value. @throws TypeError for values that BSON cannot hold, such as functions
 */
export function rankOf(value: unknown): TypeRank {
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return TypeRank.number;
    case 'string':
      return TypeRank.string;
    case 'boolean':
      return TypeRank.boolean;
    case 'undefined':
      return TypeRank.null;
    case 'object':
      return value === null ? TypeRank.null : rankOfObject(value);
    default:
      throw new TypeError(`A ${typeof value} is not a BSON value`);
  }
}

function rankOfObject(value: object): TypeRank {
  if (Object.getPrototypeOf(value) === Object.prototype) return TypeRank.object;
  if (Array.isArray(value)) return TypeRank.array;
  const tag = tagOf(value);
  if (tag !== undefined) {
    if (tag === 'Code') {
      return (value as { scope?: unknown }).scope ? TypeRank.codeWithScope : TypeRank.code;
    }
    const rank = TAGGED.get(tag);
    if (rank === undefined) throw new TypeError(`BSON type ${tag} is not known`);
    return rank;
  }
  if (value instanceof Date) return TypeRank.date;
  if (value instanceof RegExp) return TypeRank.regex;
  if (value instanceof Uint8Array) return TypeRank.binary;
  return TypeRank.object;
}

/** True for a plain document: not null, not an array, no bson class, Date, RegExp or bytes. */
export function isDocument(value: unknown): value is Document {
  if (typeof value !== 'object' || value === null) return false;
  if (Object.getPrototypeOf(value) === Object.prototype) return true;
  return rankOfObject(value) === TypeRank.object && !isDBRef(value);
}

/** True for a `{$ref, $id}` pair that the decoder turned into a class. */
export function isDBRef(value: unknown): value is DBRef {
  return typeof value === 'object' && value !== null && tagOf(value) === 'DBRef';
}

/** True for both forms of a regular expression. */
export function isRegex(value: unknown): value is RegExp | BSONRegExp {
  return (
    value instanceof RegExp || (typeof value === 'object' && value !== null && tagOf(value) === 'BSONRegExp')
  );
}

/** A DBRef seen as the document it is stored as. */
export function dbRefFields(ref: DBRef): Document {
  const base: Document = { $ref: ref.collection, $id: ref.oid };
  if (ref.db !== undefined) base['$db'] = ref.db;
  return { ...base, ...(ref.fields as Document) };
}

/** The fields of a document-like value, or undefined for scalars and arrays. */
export function fieldsOf(value: unknown): Document | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Object.getPrototypeOf(value) === Object.prototype) return value as Document;
  if (Array.isArray(value)) return undefined;
  if (isDBRef(value)) return dbRefFields(value);
  return rankOfObject(value) === TypeRank.object ? (value as Document) : undefined;
}

/** The bytes of a Binary or a Uint8Array. */
export function bytesOf(value: unknown): Uint8Array {
  return value instanceof Binary ? value.buffer.subarray(0, value.position) : (value as Uint8Array);
}

/**
 * BSON's type name of a value. Int and double are told apart by value because the decoder promotes both to a
 * JavaScript number: an integral double reads as int (as long beyond 32 bits).
 */
export function typeNameOf(value: unknown): string {
  switch (rankOf(value)) {
    case TypeRank.minKey:
      return 'minKey';
    case TypeRank.null:
      return value === null ? 'null' : 'missing';
    case TypeRank.number:
      return numberTypeName(value);
    case TypeRank.string:
      return typeof value === 'string' ? 'string' : 'symbol';
    case TypeRank.object:
      return 'object';
    case TypeRank.array:
      return 'array';
    case TypeRank.binary:
      return 'binData';
    case TypeRank.objectId:
      return 'objectId';
    case TypeRank.boolean:
      return 'bool';
    case TypeRank.date:
      return 'date';
    case TypeRank.timestamp:
      return 'timestamp';
    case TypeRank.regex:
      return 'regex';
    case TypeRank.code:
      return 'javascript';
    case TypeRank.codeWithScope:
      return 'javascriptWithScope';
    case TypeRank.maxKey:
      return 'maxKey';
  }
}

function numberTypeName(value: unknown): string {
  if (typeof value === 'bigint') return 'long';
  if (typeof value === 'number') {
    if (!Number.isInteger(value) || Object.is(value, -0) || !Number.isSafeInteger(value)) return 'double';
    return Math.abs(value) < 2 ** 31 || value === -(2 ** 31) ? 'int' : 'long';
  }
  const tag = tagOf(value as object);
  if (tag === 'Int32') return 'int';
  if (tag === 'Double') return 'double';
  return tag === 'Long' ? 'long' : 'decimal';
}

/** Assigns an own property, also when the key is `__proto__`. */
export function setOwn(target: Document, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  } else {
    target[key] = value;
  }
}

/** Copies documents and arrays; scalars and bson classes are immutable here and shared. */
export function cloneValue<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(cloneValue) as T;
  if (!isDocument(value)) return value;
  const copy: Document = {};
  for (const key of Object.keys(value)) setOwn(copy, key, cloneValue((value as Document)[key]));
  return copy as T;
}

/** A value as the server's messages show it: `{ a: 1, b: "x" }`. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value === undefined || value === null) return 'null';
  if (value instanceof Date)
    return Number.isNaN(value.getTime()) ? 'Date(NaN)' : `new Date(${value.getTime()})`;
  if (value instanceof ObjectId) return `ObjectId('${value.toHexString()}')`;
  if (value instanceof Timestamp) return `Timestamp(${value.getHighBits()}, ${value.getLowBits()})`;
  if (value instanceof Long) return `${value.toString()}`;
  if (value instanceof Decimal128) return value.toString();
  if (value instanceof Binary) {
    return `BinData(${value.sub_type}, ${Buffer.from(bytesOf(value)).toString('hex').toUpperCase()})`;
  }
  if (isRegex(value)) return value instanceof RegExp ? String(value) : `/${value.pattern}/${value.options}`;
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `[ ${value.map(describeValue).join(', ')} ]`;
  const fields = fieldsOf(value);
  if (!fields) return rankOf(value) === TypeRank.minKey ? 'MinKey' : String(value);
  const shown = Object.keys(fields).map((key) => `${key}: ${describeValue(fields[key])}`);
  return shown.length === 0 ? '{}' : `{ ${shown.join(', ')} }`;
}
