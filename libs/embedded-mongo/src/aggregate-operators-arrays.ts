import { averageOf, extremeOf, sumOf, type Accumulation } from './aggregate-accumulators.js';
import { isTrue } from './aggregate-operators-logic.js';
import { exactInteger, type BsonNumber } from './bson-numbers.js';
import { encodeKey, sameValue } from './bson-order.js';
import { fieldsOf, isDocument, setOwn, typeNameOf, type Document } from './bson-types.js';
import { serverError } from './errors.js';
import {
  isNullish,
  isNumber,
  named,
  positional,
  unary,
  withVariables,
  type Evaluate,
  type Operator,
  type OperatorContext,
} from './aggregate-values.js';

function requireArray(value: unknown, name: string, code: number): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw serverError(code, `${name} requires an array as argument, not ${typeNameOf(value)}`);
}

function requireIndex(value: unknown, name: string, code: number): number {
  const index = isNumber(value) ? exactInteger(value as BsonNumber) : undefined;
  if (index === undefined) throw serverError(code, `${name} requires an integer, found ${typeNameOf(value)}`);
  return Number(index);
}

const elementAtIndex = positional(2, 2, ([array, index], name) => {
  if (isNullish(array) || isNullish(index)) return null;
  return requireArray(array, name, 28689).at(requireIndex(index, name, 28690));
});

const slice = positional(2, 3, ([array, first, second], name) => {
  if (isNullish(array) || isNullish(first)) return null;
  const list = requireArray(array, name, 28724);
  const start = requireIndex(first, name, 28725);
  if (second === undefined) return start < 0 ? list.slice(start) : list.slice(0, start);
  if (second === null) return null;
  const count = requireIndex(second, name, 28727);
  if (count <= 0) throw serverError(28729, `Third argument to ${name} must be positive`);
  const from = start < 0 ? Math.max(0, list.length + start) : start;
  return list.slice(from, from + count);
});

const concatArrays = positional(0, Infinity, (values, name) => {
  if (values.some(isNullish)) return null;
  return values.flatMap((value) => [...requireArray(value, name, 28664)]);
});

const inArray = positional(2, 2, ([value, array], name) =>
  requireArray(array, name, 40081).some((element) => sameValue(element, value) && value !== undefined),
);

const indexOfArray = positional(2, 4, ([array, value, start = 0, end], name) => {
  if (isNullish(array)) return null;
  const list = requireArray(array, name, 40090);
  const from = requireIndex(start, name, 40096);
  const to = end === undefined ? list.length : Math.min(requireIndex(end, name, 40096), list.length);
  if (from < 0 || to < 0) throw serverError(40097, `${name} requires a nonnegative index`);
  for (let i = from; i < to; i += 1) if (value !== undefined && sameValue(list[i], value)) return i;
  return -1;
});

const MAX_RANGE = 1_000_000;

const range = positional(2, 3, (values, name) => {
  const [start = 0, end = 0, step = 1] = values.map((value) => requireIndex(value, name, 34443));
  if (step === 0) throw serverError(34449, `${name} requires a non-zero step value`);
  const length = Math.max(0, Math.ceil((end - start) / step));
  if (length > MAX_RANGE) throw serverError(146, `${name} would use too much memory`);
  return Array.from({ length }, (_, i) => start + i * step);
});

function boundName(argument: Document, key: string): string {
  const name = argument[key] ?? 'this';
  if (typeof name === 'string' && /^[a-z\u0080-\uffff][\w\u0080-\uffff]*$/.test(name)) return name;
  throw serverError(16867, `'${String(name)}' starts with an invalid character for a user variable name`);
}

function filterElements(argument: Document, { compile }: OperatorContext): Evaluate {
  const name = boundName(argument, 'as');
  const input = compile(argument['input']);
  const test = compile(argument['cond'], [name]);
  const limit = Object.hasOwn(argument, 'limit') ? compile(argument['limit']) : () => null;
  return (scope) => {
    const array = input(scope);
    if (isNullish(array)) return null;
    const most = limit(scope);
    const count = isNullish(most) ? Infinity : requireIndex(most, '$filter', 327391);
    if (count < 1) throw serverError(327392, '$filter: limit must be greater than 0');
    const kept: unknown[] = [];
    for (const element of requireArray(array, '$filter', 28651)) {
      if (kept.length >= count) break;
      if (isTrue(test(withVariables(scope, { [name]: element })))) kept.push(element);
    }
    return kept;
  };
}

function mapElements(argument: Document, { compile }: OperatorContext): Evaluate {
  const name = boundName(argument, 'as');
  const input = compile(argument['input']);
  const inner = compile(argument['in'], [name]);
  return (scope) => {
    const array = input(scope);
    if (isNullish(array)) return null;
    return requireArray(array, '$map', 16883).map(
      (element) => inner(withVariables(scope, { [name]: element })) ?? null,
    );
  };
}

function reduceElements(argument: Document, { compile }: OperatorContext): Evaluate {
  const input = compile(argument['input']);
  const initial = compile(argument['initialValue']);
  const inner = compile(argument['in'], ['this', 'value']);
  return (scope) => {
    const array = input(scope);
    if (isNullish(array)) return null;
    return requireArray(array, '$reduce', 40080).reduce<unknown>(
      (value, element) => inner(withVariables(scope, { this: element, value })),
      initial(scope),
    );
  };
}

const objectToArray = unary((value, name) => {
  const fields = fieldsOf(value);
  if (!fields) throw serverError(40390, `${name} requires a document input, found: ${typeNameOf(value)}`);
  return Object.keys(fields).map((k) => ({ k, v: fields[k] }));
});

