import type { Variables } from './aggregate-values.js';
import { exactInteger, type BsonNumber } from './bson-numbers.js';
import { fieldsOf, isDocument, rankOf, setOwn, TypeRank, type Document } from './bson-types.js';
import { badValue, notSupported, serverError } from './errors.js';
import { compileFilter, parseFilter, type Filter } from './match.js';
import { valueAtPath } from './path.js';
import { compileTree, readEntries, type Entry } from './project-tree.js';
import { matchedIndex } from './update-positional.js';

/** A compiled projection. */
export type Projection = (document: Document) => Document;
/** A change of one array after the fields are chosen; it may look at the stored document. */
type ArrayStep = (result: Document, stored: Document) => Document;

/**
 * Compiles the projection of a find: inclusion or exclusion, `$slice`, `$elemMatch`, positional `field.$`,
 * expressions.
 * @param filter the query's filter, which a positional projection refers to
 * @throws CommandError with MongoDB's codes (31249, 31253, 31254 ...); 115 for `$meta`
 */
export function compileProjection(
  spec: Document,
  filter: Document = {},
  variables: Variables = {},
): Projection {
  if (Object.keys(spec).length === 0) return (document) => document;
  const steps: ArrayStep[] = [];
  const plain: Document = {};
  const kept: string[] = [];
  let sliceOnly = true;
  for (const path of Object.keys(spec)) {
    const special = arrayStep(path, spec[path], filter);
    if (!special) {
      setOwn(plain, path, spec[path]);
      continue;
    }
    steps.push(special.step);
    kept.push(special.path);
    sliceOnly &&= special.kind === 'slice';
  }
  const choose = chooseFields(plain, kept, sliceOnly, variables);
  return (document) => steps.reduce((result, step) => step(result, document), choose(document));
}

/**
 * Slices alone keep every field; with included fields, or with `$elemMatch` and `field.$`, only the named
 * stay.
 */
function chooseFields(
  plain: Document,
  kept: readonly string[],
  sliceOnly: boolean,
  variables: Variables,
): Projection {
  const names = new Set(Object.keys(variables));
  const entries = readEntries(plain, names);
  const others = entries.filter(({ path }) => path !== '_id');
  const including = others.some(({ leaf }) => leaf !== 'exclude');
  const undecided = others.length === 0 && (!sliceOnly || entries.some(({ leaf }) => leaf === 'include'));
  const all: Entry[] = [...entries];
  if (kept.length > 0 && (including || undecided)) {
    all.push(...kept.map((path): Entry => ({ path, leaf: 'include' })));
  }
  const { apply } = compileTree(all, 'exclusion');
  const now = new Date();
  return (document) => apply(document, { root: document, variables: { NOW: now, ...variables } });
}

type Special = { readonly kind: 'slice' | 'element'; readonly path: string; readonly step: ArrayStep };

function arrayStep(path: string, value: unknown, filter: Document): Special | undefined {
  if (path.endsWith('.$')) return positionalStep(path.slice(0, -2), value, filter);
  if (path.includes('.$.')) {
    throw serverError(
      31394,
      "As of 4.4, it's illegal to specify positional operator in the middle of a path.",
    );
  }
  if (!isDocument(value)) return undefined;
  if (Object.hasOwn(value, '$meta')) throw notSupported('The projection operator $meta');
  if (Object.hasOwn(value, '$elemMatch')) return elemMatchStep(path, value['$elemMatch']);
  const slice = Object.hasOwn(value, '$slice') ? sliceArguments(value['$slice']) : undefined;
  if (!slice) return undefined;
  const cut = (array: unknown[]): unknown[] => sliceArray(array, slice);
  return { kind: 'slice', path, step: (result) => mapArrays(result, path.split('.'), 0, cut) as Document };
}

/** A number or a pair of numbers; anything else is the expression `$slice`. */
function sliceArguments(value: unknown): readonly [number | undefined, number] | undefined {
  const numbers: unknown[] = Array.isArray(value) ? value : [value];
  if (numbers.length > 2 || numbers.some((item) => rankOf(item) !== TypeRank.number)) return undefined;
  const [first, second] = numbers.map((item) => Number(exactInteger(item as BsonNumber)));
  if (first === undefined || Number.isNaN(first) || Number.isNaN(second))
    throw badValue('$slice takes integers');
  if (second === undefined) return [undefined, first];
  if (second <= 0) throw serverError(28724, 'First argument to $slice must be followed by a positive number');
  return [first, second];
}

function sliceArray(
  array: readonly unknown[],
  [skip, limit]: readonly [number | undefined, number],
): unknown[] {
  if (skip === undefined) return limit < 0 ? array.slice(limit) : array.slice(0, limit);
  const start = skip < 0 ? Math.max(0, array.length + skip) : skip;
  return array.slice(start, start + limit);
}

/** Copies the way down to a path and changes the arrays there, in every document on the way. */
function mapArrays(
  value: unknown,
  parts: readonly string[],
  from: number,
  change: (array: unknown[]) => unknown[],
): unknown {
  if (from === parts.length) return Array.isArray(value) ? change(value) : value;
  if (Array.isArray(value)) return value.map((item) => mapArrays(item, parts, from, change));
  const fields = fieldsOf(value);
  const part = parts[from]!;
  if (!fields || !Object.hasOwn(fields, part)) return value;
  const copy = { ...fields };
  setOwn(copy, part, mapArrays(fields[part], parts, from + 1, change));
  return copy;
}

function elemMatchStep(path: string, condition: unknown): Special {
  if (path.includes('.'))
    throw serverError(31255, `Cannot use $elemMatch projection on a nested field: ${path}`);
  if (!isDocument(condition)) throw serverError(31274, '$elemMatch: must be an object');
  const test = compileFilter({ list: { $elemMatch: condition } });
  const matches = (element: unknown): boolean => test({ list: [element] });
  const step: ArrayStep = (result, stored) => {
    const array = Object.hasOwn(stored, path) ? stored[path] : undefined;
    const found = Array.isArray(array) ? array.findIndex(matches) : -1;
    const copy = { ...result };
    if (found < 0) delete copy[path];
    else setOwn(copy, path, [(array as unknown[])[found]]);
    return copy;
  };
  return { kind: 'element', path, step };
}

function positionalStep(path: string, value: unknown, filter: Document): Special {
  if (value !== true && value !== 1) {
    throw serverError(31395, 'positional projection cannot be used with exclusion or a computed value');
  }
  const parsed: Filter = parseFilter(filter);
  const step: ArrayStep = (result, stored) => {
    const array = valueAtPath(stored, path);
    if (!Array.isArray(array)) return result;
    const index = matchedIndex(parsed, stored, path);
    if (index === undefined) {
      throw serverError(
        51246,
        "Executor error during find command :: caused by :: positional operator '.$' couldn't find a " +
          'matching element in the array',
      );
    }
    return mapArrays(result, path.split('.'), 0, () => [array[index]]) as Document;
  };
  return { kind: 'element', path, step };
}
