import { Decimal128, Long, ObjectId } from 'bson';
import { toDouble, truncateToInt64, type BsonNumber } from './bson-numbers.js';
import { describeValue, typeNameOf } from './bson-types.js';
import { serverError, type CommandError } from './errors.js';
import { isTrue } from './aggregate-operators-logic.js';
import { isNumber, positional, unary, type Operator } from './aggregate-values.js';

const failed = (reason: string): CommandError => serverError(241, `Failed to parse or convert: ${reason}`);
const unsupported = (value: unknown, type: string): CommandError =>
  serverError(
    241,
    `Unsupported conversion from ${typeNameOf(value)} to ${type} in $convert with no onError value`,
  );

function toText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (value instanceof ObjectId) return value.toHexString();
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Long || value instanceof Decimal128) return value.toString();
  if (
    typeof value === 'number' &&
    Math.abs(value) < 1e15 &&
    (Number.isInteger(value) || Math.abs(value) >= 1e-4)
  ) {
    return String(value);
  }
  throw unsupported(value, 'string');
}

const INT_TEXT = /^[+-]?\d+$/;
const NUMBER_TEXT = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

function toInteger(bits: 32 | 64, type: string): Operator {
  return unary((value) => {
    if (typeof value === 'boolean') return Number(value);
    let integer: bigint | undefined;
    if (typeof value === 'string') {
      if (!INT_TEXT.test(value)) throw failed(`'${value}' is no ${type}`);
      integer = BigInt(value);
    } else if (value instanceof Date && bits === 64) integer = BigInt(value.getTime());
    else if (isNumber(value)) integer = truncateToInt64(value);
    else throw unsupported(value, type);
    if (integer === undefined || integer !== BigInt.asIntN(bits, integer)) {
      throw failed(`${describeValue(value)} is out of range for ${type}`);
    }
    const number = Number(integer);
    return Number.isSafeInteger(number) ? number : Long.fromBigInt(integer);
  });
}

const toDoubleValue = unary((value) => {
  if (typeof value === 'boolean') return Number(value);
  if (value instanceof Date) return value.getTime();
  if (isNumber(value)) return toDouble(value as BsonNumber);
  if (typeof value !== 'string') throw unsupported(value, 'double');
  if (!NUMBER_TEXT.test(value)) throw failed(`'${value}' is no double`);
  return Number(value);
});

const toDecimalValue = unary((value) => {
  if (value instanceof Decimal128) return value;
  if (typeof value === 'string' && NUMBER_TEXT.test(value)) return Decimal128.fromString(value);
  if (value instanceof Long) return Decimal128.fromString(value.toString());
  if (typeof value === 'number' && Number.isSafeInteger(value)) return Decimal128.fromString(String(value));
  throw unsupported(value, 'decimal');
});

/** Dates from milliseconds, from object ids, and from ISO 8601 text with a zone; other text is refused. */
const ISO_TEXT = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:?\d{2}))?$/;

const toDate = unary((value) => {
  if (value instanceof Date) return value;
  if (value instanceof ObjectId) return value.getTimestamp();
  if (isNumber(value)) return new Date(Math.trunc(toDouble(value)));
  if (typeof value !== 'string') throw unsupported(value, 'date');
  const date = ISO_TEXT.test(value) ? new Date(value.replace(/([+-]\d{2})(\d{2})$/, '$1:$2')) : undefined;
  if (!date || Number.isNaN(date.getTime()))
    throw failed(`'${value}' is no date that the embedded server reads`);
  return date;
});

const toObjectId = unary((value) => {
  if (value instanceof ObjectId) return value;
  if (typeof value !== 'string') throw unsupported(value, 'objectId');
  if (!/^[0-9a-fA-F]{24}$/.test(value)) throw failed(`'${value}' is no ObjectId`);
  return ObjectId.createFromHexString(value.toLowerCase());
});

/** Type and conversion operators. `$convert` is not offered. */
export const typeOperators: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['$type', positional(1, 1, ([value]) => typeNameOf(value))],
  ['$isNumber', positional(1, 1, ([value]) => isNumber(value))],
  ['$toString', unary(toText)],
  ['$toBool', unary((value) => typeof value === 'string' || isTrue(value))],
  ['$toInt', toInteger(32, 'int')],
  ['$toLong', toInteger(64, 'long')],
  ['$toDouble', toDoubleValue],
  ['$toDecimal', toDecimalValue],
  ['$toDate', toDate],
  ['$toObjectId', toObjectId],
]);
