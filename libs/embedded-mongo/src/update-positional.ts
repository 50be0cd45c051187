import type { Document } from './bson-types.js';
import { badValue, failedToParse, notSupported } from './errors.js';
import { compileFilter, compileParsed, type Filter } from './match.js';
import { isDocument } from './bson-types.js';
import { valueAtPath } from './path.js';

/**
 * The index of the array element through which a document met a filter: what `$` stands for.
 * MongoDB leaves the choice open when conditions on one array are met by different elements; that is refused
 * here.
 * @param arrayPath path of the array, without traversal of other arrays
 * @returns undefined when no condition concerns the array
 * @throws CommandError 115 when the conditions point to different elements
 */
export function matchedIndex(filter: Filter, document: Document, arrayPath: string): number | undefined {
  const array = valueAtPath(document, arrayPath);
  if (!Array.isArray(array)) return undefined;
  const found = new Set<number>();
  collect(filter, document, array, arrayPath, found);
  if (found.size > 1) {
    throw notSupported(`A positional $ whose conditions are met by different elements of '${arrayPath}'`);
  }
  return [...found][0];
}

function collect(
  filter: Filter,
  document: Document,
  array: readonly unknown[],
  arrayPath: string,
  found: Set<number>,
): void {
  if (filter.kind === 'and') {
    for (const child of filter.children) collect(child, document, array, arrayPath, found);
  } else if (filter.kind === 'or') {
    const taken = filter.children.find((child) => compileParsed(child)(document));
    if (taken) collect(taken, document, array, arrayPath, found);
  } else if (filter.kind === 'field') {
    const index = indexFor(filter, array, arrayPath);
    if (index >= 0) found.add(index);
  }
}

function indexFor(
  filter: Extract<Filter, { kind: 'field' }>,
  array: readonly unknown[],
  arrayPath: string,
): number {
  const rest = filter.path === arrayPath ? '' : restOf(filter.path, arrayPath);
  if (rest === undefined || filter.op === '$size') return -1;
  const matches = compileParsed({ ...filter, path: `element${rest}` });
  const whole = filter.op === '$elemMatch' && rest === '';
  return array.findIndex((element) => matches({ element: whole ? [element] : element }));
}

/** The part of a path below an array, unless it names an element itself. */
function restOf(path: string, arrayPath: string): string | undefined {
  if (!path.startsWith(`${arrayPath}.`)) return undefined;
  const rest = path.slice(arrayPath.length);
  return /^\.\d+(\.|$)/.test(rest) ? undefined : rest;
}

/** A filter of `arrayFilters`, with the name it is for. */
export type ElementFilter = { readonly name: string; readonly matches: (element: unknown) => boolean };

/** Reads `arrayFilters`. @throws CommandError 9 for filters without exactly one name, or two for one name */
export function parseArrayFilters(filters: readonly unknown[]): ElementFilter[] {
  const parsed = filters.map((filter) => {
    if (!isDocument(filter)) throw failedToParse('arrayFilters must be objects');
    const names = new Set(topLevelNames(filter));
    const [name] = names;
    if (name === undefined) {
      throw failedToParse('Cannot use an expression without a top-level field name in arrayFilters');
    }
    if (names.size > 1) {
      const shown = [...names].map((each) => `'${each}'`).join(' and ');
      throw failedToParse(
        `Error parsing array filter :: caused by :: Expected a single top-level field name, found ${shown}`,
      );
    }
    if (!/^[a-z][a-zA-Z0-9]*$/.test(name)) {
      throw badValue(
        'Error parsing array filter :: caused by :: The top-level field name must be an alphanumeric ' +
          `string beginning with a lowercase letter, found '${name}'`,
      );
    }
    const matches = compileFilter(filter);
    return { name, matches: (element: unknown) => matches({ [name]: element }) };
  });
  for (const [i, { name }] of parsed.entries()) {
    if (parsed.findIndex((other) => other.name === name) !== i) {
      throw failedToParse(`Found multiple array filters with the same top-level field name ${name}`);
    }
  }
  return parsed;
}

function topLevelNames(filter: Document): string[] {
  return Object.keys(filter).flatMap((key) => {
    if (key === '$and' || key === '$or' || key === '$nor') {
      const list = filter[key];
      return Array.isArray(list) ? list.filter(isDocument).flatMap(topLevelNames) : [];
    }
    return key.startsWith('$') ? [] : [key.split('.')[0]!];
  });
}
