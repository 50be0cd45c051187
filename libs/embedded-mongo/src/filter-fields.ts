import type { Document } from './bson-types.js';

const logical = new Set(['$and', '$or', '$nor']);

/**
 * The top-level fields that a filter looks at, so that the rest of a document need not be decoded.
 * @returns undefined when the filter may look at anything (`$expr`, `$where` and the like)
 */
export function fieldsOfFilter(filter: Document): Set<string> | undefined {
  const names = new Set<string>();
  return collect(filter, names) ? names : undefined;
}

function collect(filter: Document, names: Set<string>): boolean {
  for (const key of Object.keys(filter)) {
    if (key === '$comment') continue;
    if (logical.has(key)) {
      const parts = filter[key];
      if (!Array.isArray(parts)) return false;
      if (!parts.every((part) => collect(part as Document, names))) return false;
    } else if (key.startsWith('$')) {
      return false;
    } else {
      names.add(topLevel(key));
    }
  }
  return true;
}

/** The first part of a dotted path. */
export function topLevel(path: string): string {
  const dot = path.indexOf('.');
  return dot < 0 ? path : path.slice(0, dot);
}
