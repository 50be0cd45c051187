import { exactInteger, type BsonNumber } from './bson-numbers.js';
import { compareValues } from './bson-order.js';
import { fieldsOf, isDocument, rankOf, TypeRank, type Document } from './bson-types.js';
import { badValue, notSupported, serverError } from './errors.js';
import { elementAt, isIndex } from './path.js';

/** One part of a sort. */
export type SortPart = { readonly path: string; readonly direction: 1 | -1 };
/** Orders two documents as `Array.sort` wants it. */
export type Comparator = (a: Document, b: Document) => number;

/** Reads a sort document. @throws CommandError 15975 for directions other than 1 and -1 */
export function parseSort(spec: Document): SortPart[] {
  return Object.keys(spec).map((path) => {
    const value = spec[path];
    if (isDocument(value)) throw notSupported('Sorting by $meta');
    const number = rankOf(value) === TypeRank.number;
    const direction = number ? exactInteger(value as BsonNumber) : undefined;
    if (direction !== 1n && direction !== -1n) {
      throw serverError(15975, '$sort key ordering must be 1 (for ascending) or -1 (for descending)');
    }
    if (path.split('.').includes('')) throw badValue('FieldPath field names may not be empty strings.');
    return { path, direction: direction === 1n ? 1 : -1 };
  });
}

/**
 * The sort key of an empty array: between MinKey and null (the manual: "less than null or a missing field").
 */
const EMPTY_ARRAY = Symbol('empty array');

function compareSortValues(a: unknown, b: unknown): number {
  if (a !== EMPTY_ARRAY && b !== EMPTY_ARRAY) return compareValues(a, b);
  if (a === b) return 0;
  const other = a === EMPTY_ARRAY ? b : a;
  const emptyIsLess = rankOf(other) === TypeRank.minKey ? 1 : -1;
  return a === EMPTY_ARRAY ? emptyIsLess : -emptyIsLess;
}

/** Every value a sort path reaches; array elements without the field count as null. */
function candidates(value: unknown, parts: readonly string[], from: number): unknown[] {
  if (from === parts.length) {
    if (!Array.isArray(value)) return [value];
    return value.length === 0 ? [EMPTY_ARRAY] : (value as unknown[]);
  }
  const part = parts[from]!;
  if (Array.isArray(value)) {
    if (isIndex(part)) return candidates(elementAt(value, part), parts, from + 1);
    const found = value.flatMap((element: unknown) =>
      Array.isArray(element) ? [undefined] : candidates(element, parts, from),
    );
    return found.length === 0 ? [undefined] : found;
  }
  const fields = fieldsOf(value);
  return candidates(fields && Object.hasOwn(fields, part) ? fields[part] : undefined, parts, from + 1);
}

function sortKey(document: Document, parts: readonly string[], direction: 1 | -1): unknown {
  const values = candidates(document, parts, 0);
  if (values.length === 1) return values[0];
  return values.reduce((best, value) => (compareSortValues(value, best) * direction < 0 ? value : best));
}

/**
 * Compiles a sort. Of the values that a path reaches through arrays an ascending sort takes the smallest and
 * a descending sort the largest; a missing field sorts as null.
 */
export function compileSort(spec: Document): Comparator {
  const parts = parseSort(spec).map(({ path, direction }) => ({ parts: path.split('.'), direction }));
  return (a, b) => {
    for (const { parts: path, direction } of parts) {
      const order = compareSortValues(sortKey(a, path, direction), sortKey(b, path, direction));
      if (order !== 0) return order * direction;
    }
    return 0;
  };
}

/** The documents in order, equal ones as they came; every sort key is taken once per document. */
export function sortDocuments(documents: Iterable<Document>, spec: Document): Document[] {
  const parts = parseSort(spec).map(({ path, direction }) => ({ parts: path.split('.'), direction }));
  const rows = Array.from(documents, (document) => ({
    document,
    keys: parts.map(({ parts: path, direction }) => sortKey(document, path, direction)),
  }));
  rows.sort((a, b) => {
    for (let i = 0; i < parts.length; i += 1) {
      const order = compareSortValues(a.keys[i], b.keys[i]);
      if (order !== 0) return order * parts[i]!.direction;
    }
    return 0;
  });
  return rows.map((row) => row.document);
}
