import { exactInteger, truncateToInt64, type BsonNumber } from './bson-numbers.js';
import {
  bytesOf,
  describeValue,
  fieldsOf,
  isDocument,
  isRegex,
  rankOf,
  TypeRank,
  type Document,
} from './bson-types.js';
import { badValue, failedToParse, notSupported, serverError } from './errors.js';
import type { BitsOperator, FieldFilter, FieldTest, Filter } from './match-types.js';
import { compileRegex, type ServerRegex } from './regex.js';

/** MongoDB's numbers for the type names of `$type`. */
const TYPE_NUMBERS: ReadonlyMap<number, string> = new Map([
  [1, 'double'],
  [2, 'string'],
  [3, 'object'],
  [4, 'array'],
  [5, 'binData'],
  [6, 'undefined'],
  [7, 'objectId'],
  [8, 'bool'],
  [9, 'date'],
  [10, 'null'],
  [11, 'regex'],
  [12, 'dbPointer'],
  [13, 'javascript'],
  [14, 'symbol'],
  [15, 'javascriptWithScope'],
  [16, 'int'],
  [17, 'timestamp'],
  [18, 'long'],
  [19, 'decimal'],
  [-1, 'minKey'],
  [127, 'maxKey'],
]);
const TYPE_NAMES: ReadonlySet<string> = new Set([...TYPE_NUMBERS.values(), 'number']);

/** Real operators that are refused here by name, so that nobody takes a refusal for a typing mistake. */
const REFUSED = new Set([
  '$where',
  '$text',
  '$jsonSchema',
  '$geoWithin',
  '$geoIntersects',
  '$near',
  '$nearSphere',
  '$within',
  '$geoNear',
  '$sampleRate',
  '$rand',
  '$_internalSchemaType',
]);
const LOGICAL = new Set(['$and', '$or', '$nor']);
const DBREF_FIELDS = new Set(['$ref', '$id', '$db']);

const and = (children: readonly Filter[]): Filter =>
  children.length === 1 ? children[0]! : { kind: 'and', children };
const not = (child: Filter): Filter => ({ kind: 'not', child });
const field = (path: string, test: FieldTest): FieldFilter => ({ kind: 'field', path, ...test });

/** True when a value after a field name is operators (`{$gt: 1}`) and not a literal to equal. */
export function isOperatorDocument(value: unknown): value is Document {
  if (!isDocument(value)) return false;
  const first = Object.keys(value)[0];
  return first !== undefined && first.startsWith('$') && !DBREF_FIELDS.has(first);
}

/**
 * Reads a filter into its tree.
 * @throws CommandError 2 or 9 for what MongoDB rejects, 115 for operators that only this server lacks
 */
export function parseFilter(filter: Document): Filter {
  const children: Filter[] = [];
  for (const key of Object.keys(filter)) {
    if (key === '$comment') continue;
    const value = filter[key];
    if (key.startsWith('$') && !DBREF_FIELDS.has(key)) children.push(parseTopLevel(key, value));
    else children.push(...parseField(key, value));
  }
  return and(children);
}

function parseTopLevel(key: string, value: unknown): Filter {
  if (LOGICAL.has(key)) {
    const children = parseList(key, value);
    if (key === '$and') return { kind: 'and', children };
    return { kind: key === '$or' ? 'or' : 'nor', children };
  }
  if (key === '$expr') return { kind: 'expr', expression: value };
  if (REFUSED.has(key)) throw notSupported(`The query operator ${key}`);
  throw badValue(
    `unknown top level operator: ${key}. If you have a field name that starts with a '$' symbol, ` +
      'consider using $getField or $setField.',
  );
}

function parseList(key: string, value: unknown): Filter[] {
  if (!Array.isArray(value)) throw badValue(`${key} must be an array`);
  if (value.length === 0) throw badValue('$and/$or/$nor must be a nonempty array');
  return value.map((entry) => {
    if (!isDocument(entry)) throw badValue('$or/$and/$nor entries need to be full objects');
    return parseFilter(entry);
  });
}

function parseField(path: string, value: unknown): Filter[] {
  if (isOperatorDocument(value)) return parseOperators(path, value);
  if (isRegex(value)) return [regexField(path, value, compileRegex(value))];
  return [field(path, { op: '$eq', value })];
}

const regexField = (path: string, value: unknown, regex: ServerRegex): Filter =>
  field(path, { op: '$regex', regex, value });

