import type { ObjectId, Timestamp } from 'bson';
import { compareNumbers, encodeExact, encodeNumber, type BsonNumber } from './bson-numbers.js';
import { bytesOf, fieldsOf, rankOf, tagOf, TypeRank, type Document } from './bson-types.js';

/**
 * Strings in code point order, which is the order of their UTF-8 bytes; UTF-16 order differs above U+D7FF.
 */
export function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    let x = a.charCodeAt(i);
    let y = b.charCodeAt(i);
    if (x === y) continue;
    if (x >= 0xd800 && y >= 0xd800) {
      x = x >= 0xe000 ? x - 0x2000 : x + 0x2000;
      y = y >= 0xe000 ? y - 0x2000 : y + 0x2000;
    }
    return x < y ? -1 : 1;
  }
  return Math.sign(a.length - b.length);
}

function compareDocuments(a: Document, b: Document): number {
  const keysA = Object.keys(a);
  const keysB = Object.keys(b);
  const length = Math.min(keysA.length, keysB.length);
  for (let i = 0; i < length; i += 1) {
    const keyA = keysA[i]!;
    const keyB = keysB[i]!;
    const ranks = rankOf(a[keyA]) - rankOf(b[keyB]);
    const order = ranks || compareStrings(keyA, keyB) || compareValues(a[keyA], b[keyB]);
    if (order !== 0) return Math.sign(order);
  }
  return Math.sign(keysA.length - keysB.length);
}

function compareArrays(a: readonly unknown[], b: readonly unknown[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const order = compareValues(a[i], b[i]);
    if (order !== 0) return order;
  }
  return Math.sign(a.length - b.length);
}

const subTypeOf = (value: unknown): number => (value as { sub_type?: number }).sub_type ?? 0;

function compareBinary(a: unknown, b: unknown): number {
  const x = bytesOf(a);
  const y = bytesOf(b);
  return Math.sign(x.length - y.length || subTypeOf(a) - subTypeOf(b)) || Buffer.compare(x, y);
}

/** A regular expression in any form: JavaScript's, the driver's, or a compiled one. */
type AnyRegex = RegExp | { readonly pattern: string; readonly options: string };

/** Pattern and sorted options. The decoder writes the server's `s` option as JavaScript's `g`. */
function regexParts(value: AnyRegex): [string, string] {
  if (!(value instanceof RegExp)) return [value.pattern, [...value.options].sort().join('')];
  const flags = `${value.ignoreCase ? 'i' : ''}${value.multiline ? 'm' : ''}`;
  return [value.source, value.global || value.dotAll ? `${flags}s` : flags];
}

/** Regular expressions by pattern, then by options. */
export function compareRegexes(a: AnyRegex, b: AnyRegex): number {
  const [patternA, optionsA] = regexParts(a);
  const [patternB, optionsB] = regexParts(b);
  return compareStrings(patternA, patternB) || compareStrings(optionsA, optionsB);
}

type CodeLike = { readonly code: string; readonly scope?: Document | null };

const stringOf = (value: unknown): string =>
  typeof value === 'string' ? value : String((value as { valueOf(): unknown }).valueOf());

/**
 * MongoDB's total order of BSON values; 0 means equal in queries, sorts and unique indexes.
 * A missing field (`undefined`) equals null. Numbers compare exactly across types.
 * Source: mongodb.com/docs/manual/reference/bson-type-comparison-order.
 */
export function compareValues(a: unknown, b: unknown): number {
  if (a === b) return 0;
  const rank = rankOf(a);
  const difference = rank - rankOf(b);
  if (difference !== 0) return Math.sign(difference);
  switch (rank) {
    case TypeRank.number:
      return compareNumbers(a as BsonNumber, b as BsonNumber);
    case TypeRank.string:
      return compareStrings(stringOf(a), stringOf(b));
    case TypeRank.object:
      return compareDocuments(fieldsOf(a)!, fieldsOf(b)!);
    case TypeRank.array:
      return compareArrays(a as unknown[], b as unknown[]);
    case TypeRank.binary:
      return compareBinary(a, b);
    case TypeRank.objectId:
      return Buffer.compare((a as ObjectId).id, (b as ObjectId).id);
    case TypeRank.boolean:
      return a === true ? 1 : -1;
    case TypeRank.date:
      return compareNumbers((a as Date).getTime(), (b as Date).getTime());
    case TypeRank.timestamp:
      return (a as Timestamp).compare(b as Timestamp);
    case TypeRank.regex:
      return compareRegexes(a as RegExp, b as RegExp);
    case TypeRank.code:
    case TypeRank.codeWithScope:
      return compareCode(a as CodeLike, b as CodeLike);
    default:
      return 0;
  }
}

const compareCode = (a: CodeLike, b: CodeLike): number =>
  compareStrings(a.code, b.code) || compareDocuments(a.scope ?? {}, b.scope ?? {});

/** Equality of queries: `compareValues` is zero. */
export const sameValue = (a: unknown, b: unknown): boolean => a === b || compareValues(a, b) === 0;

/**
 * Equality of stored bytes: same types, same key order. An update that leaves a document identical did not
 * modify it.
 */
export function identicalValues(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((value, i) => identicalValues(value, b[i]));
  }
  if (rankOf(a) !== rankOf(b) || tagOf(a) !== tagOf(b)) return false;
  if (rankOf(a) !== TypeRank.object) {
    return tagOf(a) === 'Decimal128' ? String(a) === String(b) : compareValues(a, b) === 0;
  }
  const x = fieldsOf(a)!;
  const y = fieldsOf(b)!;
  const keys = Object.keys(x);
  const others = Object.keys(y);
  return (
    keys.length === others.length &&
    keys.every((key, i) => key === others[i] && identicalValues(x[key], y[key]))
  );
}

