import { cloneValue, type Document } from './bson-types.js';
import { serverError } from './errors.js';
import { parseFilter, type Filter } from './match.js';
import { changeAt, updateParts } from './update-path.js';

/**
 * The document that an upsert starts from: the values that the filter demands by equality (`$eq`, `$in` and
 * `$all` of one value, `$and`, `$or` of one branch). A replacement starts from `_id` alone.
 * @throws CommandError 54 when two conditions demand one path
 */
export function seedUpsert(filter: Document, options: { readonly replacement?: boolean } = {}): Document {
  const equalities = new Map<string, unknown>();
  collect(parseFilter(filter), equalities);
  const seed: Document = {};
  for (const path of equalities.keys()) {
    if (options.replacement && path !== '_id') continue;
    rejectOverlap(path, equalities);
    const value = cloneValue(equalities.get(path));
    changeAt(seed, updateParts(path), true, () => ({ kind: 'set', value }));
  }
  return idFirst(seed);
}

function rejectOverlap(path: string, equalities: ReadonlyMap<string, unknown>): void {
  for (const other of equalities.keys()) {
    if (other.startsWith(`${path}.`)) {
      throw serverError(
        54,
        `cannot infer query fields to set, both paths '${path}' and '${other}' are matched`,
      );
    }
  }
}

function collect(filter: Filter, equalities: Map<string, unknown>): void {
  if (filter.kind === 'and' || (filter.kind === 'or' && filter.children.length === 1)) {
    for (const child of filter.children) collect(child, equalities);
    return;
  }
  if (filter.kind !== 'field') return;
  const value = demandedValue(filter);
  if (!value) return;
  if (equalities.has(filter.path)) {
    throw serverError(54, `cannot infer query fields to set, path '${filter.path}' is matched twice`);
  }
  equalities.set(filter.path, value.is);
}

function demandedValue(filter: Extract<Filter, { kind: 'field' }>): { is: unknown } | undefined {
  if (filter.op === '$eq') return { is: filter.value ?? null };
  if (filter.op === '$in' && filter.values.length === 1 && filter.regexes.length === 0)
    return { is: filter.values[0] };
  return undefined;
}

/** The same document with `_id` in front, where MongoDB stores it. */
export function idFirst(document: Document): Document {
  if (!Object.hasOwn(document, '_id') || Object.keys(document)[0] === '_id') return document;
  const { _id, ...rest } = document;
  return { _id, ...rest };
}
