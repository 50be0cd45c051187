import { fieldsOf, type Document } from './bson-types.js';

const DIGITS = /^\d+$/;

/** True for a path part that may be an array index. */
export const isIndex = (part: string): boolean => DIGITS.test(part);

/** One field of a document: own properties only, so `constructor` and `__proto__` are never inherited. */
export function ownField(value: unknown, key: string): unknown {
  const fields = fieldsOf(value);
  return fields && Object.hasOwn(fields, key) ? fields[key] : undefined;
}

/** The element of an array at a path part such as "0"; undefined for other parts and outside its bounds. */
export function elementAt(array: readonly unknown[], part: string): unknown {
  return isIndex(part) && String(Number(part)) === part ? array[Number(part)] : undefined;
}

/** A dotted path without any array traversal except by index, as updates address values. */
export function valueAtPath(root: unknown, path: string): unknown {
  let value = root;
  for (const part of path.split('.')) {
    value = Array.isArray(value) ? elementAt(value, part) : ownField(value, part);
    if (value === undefined) return undefined;
  }
  return value;
}

/**
 * Takes each value a path reaches; true ends the walk. `expandable` is false for an element named by its
 * index.
 */
export type Visit = (value: unknown, expandable: boolean) => boolean;

/**
 * Walks a path as a query does. Every array on the way is entered: its documents are searched for the rest of
 * the path (a document without it counts as a missing value), its scalars yield nothing, and a numeric part
 * also names an element, which is not expanded further when the path ends there.
 * @returns true when a visit returned true
 */
export function walkPath(value: unknown, parts: readonly string[], from: number, visit: Visit): boolean {
  if (from === parts.length) return visit(value, true);
  if (Array.isArray(value)) return walkArray(value, parts, from, visit);
  const fields = fieldsOf(value);
  if (!fields) return visit(undefined, true);
  const part = parts[from]!;
  return walkPath(Object.hasOwn(fields, part) ? fields[part] : undefined, parts, from + 1, visit);
}

function walkArray(array: readonly unknown[], parts: readonly string[], from: number, visit: Visit): boolean {
  const part = parts[from]!;
  const last = from === parts.length - 1;
  const named = isIndex(part) && String(Number(part)) === part ? Number(part) : -1;
  for (let i = 0; i < array.length; i += 1) {
    const element = array[i];
    const fields = fieldsOf(element);
    if (fields && walkPath(fields, parts, from, visit)) return true;
    if (i !== named) continue;
    if (last ? visit(element, false) : enterNamed(element, parts, from + 1, visit)) return true;
  }
  return false;
}

/** A scalar that is named by its index yields nothing, unlike a scalar in the place of a sub-document. */
const enterNamed = (element: unknown, parts: readonly string[], from: number, visit: Visit): boolean =>
  (Array.isArray(element) || fieldsOf(element) !== undefined) && walkPath(element, parts, from, visit);

/**
 * Every value that a path reaches through arrays, an array at its end expanded and listed itself: the values
 * a multikey index holds and a sort looks at.
 * @returns `undefined` entries stand for a missing field
 */
export function valuesAtPath(document: Document, path: string): unknown[] {
  const found: unknown[] = [];
  walkPath(document, path.split('.'), 0, (value, expandable) => {
    if (expandable && Array.isArray(value)) found.push(...(value as unknown[]));
    found.push(value);
    return false;
  });
  return found;
}
