import { addNumbers } from './aggregate-operators-arithmetic.js';
import { isNullish, isNumber } from './aggregate-values.js';
import { Decimal128 } from 'bson';
import { exactInteger, toDouble, type BsonNumber } from './bson-numbers.js';
import { compareValues, encodeKey } from './bson-order.js';
import { fieldsOf, isDocument, setOwn, typeNameOf, type Document } from './bson-types.js';
import { notSupported, serverError } from './errors.js';

/** The running state of one accumulator in one group. */
export type Accumulation = { add(value: unknown): void; result(): unknown };
type Accumulator = (argument: unknown) => { readonly argument: unknown; readonly start: () => Accumulation };

/** Sums numbers exactly and skips everything else. */
export function sumOf(): Accumulation {
  let sum: BsonNumber = 0;
  return {
    add: (value) => {
      if (isNumber(value)) sum = addNumbers(sum, value);
    },
    result: () => sum,
  };
}

/** The mean of the numbers; null when there are none. */
export function averageOf(): Accumulation {
  let sum: BsonNumber = 0;
  let count = 0;
  return {
    add: (value) => {
      if (!isNumber(value)) return;
      if (value instanceof Decimal128) throw notSupported('$avg of a decimal');
      sum = addNumbers(sum, value);
      count += 1;
    },
    result: () => (count === 0 ? null : toDouble(sum) / count),
  };
}

/** The smallest (-1) or largest (1) value; null and missing are skipped. */
export function extremeOf(direction: 1 | -1): Accumulation {
  let best: unknown = null;
  return {
    add: (value) => {
      if (isNullish(value)) return;
      if (best === null || compareValues(value, best) * direction > 0) best = value;
    },
    result: () => best,
  };
}

function firstValue(): Accumulation {
  let seen = false;
  let first: unknown;
  return {
    add: (value) => {
      if (!seen) first = value;
      seen = true;
    },
    result: () => first ?? null,
  };
}

function lastValue(): Accumulation {
  let last: unknown;
  return { add: (value) => void (last = value), result: () => last ?? null };
}

function pushValues(): Accumulation {
  const values: unknown[] = [];
  return {
    add: (value) => {
      if (value !== undefined) values.push(value);
    },
    result: () => values,
  };
}

/** Distinct values in order of first appearance; MongoDB leaves the order open. */
function distinctValues(): Accumulation {
  const values = new Map<string, unknown>();
  return {
    add: (value) => {
      if (value === undefined) return;
      const key = encodeKey(value).toString('latin1');
      if (!values.has(key)) values.set(key, value);
    },
    result: () => [...values.values()],
  };
}

function mergedObjects(): Accumulation {
  const merged: Document = {};
  return {
    add: (value) => {
      if (isNullish(value)) return;
      const fields = fieldsOf(value);
      if (!fields)
        throw serverError(
          40400,
          `$mergeObjects requires object inputs, but input is of type ${typeNameOf(value)}`,
        );
      for (const key of Object.keys(fields)) setOwn(merged, key, fields[key]);
    },
    result: () => merged,
  };
}

const simple =
  (start: () => Accumulation): Accumulator =>
  (argument) => {
    if (Array.isArray(argument)) throw serverError(40237, 'A group accumulator is a unary operator');
    return { argument, start };
  };

const countDocuments: Accumulator = (argument) => {
  if (!isDocument(argument) || Object.keys(argument).length > 0) {
    throw serverError(9, '$count takes no arguments, i.e. $count:{}');
  }
  return { argument: 1, start: sumOf };
};

/** The accumulators of `$group`. */
export const accumulators: ReadonlyMap<string, Accumulator> = new Map([
  ['$sum', simple(sumOf)],
  ['$avg', simple(averageOf)],
  ['$min', simple(() => extremeOf(-1))],
  ['$max', simple(() => extremeOf(1))],
  ['$first', simple(firstValue)],
  ['$last', simple(lastValue)],
  ['$push', simple(pushValues)],
  ['$addToSet', simple(distinctValues)],
  ['$mergeObjects', simple(mergedObjects)],
  ['$count', countDocuments],
]);

/** An integer argument, for accumulators that take a size. */
export const integerArgument = (value: unknown): number | undefined => {
  const integer = isNumber(value) ? exactInteger(value) : undefined;
  return integer === undefined ? undefined : Number(integer);
};
