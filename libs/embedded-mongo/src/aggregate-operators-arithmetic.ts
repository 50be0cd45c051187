import { Decimal128, Long } from 'bson';
import { arithmetic, exactInteger, toDouble, type BsonNumber } from './bson-numbers.js';
import { typeNameOf } from './bson-types.js';
import { notSupported, serverError, typeMismatch } from './errors.js';
import { isNullish, isNumber, positional, unary, type Operator } from './aggregate-values.js';

function requireNumber(value: unknown, name: string): BsonNumber {
  if (!isNumber(value)) throw typeMismatch(`${name} only supports numeric types, not ${typeNameOf(value)}`);
  return value;
}

/** Adds; an integer sum beyond 64 bits becomes a double, as in MongoDB. */
export const addNumbers = (a: BsonNumber, b: BsonNumber): BsonNumber =>
  arithmetic('add', a, b) ?? toDouble(a) + toDouble(b);

const multiplyNumbers = (a: BsonNumber, b: BsonNumber): BsonNumber =>
  arithmetic('multiply', a, b) ?? toDouble(a) * toDouble(b);

const negate = (value: BsonNumber): BsonNumber => multiplyNumbers(value, -1);

/** Sums numbers and at most one date; the numbers are milliseconds then. */
function add(values: readonly unknown[], name: string): unknown {
  if (values.some(isNullish)) return null;
  let sum: BsonNumber = 0;
  let date: Date | undefined;
  for (const value of values) {
    if (value instanceof Date) {
      if (date) throw serverError(16612, 'only one date allowed in an $add expression');
      date = value;
    } else sum = addNumbers(sum, requireNumber(value, name));
  }
  return date ? new Date(date.getTime() + Math.trunc(toDouble(sum))) : sum;
}

function subtract([a, b]: readonly unknown[], name: string): unknown {
  if (isNullish(a) || isNullish(b)) return null;
  if (a instanceof Date && b instanceof Date) return a.getTime() - b.getTime();
  if (a instanceof Date) return new Date(a.getTime() - Math.trunc(toDouble(requireNumber(b, name))));
  return addNumbers(requireNumber(a, name), negate(requireNumber(b, name)));
}

function multiply(values: readonly unknown[], name: string): unknown {
  if (values.some(isNullish)) return null;
  return values.reduce<BsonNumber>(
    (product, value) => multiplyNumbers(product, requireNumber(value, name)),
    1,
  );
}

const refuseDecimal = (name: string, ...values: BsonNumber[]): void => {
  if (values.some((value) => value instanceof Decimal128)) throw notSupported(`${name} of a decimal`);
};

function divide([a, b]: readonly unknown[], name: string): unknown {
  if (isNullish(a) || isNullish(b)) return null;
  const dividend = requireNumber(a, name);
  const divisor = requireNumber(b, name);
  refuseDecimal(name, dividend, divisor);
  if (toDouble(divisor) === 0) throw serverError(2, "can't $divide by zero");
  return toDouble(dividend) / toDouble(divisor);
}

function modulo([a, b]: readonly unknown[], name: string): unknown {
  if (isNullish(a) || isNullish(b)) return null;
  const dividend = requireNumber(a, name);
  const divisor = requireNumber(b, name);
  refuseDecimal(name, dividend, divisor);
  if (toDouble(divisor) === 0) throw serverError(16610, "can't $mod by zero");
  const x = exactInteger(dividend);
  const y = exactInteger(divisor);
  if (x === undefined || y === undefined) return toDouble(dividend) % toDouble(divisor);
  return arithmetic('add', x % y, 0);
}

/** Rounds at a decimal place (`places` may be negative), `$round` half to even. */
function atPlace(round: (value: number) => number): Operator {
  return positional(1, 2, ([value, places = 0], name) => {
    if (isNullish(value) || isNullish(places)) return null;
    const number = requireNumber(value, name);
    refuseDecimal(name, number);
    const place = exactInteger(requireNumber(places, name));
    if (place === undefined || place < -20n || place > 100n) {
      throw serverError(51083, `cannot apply ${name} with precision value outside of [-20, 100]`);
    }
    if (number instanceof Long && place >= 0n) return number;
    const double = toDouble(number);
    if (!Number.isFinite(double) || (Number.isInteger(double) && place >= 0n)) return number;
    return shiftPlaces(round(shiftPlaces(double, Number(place))), -Number(place));
  });
}

/** Moves the decimal point in the text of a number, which adds no binary rounding error of its own. */
function shiftPlaces(value: number, places: number): number {
  const [digits, exponent = '0'] = String(value).split('e');
  return Number(`${digits}e${Number(exponent) + places}`);
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

const whole = (apply: (value: number) => number): Operator =>
  unary((value, name) => {
    const number = requireNumber(value, name);
    refuseDecimal(name, number);
    return number instanceof Long ? number : apply(toDouble(number));
  });

const real = (apply: (value: number) => number): Operator =>
  unary((value, name) => {
    const number = requireNumber(value, name);
    refuseDecimal(name, number);
    return apply(toDouble(number));
  });

function squareRoot(value: number): number {
  if (value < 0) throw serverError(28714, "$sqrt's argument must be greater than or equal to 0");
  return Math.sqrt(value);
}

const absolute = unary((value, name) => {
  const number = requireNumber(value, name);
  return toDouble(number) < 0 ? negate(number) : number;
});

const power = positional(2, 2, ([base, exponent], name) => {
  if (isNullish(base) || isNullish(exponent)) return null;
  const x = requireNumber(base, name);
  const y = requireNumber(exponent, name);
  refuseDecimal(name, x, y);
  if (toDouble(x) === 0 && toDouble(y) < 0)
    throw serverError(28764, '$pow cannot take a base of 0 and a negative exponent');
  return toDouble(x) ** toDouble(y);
});

/** Arithmetic operators. */
export const arithmeticOperators: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['$add', positional(0, Infinity, add)],
  ['$subtract', positional(2, 2, subtract)],
  ['$multiply', positional(0, Infinity, multiply)],
  ['$divide', positional(2, 2, divide)],
  ['$mod', positional(2, 2, modulo)],
  ['$abs', absolute],
  ['$ceil', whole(Math.ceil)],
  ['$floor', whole(Math.floor)],
  ['$round', atPlace(roundHalfEven)],
  ['$trunc', atPlace(Math.trunc)],
  ['$sqrt', real(squareRoot)],
  ['$pow', power],
]);
