import { exactInteger, type BsonNumber } from './bson-numbers.js';
import { compareValues, sameValue } from './bson-order.js';
import {
  cloneValue,
  describeValue,
  fieldsOf,
  isDocument,
  isRegex,
  rankOf,
  typeNameOf,
  TypeRank,
  type Document,
} from './bson-types.js';
import { badValue, failedToParse, typeMismatch } from './errors.js';
import { compileFilter } from './match.js';
import { compileSort } from './sort.js';
import { KEEP, set, type UpdateOperator } from './update-operators.js';

const LOGICAL = new Set(['$and', '$or', '$nor', '$expr', '$comment']);

const integerArgument = (value: unknown): bigint | undefined =>
  value !== undefined && rankOf(value) === TypeRank.number ? exactInteger(value as BsonNumber) : undefined;

const hasEach = (argument: unknown): argument is Document =>
  isDocument(argument) && Object.hasOwn(argument, '$each');

function eachOf(op: string, argument: Document): unknown[] {
  const each = argument['$each'];
  if (Array.isArray(each)) return each;
  throw badValue(`The argument to $each in ${op} must be an array but it was of type: ${typeNameOf(each)}`);
}

type PushPlan = {
  readonly items: readonly unknown[];
  readonly position: number | undefined;
  readonly slice: number | undefined;
  readonly sort: ((a: unknown, b: unknown) => number) | undefined;
};

function planPush(argument: unknown): PushPlan {
  if (!hasEach(argument))
    return { items: [argument], position: undefined, slice: undefined, sort: undefined };
  for (const key of Object.keys(argument)) {
    if (!['$each', '$slice', '$sort', '$position'].includes(key)) {
      throw badValue(`Unrecognized clause in $push: ${key}`);
    }
  }
  return {
    items: eachOf('$push', argument),
    position: wholeClause(argument, '$position', 'position'),
    slice: wholeClause(argument, '$slice', 'slice'),
    sort: Object.hasOwn(argument, '$sort') ? elementOrder(argument['$sort']) : undefined,
  };
}

function wholeClause(argument: Document, key: string, word: string): number | undefined {
  if (!Object.hasOwn(argument, key)) return undefined;
  const value = integerArgument(argument[key]);
  if (value === undefined) {
    throw badValue(
      `The value for $${word} must be an integer value but was given type: ${typeNameOf(argument[key])}`,
    );
  }
  return Number(value);
}

/** A direction sorts whole elements; a document sorts them by their fields. */
function elementOrder(spec: unknown): (a: unknown, b: unknown) => number {
  const direction = integerArgument(spec);
  if (direction === 1n || direction === -1n) return (a, b) => compareValues(a, b) * Number(direction);
  if (!isDocument(spec)) {
    throw badValue(
      'The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields',
    );
  }
  if (Object.keys(spec).length === 0)
    throw badValue('The $sort pattern is empty when it should be a set of fields.');
  for (const key of Object.keys(spec)) {
    const part = integerArgument(spec[key]);
    if (part !== 1n && part !== -1n) throw badValue('The $sort element value must be either 1 or -1');
  }
  const compare = compileSort(spec);
  return (a, b) => compare(fieldsOf(a) ?? {}, fieldsOf(b) ?? {});
}

function insertItems(array: unknown[], { items, position, slice, sort }: PushPlan): unknown[] {
  const at = position ?? array.length;
  array.splice(at < 0 ? Math.max(0, array.length + at) : at, 0, ...items.map(cloneValue));
  if (sort) array.sort(sort);
  if (slice === undefined) return array;
  return slice < 0 ? array.slice(slice) : array.slice(0, slice);
}

const push: UpdateOperator = {
  creates: true,
  prepare: (argument, path) => {
    const plan = planPush(argument);
    return (current, { idText }) => {
      if (current !== undefined && !Array.isArray(current)) {
        throw badValue(
          `The field '${path}' must be an array but is of type ${typeNameOf(current)} in document ` +
            `{${idText}}`,
        );
      }
      return set(insertItems([...((current as unknown[] | undefined) ?? [])], plan));
    };
  },
};

const addToSet: UpdateOperator = {
  creates: true,
  prepare: (argument, path) => {
    const items = hasEach(argument) ? eachOf('$addToSet', argument) : [argument];
    if (hasEach(argument)) {
      const unknown = Object.keys(argument).find((key) => key !== '$each');
      if (unknown !== undefined) {
        throw badValue(`Found unexpected fields after $each in $addToSet: ${describeValue(argument)}`);
      }
    }
    return (current) => {
      if (current !== undefined && !Array.isArray(current)) {
        throw badValue(
          `Cannot apply $addToSet to non-array field. Field named '${path}' has non-array type ` +
            typeNameOf(current),
        );
      }
      const array = [...((current as unknown[] | undefined) ?? [])];
      for (const item of items) {
        if (!array.some((member) => sameValue(member, item))) array.push(cloneValue(item));
      }
      return current !== undefined && array.length === (current as unknown[]).length ? KEEP : set(array);
    };
  },
};

const pop: UpdateOperator = {
  creates: false,
  prepare: (argument, path) => {
    const end = integerArgument(argument);
    if (end === undefined) throw failedToParse(`Expected a number in: ${path}: ${describeValue(argument)}`);
    if (end !== 1n && end !== -1n) throw failedToParse(`$pop expects 1 or -1, found: ${end}`);
    return (current) => {
      if (current === undefined) return KEEP;
      if (!Array.isArray(current)) {
        throw typeMismatch(`Path '${path}' contains an element of non-array type '${typeNameOf(current)}'`);
      }
      if (current.length === 0) return KEEP;
      return set(end === 1n ? current.slice(0, -1) : current.slice(1));
    };
  },
};

/**
 * What `$pull` removes: operators and regexes apply to the element, a plain document is a filter on elements
 * that are documents, and everything else must equal the element.
 */
function pullCondition(argument: unknown): (element: unknown) => boolean {
  if (isRegex(argument)) return wrapped(argument);
  if (!isDocument(argument)) return (element) => sameValue(element, argument);
  const first = Object.keys(argument)[0];
  if (first !== undefined && first.startsWith('$') && !LOGICAL.has(first)) return wrapped(argument);
  const matches = compileFilter(argument);
  return (element) => {
    const fields = fieldsOf(element);
    return fields !== undefined && matches(fields);
  };
}

function wrapped(condition: unknown): (element: unknown) => boolean {
  const matches = compileFilter({ element: condition });
  return (element) => matches({ element });
}

function removeWhere(removes: (element: unknown) => boolean): ReturnType<UpdateOperator['prepare']> {
  return (current) => {
    if (current === undefined) return KEEP;
    if (!Array.isArray(current)) throw badValue('Cannot apply $pull to a non-array value');
    const kept = current.filter((element) => !removes(element));
    return kept.length === current.length ? KEEP : set(kept);
  };
}

const pull: UpdateOperator = {
  creates: false,
  prepare: (argument) => removeWhere(pullCondition(argument)),
};

const pullAll: UpdateOperator = {
  creates: false,
  prepare: (argument) => {
    if (!Array.isArray(argument)) {
      throw badValue(`$pullAll requires an array argument but was given a ${typeNameOf(argument)}`);
    }
    return removeWhere((element) => argument.some((value) => sameValue(value, element)));
  },
};

/** Operators on arrays. */
export const arrayOperators: ReadonlyMap<string, UpdateOperator> = new Map([
  ['$push', push],
  ['$addToSet', addToSet],
  ['$pop', pop],
  ['$pull', pull],
  ['$pullAll', pullAll],
]);