const END = Buffer.from([0]);
const STRING_MARK = String.fromCharCode(TypeRank.string);
const STRING_END = Buffer.from([0, 0]);

/** UTF-8 with 0x00 written as 0x00 0xff, so that the terminator 0x00 0x00 sorts below every continuation. */
function escapedText(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  if (!bytes.includes(0)) return bytes;
  const escaped: number[] = [];
  for (const byte of bytes) {
    escaped.push(byte);
    if (byte === 0) escaped.push(0xff);
  }
  return Buffer.from(escaped);
}

/** Self-delimiting pieces of one value, the type byte first. */
function pushKey(parts: Buffer[], value: unknown): void {
  const rank = rankOf(value);
  parts.push(Buffer.from([rank]));
  switch (rank) {
    case TypeRank.number:
      parts.push(encodeNumber(value as BsonNumber));
      return;
    case TypeRank.string:
      parts.push(escapedText(stringOf(value)), STRING_END);
      return;
    case TypeRank.object:
      pushDocument(parts, fieldsOf(value)!);
      return;
    case TypeRank.array:
      for (const element of value as unknown[]) pushKey(parts, element);
      parts.push(END);
      return;
    case TypeRank.binary:
      pushBinary(parts, value);
      return;
    case TypeRank.objectId:
      parts.push(Buffer.from((value as ObjectId).id));
      return;
    case TypeRank.boolean:
      parts.push(Buffer.from([value === true ? 1 : 0]));
      return;
    case TypeRank.date:
      parts.push(encodeNumber((value as Date).getTime()));
      return;
    case TypeRank.timestamp:
      parts.push(timestampBytes(value as Timestamp));
      return;
    case TypeRank.regex:
      for (const text of regexParts(value as RegExp)) parts.push(escapedText(text), STRING_END);
      return;
    case TypeRank.code:
    case TypeRank.codeWithScope:
      parts.push(escapedText((value as CodeLike).code), STRING_END);
      pushDocument(parts, (value as CodeLike).scope ?? {});
      return;
    default:
  }
}

function pushDocument(parts: Buffer[], document: Document): void {
  for (const key of Object.keys(document)) {
    parts.push(Buffer.from([rankOf(document[key])]), escapedText(key), STRING_END);
    pushKey(parts, document[key]);
  }
  parts.push(END);
}

function pushBinary(parts: Buffer[], value: unknown): void {
  const bytes = bytesOf(value);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length);
  head[4] = subTypeOf(value);
  parts.push(head, Buffer.from(bytes));
}

function timestampBytes(value: Timestamp): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value.toBigInt()));
  return bytes;
}

const TRUE_KEY = String.fromCharCode(TypeRank.boolean, 1);
const FALSE_KEY = String.fromCharCode(TypeRank.boolean, 0);
const NULL_KEY = String.fromCharCode(TypeRank.null);

/**
 * The key of a value as text that is the key in UTF-8, so that the parts of a compound key can be joined before any
 * becomes bytes; undefined for values whose keys are not text.
 */
export function textKey(value: unknown): string | undefined {
  if (typeof value === 'string') return value.includes('\0') ? undefined : `${STRING_MARK}${value}\0\0`;
  if (typeof value === 'boolean') return value ? TRUE_KEY : FALSE_KEY;
  return value === null || value === undefined ? NULL_KEY : undefined;
}

/**
 * Bytes whose unsigned order is `compareValues`; self-delimiting, so encoded values may follow each other.
 * Missing encodes as null.
 */
export function encodeKey(value: unknown): Buffer {
  const text = textKey(value);
  if (text !== undefined) return Buffer.from(text, 'utf8');
  if (typeof value === 'number') {
    const key = encodeExact(value, 1);
    key[0] = TypeRank.number;
    return key;
  }
  const parts: Buffer[] = [];
  pushKey(parts, value);
  return Buffer.concat(parts);
}

/** The bytes in reversed order, for a descending part of a compound key. */
export function invertBytes(bytes: Buffer): Buffer {
  const inverted = Buffer.allocUnsafe(bytes.length);
  for (let i = 0; i < bytes.length; i += 1) inverted[i] = ~bytes[i]! & 0xff;
  return inverted;
}

/** A key of several values; a direction of -1 reverses that part. */
export function encodeCompoundKey(values: readonly unknown[], directions: readonly (1 | -1)[]): Buffer {
  return Buffer.concat(
    values.map((value, i) => (directions[i] === -1 ? invertBytes(encodeKey(value)) : encodeKey(value))),
  );
}

/** The common beginning of the keys of all strings that start with `prefix`. */
export function encodeStringPrefix(prefix: string): Buffer {
  return Buffer.concat([Buffer.from([TypeRank.string]), escapedText(prefix)]);
}

/** The smallest key above every key that starts with these bytes; undefined when there is none. */
export function keyAfterPrefix(bytes: Buffer): Buffer | undefined {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0xff) end -= 1;
  if (end === 0) return undefined;
  const next = Buffer.from(bytes.subarray(0, end));
  next[end - 1]! += 1;
  return next;
}

/** The half-open key range of all values of the same type, for ranges that stay within one type. */
export function typeRange(value: unknown): { readonly low: Buffer; readonly high: Buffer } {
  const rank = rankOf(value);
  return { low: Buffer.from([rank]), high: Buffer.from([rank + 1]) };
}
