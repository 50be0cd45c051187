import { ObjectId } from 'bson';
import { compileExpression, type Variables } from './aggregate-expressions.js';
import { exactInteger, toDouble, truncateToInt64, type BsonNumber } from './bson-numbers.js';
import { compareRegexes, compareValues, sameValue } from './bson-order.js';
import { bytesOf, fieldsOf, isRegex, rankOf, typeNameOf, TypeRank, type Document } from './bson-types.js';
import { bytesToMask, isTruthy, parseFilter } from './match-parse.js';
import type { BitsOperator, FieldFilter, FieldTest, Filter } from './match-types.js';
import { walkPath } from './path.js';

export { parseFilter } from './match-parse.js';
export type { FieldFilter, FieldTest, Filter } from './match-types.js';

/** A compiled test of a document. */
export type Matcher = (document: Document) => boolean;
type ValueTest = (value: unknown) => boolean;
/** `let` variables that `$expr` may read as `$$name`. */
export type MatchOptions = { readonly let?: Variables };

/**
 * Compiles a filter to a predicate with MongoDB's semantics of arrays, null and types.
 * @throws CommandError as `parseFilter`
 */
export function compileFilter(filter: Document, options: MatchOptions = {}): Matcher {
  return compileParsed(parseFilter(filter), options);
}

/** Compiles a filter that is parsed already. */
export function compileParsed(filter: Filter, options: MatchOptions = {}): Matcher {
  switch (filter.kind) {
    case 'field':
      return compileField(filter, options);
    case 'not': {
      const child = compileParsed(filter.child, options);
      return (document) => !child(document);
    }
    case 'expr': {
      const evaluate = compileExpression(filter.expression, options.let);
      return (document) => isTruthy(evaluate(document));
    }
    default: {
      const tests = filter.children.map((child) => compileParsed(child, options));
      return combine(filter.kind, tests);
    }
  }
}

function combine<T>(
  kind: 'and' | 'or' | 'nor',
  tests: readonly ((value: T) => boolean)[],
): (value: T) => boolean {
  if (kind === 'or') return (value) => tests.some((test) => test(value));
  if (kind === 'nor') return (value) => !tests.some((test) => test(value));
  if (tests.length === 1) return tests[0]!;
  return (value) => tests.every((test) => test(value));
}

function compileField(filter: FieldFilter, options: MatchOptions): Matcher {
  const test = compileTest(filter, options);
  const whole = filter.op === '$size' || filter.op === '$elemMatch';
  const parts = filter.path.split('.');
  const visit = (value: unknown, expandable: boolean): boolean =>
    (!whole && expandable && Array.isArray(value) && value.some(test)) || test(value);
  if (parts.length > 1) return (document) => walkPath(document, parts, 0, visit);
  const key = filter.path;
  return (document) => visit(Object.hasOwn(document, key) ? document[key] : undefined, true);
}

/** A filter over one array element: its field tests look at the element itself and do not expand it. */
function compileElement(filter: Filter, options: MatchOptions): ValueTest {
  switch (filter.kind) {
    case 'field':
      return compileTest(filter, options);
    case 'not': {
      const child = compileElement(filter.child, options);
      return (value) => !child(value);
    }
    case 'expr':
      throw new Error('An expression cannot stand inside $elemMatch');
    default:
      return combine(
        filter.kind,
        filter.children.map((child) => compileElement(child, options)),
      );
  }
}

function compileTest(test: FieldTest, options: MatchOptions): ValueTest {
  switch (test.op) {
    case '$eq':
      return equalTest(test.value);
    case '$gt':
      return orderTest(test.value, (order) => order > 0);
    case '$gte':
      return orderTest(test.value, (order) => order >= 0);
    case '$lt':
      return orderTest(test.value, (order) => order < 0);
    case '$lte':
      return orderTest(test.value, (order) => order <= 0);
    case '$in':
      return inTest(test.values, test.regexes);
    case '$regex':
      return regexTest(test.regex);
    case '$exists':
      return (value) => value !== undefined;
    case '$type':
      return (value) => value !== undefined && test.types.has(typeNameOf(value));
    case '$size':
      return (value) => Array.isArray(value) && value.length === test.size;
    case '$mod':
      return (value) => remainderOf(value, test.divisor) === test.remainder;
    case '$elemMatch':
      return elemMatchTest(test.element, test.child, options);
    default:
      return bitsTest(test.op, test.mask);
  }
}

