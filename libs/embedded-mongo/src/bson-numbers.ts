import { Decimal128, Double, Int32, Long } from 'bson';
import { serverError } from './errors.js';

/** An exact number: `digits * 10^exponent`. */
type Exact = { readonly digits: bigint; readonly exponent: number };
/** Any decoded BSON number. */
export type BsonNumber = number | bigint | Long | Int32 | Double | Decimal128;

const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

/** The nearest double; monotone, so it may decide an order but not an equality. */
export function toDouble(value: BsonNumber): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Int32 || value instanceof Double) return value.value;
  return Number(value.toString());
}

/** True for a value whose type is one of BSON's integers; integral doubles count, see `typeNameOf`. */
function asInteger(value: BsonNumber): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (value instanceof Long) return value.toBigInt();
  if (value instanceof Decimal128) return undefined;
  const double = toDouble(value);
  return Number.isSafeInteger(double) ? BigInt(double) : undefined;
}

/**
 * The integer part of a number, towards zero, or undefined when it is not finite or outside 64 bits.
 */
export function truncateToInt64(value: BsonNumber): bigint | undefined {
  const direct = asInteger(value);
  if (direct !== undefined) return direct;
  if (!(value instanceof Decimal128)) {
    const double = Math.trunc(toDouble(value));
    if (!Number.isFinite(double)) return undefined;
    const whole = BigInt(double);
    return whole > MAX_INT64 || whole < MIN_INT64 ? undefined : whole;
  }
  if (!Number.isFinite(toDouble(value))) return undefined;
  const { digits, exponent } = exactDecimal(value);
  if (exponent > 40) return undefined;
  const whole = exponent >= 0 ? digits * 10n ** BigInt(exponent) : digits / 10n ** BigInt(-exponent);
  return whole > MAX_INT64 || whole < MIN_INT64 ? undefined : whole;
}

/** An exact integer of any BSON number type, or undefined when the number has a fraction or is not finite. */
export function exactInteger(value: BsonNumber): bigint | undefined {
  const whole = truncateToInt64(value);
  return whole !== undefined && compareNumbers(whole, value) === 0 ? whole : undefined;
}

function exactDecimal(value: Decimal128): Exact {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(value.toString());
  if (!match) throw serverError(2, `Not a finite decimal: ${value.toString()}`);
  const fraction = match[3] ?? '';
  const digits = BigInt(`${match[2] ?? ''}${fraction}` || '0');
  return { digits: match[1] === '-' ? -digits : digits, exponent: Number(match[4] ?? 0) - fraction.length };
}

/** The exact decimal expansion of a finite double: its binary fraction `m / 2^k` is `m * 5^k / 10^k`. */
function exactDouble(value: number): Exact {
  if (Number.isInteger(value)) return { digits: BigInt(value), exponent: 0 };
  let shift = 0;
  let mantissa = value;
  while (!Number.isInteger(mantissa)) {
    const step = Math.abs(mantissa) < 2 ** -500 ? 500 : 1;
    mantissa *= 2 ** step;
    shift += step;
  }
  return { digits: BigInt(mantissa) * 5n ** BigInt(shift), exponent: -shift };
}

function exactOf(value: BsonNumber): Exact {
  if (typeof value === 'bigint') return { digits: value, exponent: 0 };
  if (value instanceof Long) return { digits: value.toBigInt(), exponent: 0 };
  if (value instanceof Decimal128) return exactDecimal(value);
  return exactDouble(toDouble(value));
}

function subtractExact(a: Exact, b: Exact): Exact {
  const exponent = Math.min(a.exponent, b.exponent);
  const left = a.digits * 10n ** BigInt(a.exponent - exponent);
  const right = b.digits * 10n ** BigInt(b.exponent - exponent);
  return { digits: left - right, exponent };
}

function compareDoubles(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
}

const finiteDouble = (value: BsonNumber): number => {
  const double = toDouble(value);
  if (Number.isFinite(double) || Number.isNaN(double) || isInfinite(value)) return double;
  return double > 0 ? Number.MAX_VALUE : -Number.MAX_VALUE;
};

const isInfinite = (value: BsonNumber): boolean =>
  value instanceof Decimal128 ? /inf/i.test(value.toString()) : Math.abs(toDouble(value)) === Infinity;

/** Exact order across int, long, double and decimal; NaN is below every number and equal to itself. */
export function compareNumbers(a: BsonNumber, b: BsonNumber): number {
  if (typeof a === 'number' && typeof b === 'number') return compareDoubles(a, b);
  const x = finiteDouble(a);
  const y = finiteDouble(b);
  if (x !== y || !Number.isFinite(x)) return compareDoubles(x, y);
  const { digits } = subtractExact(exactOf(a), exactOf(b));
  return digits < 0n ? -1 : digits > 0n ? 1 : 0;
}

/**
 * Bytes whose unsigned order is `compareNumbers`: the nearest double (8 bytes, sign folded), then 0x80 when
 * that double is exact, else below or above 0x80 with the signed remainder (exponent and digits).
 */