const arrayToObject = unary((value, name) => {
  const result: Document = {};
  for (const entry of requireArray(value, name, 40386)) {
    const pair = Array.isArray(entry) ? entry : isDocument(entry) ? [entry['k'], entry['v']] : [];
    if (pair.length !== 2 || typeof pair[0] !== 'string') {
      throw serverError(40392, `${name} requires an array of [key, value] pairs or {k, v} documents`);
    }
    setOwn(result, pair[0], pair[1]);
  }
  return result;
});

const mergeObjects = positional(0, Infinity, (values, name) => {
  const merged: Document = {};
  const inputs = values.length === 1 && Array.isArray(values[0]) ? (values[0] as unknown[]) : values;
  for (const value of inputs) {
    if (isNullish(value)) continue;
    const fields = fieldsOf(value);
    if (!fields)
      throw serverError(40400, `${name} requires object inputs, but input is of type ${typeNameOf(value)}`);
    for (const key of Object.keys(fields)) setOwn(merged, key, fields[key]);
  }
  return merged;
});

const getField: Operator = (argument, { compile }) => {
  const spec: Document =
    isDocument(argument) && Object.hasOwn(argument, 'field') ? argument : { field: argument };
  const field = compile(spec['field']);
  const input = Object.hasOwn(spec, 'input') ? compile(spec['input']) : compile('$$CURRENT');
  return (scope) => {
    const key = field(scope);
    if (typeof key !== 'string')
      throw serverError(5654602, `$getField requires 'field' to evaluate to type String`);
    const value = input(scope);
    if (value === null) return null;
    const fields = fieldsOf(value);
    return fields && Object.hasOwn(fields, key) ? fields[key] : undefined;
  };
};

const keyOf = (value: unknown): string => encodeKey(value).toString('latin1');

function distinct(values: readonly unknown[]): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const value of values) {
    const key = keyOf(value);
    if (!found.has(key)) found.set(key, value);
  }
  return found;
}

/** Set operators answer in order of first appearance; MongoDB leaves the order open. */
const setUnion = positional(0, Infinity, (values, name) => {
  if (values.some(isNullish)) return null;
  return [...distinct(values.flatMap((value) => [...requireArray(value, name, 17043)])).values()];
});

const setIntersection = positional(0, Infinity, (values, name) => {
  if (values.some(isNullish)) return null;
  const [first, ...others] = values.map((value) => distinct(requireArray(value, name, 17047)));
  return [...(first ?? [])]
    .filter(([key]) => others.every((other) => other.has(key)))
    .map(([, value]) => value);
});

const setDifference = positional(2, 2, (values, name) => {
  if (values.some(isNullish)) return null;
  const [a, b] = values.map((value) => distinct(requireArray(value, name, 17048)));
  return [...a!].filter(([key]) => !b!.has(key)).map(([, value]) => value);
});

const setEquals = positional(2, Infinity, (values, name) => {
  const [first, ...others] = values.map((value) => distinct(requireArray(value, name, 17044)));
  return others.every(
    (other) => other.size === first!.size && [...other.keys()].every((key) => first!.has(key)),
  );
});

const setIsSubset = positional(2, 2, (values, name) => {
  const [a, b] = values.map((value) => distinct(requireArray(value, name, 17046)));
  return [...a!.keys()].every((key) => b!.has(key));
});

/**
 * `$sum`, `$avg`, `$min`, `$max` outside `$group`: over several arguments, or over the elements of one array.
 */
function overValues(start: () => Accumulation): Operator {
  return positional(0, Infinity, (values) => {
    const inputs = values.length === 1 && Array.isArray(values[0]) ? (values[0] as unknown[]) : values;
    const state = start();
    for (const value of inputs) state.add(value);
    return state.result();
  });
}

/** Array, set and object operators. */
export const arrayOperators: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['$arrayElemAt', elementAtIndex],
  ['$first', unary((value, name) => requireArray(value, name, 28689)[0])],
  ['$last', unary((value, name) => requireArray(value, name, 28689).at(-1))],
  ['$size', positional(1, 1, ([value], name) => requireArray(value, name, 17124).length)],
  ['$isArray', positional(1, 1, ([value]) => Array.isArray(value))],
  ['$slice', slice],
  ['$concatArrays', concatArrays],
  ['$in', inArray],
  ['$indexOfArray', indexOfArray],
  ['$range', range],
  ['$reverseArray', unary((value, name) => requireArray(value, name, 34435).toReversed())],
  ['$filter', named(['input', 'cond'], ['as', 'limit'], filterElements)],
  ['$map', named(['input', 'in'], ['as'], mapElements)],
  ['$reduce', named(['input', 'initialValue', 'in'], [], reduceElements)],
  ['$objectToArray', objectToArray],
  ['$arrayToObject', arrayToObject],
  ['$mergeObjects', mergeObjects],
  ['$getField', getField],
  ['$setUnion', setUnion],
  ['$setIntersection', setIntersection],
  ['$setDifference', setDifference],
  ['$setEquals', setEquals],
  ['$setIsSubset', setIsSubset],
  ['$anyElementTrue', positional(1, 1, ([value], name) => requireArray(value, name, 17041).some(isTrue))],
  ['$allElementsTrue', positional(1, 1, ([value], name) => requireArray(value, name, 17040).every(isTrue))],
  ['$sum', overValues(sumOf)],
  ['$avg', overValues(averageOf)],
  ['$min', overValues(() => extremeOf(-1))],
  ['$max', overValues(() => extremeOf(1))],
]);