function equalTest(expected: unknown): ValueTest {
  if (expected === null || expected === undefined) return (value) => value === null || value === undefined;
  if (typeof expected === 'string') {
    return (value) => value === expected || (typeof value === 'object' && sameValue(value, expected));
  }
  if (typeof expected === 'boolean') return (value) => value === expected;
  return (value) => value !== undefined && sameValue(value, expected);
}

/**
 * A comparison stays within the type of its operand, except for MinKey and MaxKey. NaN is in order only with
 * itself.
 */
function orderTest(expected: unknown, accept: (order: number) => boolean): ValueTest {
  const rank = rankOf(expected);
  const across = rank === TypeRank.minKey || rank === TypeRank.maxKey;
  const expectedNaN = isNaNValue(expected);
  return (value) => {
    if (rankOf(value) !== rank)
      return across && value !== undefined && accept(compareValues(value, expected));
    if (rank === TypeRank.number && (expectedNaN || isNaNValue(value))) {
      return expectedNaN && isNaNValue(value) && accept(0);
    }
    return accept(compareValues(value, expected));
  };
}

const isNaNValue = (value: unknown): boolean =>
  typeof value === 'number'
    ? Number.isNaN(value)
    : rankOf(value) === TypeRank.number && Number.isNaN(toDouble(value as BsonNumber));

type Regex = Extract<FieldTest, { op: '$regex' }>['regex'];

/** A regex finds text in strings, and equals a stored regex of the same pattern and options. */
function regexTest(regex: Regex): ValueTest {
  return (value) =>
    typeof value === 'string' ? regex.test(value) : isRegex(value) && compareRegexes(value, regex) === 0;
}

function inTest(values: readonly unknown[], regexes: readonly Regex[]): ValueTest {
  const direct = new Set<unknown>();
  const objectIds = new Set<string>();
  const tests: ValueTest[] = regexes.map(regexTest);
  for (const value of values) {
    if (isRegex(value)) continue;
    if (value instanceof ObjectId) objectIds.add(value.toHexString());
    else if (typeof value === 'string' || typeof value === 'boolean') direct.add(value);
    else if (typeof value === 'number') {
      direct.add(value);
      tests.push((other) => typeof other === 'object' && sameValue(other, value));
    } else tests.push(equalTest(value));
  }
  return (value) => {
    if (direct.has(value)) return true;
    if (value instanceof ObjectId && objectIds.has(value.toHexString())) return true;
    return tests.some((test) => test(value));
  };
}

function remainderOf(value: unknown, divisor: bigint): bigint | undefined {
  if (rankOf(value) !== TypeRank.number) return undefined;
  const whole = truncateToInt64(value as BsonNumber);
  return whole === undefined ? undefined : whole % divisor;
}

function elemMatchTest(element: 'value' | 'document', child: Filter, options: MatchOptions): ValueTest {
  if (element === 'value') {
    const test = compileElement(child, options);
    return (value) => Array.isArray(value) && value.some(test);
  }
  const matches = compileParsed(child, options);
  return (value) =>
    Array.isArray(value) &&
    value.some((entry) => {
      const fields = Array.isArray(entry) ? indexedFields(entry) : fieldsOf(entry);
      return fields !== undefined && matches(fields);
    });
}

/** An array inside an array answers `$elemMatch` as a document whose fields are its indexes. */
const indexedFields = (array: readonly unknown[]): Document =>
  Object.fromEntries(array.map((value, i) => [String(i), value]));

/** Bits of an integer in two's complement, or of bytes with zeros above; other values never match. */
function bitsTest(op: BitsOperator, mask: bigint): ValueTest {
  return (value) => {
    const rank = rankOf(value);
    let bits: bigint | undefined;
    if (rank === TypeRank.number) bits = exactInteger(value as BsonNumber);
    else if (rank === TypeRank.binary) bits = bytesToMask(bytesOf(value));
    if (bits === undefined) return false;
    const common = bits & mask;
    if (op === '$bitsAllSet') return common === mask;
    if (op === '$bitsAllClear') return common === 0n;
    return op === '$bitsAnySet' ? common !== 0n : common !== mask;
  };
}