export function encodeNumber(value: BsonNumber): Buffer {
  const double = finiteDouble(value);
  if (typeof value !== 'number' && Number.isFinite(double)) {
    const rest = subtractExact(exactOf(value), exactDouble(double));
    if (rest.digits !== 0n) return Buffer.concat([encodeDouble(double), encodeRemainder(rest)]);
  }
  return encodeExact(double, 0);
}

/** `encodeNumber` of a double, with a number of bytes left free in front. */
export function encodeExact(double: number, room: number): Buffer {
  const bytes = Buffer.allocUnsafe(room + 9);
  writeDouble(bytes, room, double);
  bytes[room + 8] = 0x80;
  return bytes;
}

function encodeDouble(double: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  writeDouble(bytes, 0, double);
  return bytes;
}

function writeDouble(bytes: Buffer, at: number, double: number): void {
  if (Number.isNaN(double)) {
    bytes.fill(0, at, at + 8);
    return;
  }
  bytes.writeDoubleBE(double === 0 ? 0 : double, at);
  if (bytes[at]! & 0x80) for (let i = at; i < at + 8; i += 1) bytes[i] = ~bytes[i]! & 0xff;
  else bytes[at]! |= 0x80;
}

function encodeRemainder({ digits, exponent }: Exact): Buffer {
  const negative = digits < 0n;
  const text = (negative ? -digits : digits).toString();
  const significant = text.replace(/0+$/, '');
  const bytes = Buffer.alloc(3 + significant.length + 1);
  bytes[0] = 0x81;
  bytes.writeUInt16BE(exponent + text.length + 0x8000, 1);
  bytes.write(significant, 3, 'latin1');
  if (negative) for (let i = 0; i < bytes.length; i += 1) bytes[i] = ~bytes[i]! & 0xff;
  return bytes;
}

const toLong = (value: bigint): number | Long =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    ? Number(value)
    : Long.fromBigInt(value);

/**
 * A decimal is exact in 34 digits, so results are rounded half to even as IEEE 754-2008 asks.
 * @throws CommandError 15 when the result has no decimal128 form
 */
function toDecimal({ digits, exponent }: Exact): Decimal128 {
  let magnitude = digits < 0n ? -digits : digits;
  let power = exponent;
  const excess = magnitude.toString().length - 34;
  if (excess > 0) {
    const unit = 10n ** BigInt(excess);
    const rest = magnitude % unit;
    magnitude /= unit;
    power += excess;
    if (rest * 2n > unit || (rest * 2n === unit && magnitude % 2n === 1n)) magnitude += 1n;
  }
  const text = `${digits < 0n ? '-' : ''}${magnitude}E${power}`;
  try {
    return Decimal128.fromString(text);
  } catch {
    throw serverError(15, `Decimal result out of range: ${text}`);
  }
}

/** A double takes part in decimal arithmetic with 15 significant digits, as on the server. */
const asDecimalOperand = (value: BsonNumber): Exact =>
  value instanceof Decimal128 || asInteger(value) !== undefined
    ? exactOf(value)
    : exactDecimal(
        Decimal128.fromString(
          toDouble(value)
            .toPrecision(15)
            .replace(/(\.\d*?)0+(e|$)/, '$1$2'),
        ),
      );

/**
 * `a + b` or `a * b` with MongoDB's type rules: decimal wins over double, double over integers; integers stay
 * exact.
 * @returns undefined when a 64-bit integer overflows
 */
export function arithmetic(kind: 'add' | 'multiply', a: BsonNumber, b: BsonNumber): BsonNumber | undefined {
  if (a instanceof Decimal128 || b instanceof Decimal128) return decimalArithmetic(kind, a, b);
  const x = asInteger(a);
  const y = asInteger(b);
  if (x === undefined || y === undefined) {
    return kind === 'add' ? toDouble(a) + toDouble(b) : toDouble(a) * toDouble(b);
  }
  const result = kind === 'add' ? x + y : x * y;
  return result > MAX_INT64 || result < MIN_INT64 ? undefined : toLong(result);
}

function decimalArithmetic(kind: 'add' | 'multiply', a: BsonNumber, b: BsonNumber): Decimal128 {
  const special = [a, b].some((value) => isInfinite(value) || Number.isNaN(toDouble(value)));
  if (special) {
    const bounded = [a, b].map((value) => (isInfinite(value) ? toDouble(value) : Math.sign(toDouble(value))));
    const [x = 0, y = 0] = bounded;
    return Decimal128.fromString(String(kind === 'add' ? x + y : x * y));
  }
  const x = asDecimalOperand(a);
  const y = asDecimalOperand(b);
  if (kind === 'multiply')
    return toDecimal({ digits: x.digits * y.digits, exponent: x.exponent + y.exponent });
  return toDecimal(subtractExact(x, { digits: -y.digits, exponent: y.exponent }));
}

/** A bitwise operation on 32- or 64-bit integers, two's complement. */
export function bitwise(kind: 'and' | 'or' | 'xor', a: bigint, b: bigint): number | Long {
  const result = kind === 'and' ? a & b : kind === 'or' ? a | b : a ^ b;
  return toLong(BigInt.asIntN(64, result));
}