function parseOperators(path: string, operators: Document): Filter[] {
  const filters: Filter[] = [];
  for (const op of Object.keys(operators)) {
    if (op === '$options') {
      if (!Object.hasOwn(operators, '$regex')) throw badValue('$options needs a $regex');
    } else {
      filters.push(parseOperator(path, op, operators[op], operators));
    }
  }
  return filters;
}

function parseOperator(path: string, op: string, value: unknown, siblings: Document): Filter {
  switch (op) {
    case '$eq':
      return field(path, { op, value });
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      if (isRegex(value)) throw badValue(`Can't have RegEx as arg to predicate over field '${path}'.`);
      return field(path, { op, value });
    case '$ne':
      if (isRegex(value)) throw badValue("Can't have regex as arg to $ne.");
      return not(field(path, { op: '$eq', value }));
    case '$in':
      return parseIn(path, op, value);
    case '$nin':
      return not(parseIn(path, op, value));
    case '$exists':
      return isTruthy(value) ? field(path, { op }) : not(field(path, { op }));
    case '$regex':
      return parseRegexOperator(path, value, siblings);
    case '$not':
      return parseNot(path, value);
    case '$all':
      return parseAll(path, value);
    case '$elemMatch':
      return parseElemMatch(path, value);
    default:
      return field(path, parseOtherTest(op, value));
  }
}

/** Tests that say something about the form of a value rather than its order. */
function parseOtherTest(op: string, value: unknown): FieldTest {
  switch (op) {
    case '$type':
      return { op, types: parseTypes(value) };
    case '$size':
      return { op, size: parseSize(value) };
    case '$mod':
      return parseMod(value);
    case '$bitsAllSet':
    case '$bitsAllClear':
    case '$bitsAnySet':
    case '$bitsAnyClear':
      return { op, mask: parseMask(op, value) };
    default:
      if (REFUSED.has(op)) throw notSupported(`The query operator ${op}`);
      throw badValue(`unknown operator: ${op}`);
  }
}

/** MongoDB's truth of a value: everything but false, null, a missing value and zero. */
export function isTruthy(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return false;
  return rankOf(value) !== TypeRank.number || truncateOrNaN(value as BsonNumber);
}

const truncateOrNaN = (value: BsonNumber): boolean => exactInteger(value) !== 0n;

function parseIn(path: string, op: string, value: unknown): Filter {
  if (!Array.isArray(value)) throw badValue(`${op} needs an array`);
  const values: unknown[] = [];
  const regexes: ServerRegex[] = [];
  for (const entry of value as unknown[]) {
    if (isOperatorDocument(entry)) throw badValue('cannot nest $ under $in');
    if (isRegex(entry)) regexes.push(compileRegex(entry));
    values.push(entry);
  }
  return field(path, { op: '$in', values, regexes });
}

function parseRegexOperator(path: string, value: unknown, siblings: Document): Filter {
  const options = siblings['$options'];
  if (typeof value !== 'string' && !isRegex(value)) throw badValue('$regex has to be a string');
  if (options !== undefined && typeof options !== 'string') throw badValue('$options has to be a string');
  const regex = compileRegex(value, options);
  if (isRegex(value) && options !== undefined && regex.options !== compileRegex(value).options) {
    if (compileRegex(value).options !== '')
      throw serverError(51075, 'options set in both $regex and $options');
  }
  return regexField(path, value, regex);
}

function parseNot(path: string, value: unknown): Filter {
  if (isRegex(value)) return not(regexField(path, value, compileRegex(value)));
  if (!isDocument(value)) throw badValue('$not needs a regex or a document');
  if (Object.keys(value).length === 0) throw badValue('$not cannot be empty');
  if (!isOperatorDocument(value)) throw badValue(`unknown operator: ${Object.keys(value)[0]}`);
  return not(and(parseOperators(path, value)));
}

/** `$all` is a conjunction; its members are literals, regexes, or `$elemMatch` documents only. */
function parseAll(path: string, value: unknown): Filter {
  if (!Array.isArray(value)) throw badValue('$all needs an array');
  if (value.length === 0) return { kind: 'or', children: [] };
  const matchers = value.filter((entry) => isDocument(entry) && Object.hasOwn(entry, '$elemMatch')).length;
  if (matchers !== 0 && matchers !== value.length) throw badValue('no $ expressions in $all');
  const children = (value as unknown[]).map((entry) => {
    if (matchers !== 0) return and(parseOperators(path, entry as Document));
    if (isOperatorDocument(entry)) throw badValue('no $ expressions in $all');
    return isRegex(entry)
      ? regexField(path, entry, compileRegex(entry))
      : field(path, { op: '$eq', value: entry });
  });
  return and(children);
}

function parseElemMatch(path: string, value: unknown): Filter {
  if (!isDocument(value)) throw badValue('$elemMatch needs an Object');
  const first = Object.keys(value)[0];
  const byValue =
    isOperatorDocument(value) && !LOGICAL.has(first!) && first !== '$expr' && first !== '$comment';
  if (!byValue) {
    const child = parseFilter(value);
    if (containsExpr(child)) throw badValue('$expr can only be applied to the top-level document');
    return field(path, { op: '$elemMatch', element: 'document', child });
  }
  return field(path, { op: '$elemMatch', element: 'value', child: and(parseOperators('', value)) });
}

function containsExpr(filter: Filter): boolean {
  if (filter.kind === 'expr') return true;
  if (filter.kind === 'field') return false;
  return filter.kind === 'not' ? containsExpr(filter.child) : filter.children.some(containsExpr);
}

function parseTypes(value: unknown): ReadonlySet<string> {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw failedToParse('$type must match at least one type');
  const types = new Set<string>();
  for (const entry of list) {
    const name = typeof entry === 'string' ? entry : typeOfNumber(entry);
    if (name === undefined || !TYPE_NAMES.has(name)) {
      throw badValue(`Unknown type name alias: ${describeValue(entry)}`);
    }
    types.add(name);
  }
  if (types.has('number')) for (const name of ['int', 'long', 'double', 'decimal']) types.add(name);
  return types;
}

function typeOfNumber(value: unknown): string | undefined {
  if (rankOf(value) !== TypeRank.number)
    throw serverError(14, 'type must be represented as a number or a string');
  const code = exactInteger(value as BsonNumber);
  return code === undefined ? undefined : TYPE_NUMBERS.get(Number(code));
}

function parseSize(value: unknown): number {
  const size = rankOf(value) === TypeRank.number ? exactInteger(value as BsonNumber) : undefined;
  if (size === undefined) {
    throw failedToParse(`Failed to parse $size. Expected an integer in: $size: ${describeValue(value)}`);
  }
  if (size < 0n) {
    throw failedToParse(`Failed to parse $size. Expected a non-negative number in: $size: ${size}`);
  }
  return Number(size);
}

function parseMod(value: unknown): FieldTest {
  if (!Array.isArray(value)) throw badValue('malformed mod, needs to be an array');
  if (value.length < 2) throw badValue('malformed mod, not enough elements');
  if (value.length > 2) throw badValue('malformed mod, too many elements');
  const numbers = (value as unknown[]).map((entry) =>
    rankOf(entry) === TypeRank.number ? truncateToInt64(entry as BsonNumber) : undefined,
  );
  const [divisor, remainder] = numbers;
  if (divisor === undefined) throw badValue('malformed mod, divisor not a number');
  if (remainder === undefined) throw badValue('malformed mod, remainder not a number');
  if (divisor === 0n) throw badValue('divisor cannot be 0');
  return { op: '$mod', divisor, remainder };
}

/** A bit mask from a number, a list of bit positions, or bytes (least significant first). */
function parseMask(op: BitsOperator, value: unknown): bigint {
  if (Array.isArray(value)) {
    let mask = 0n;
    for (const entry of value as unknown[]) {
      const bit = rankOf(entry) === TypeRank.number ? exactInteger(entry as BsonNumber) : undefined;
      if (bit === undefined || bit < 0n || bit > 0x7fffffffn) {
        throw badValue(`Failed to parse bit position. Expected a non-negative integer in: ${op}`);
      }
      mask |= 1n << bit;
    }
    return mask;
  }
  if (rankOf(value) === TypeRank.number) {
    const mask = exactInteger(value as BsonNumber);
    if (mask !== undefined && mask >= 0n) return mask;
    throw failedToParse(`Expected a non-negative integer in: ${op}: ${describeValue(value)}`);
  }
  if (rankOf(value) === TypeRank.binary) return bytesToMask(bytesOf(value));
  throw badValue(`${op} takes an Array, a number, or a BinData but received: ${describeValue(value)}`);
}

/** Bytes as an unsigned integer, the first byte least significant. */
export function bytesToMask(bytes: Uint8Array): bigint {
  let mask = 0n;
  for (let i = bytes.length - 1; i >= 0; i -= 1) mask = (mask << 8n) | BigInt(bytes[i]!);
  return mask;
}

/** The fields of a filter document, for callers that hold an unchecked value. @throws CommandError 14 */
export function filterDocument(value: unknown, name = 'filter'): Document {
  const fields = fieldsOf(value);
  if (!fields) throw serverError(14, `BSON field '${name}' is the wrong type, expected type 'object'`);
  return fields;
}
