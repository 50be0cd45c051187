import { compileWithNames } from './aggregate-expressions.js';
import type { Evaluate, Scope } from './aggregate-values.js';
import { toDouble, type BsonNumber } from './bson-numbers.js';
import { fieldsOf, isDocument, rankOf, setOwn, TypeRank, type Document } from './bson-types.js';
import { failedToParse, serverError } from './errors.js';

/** What a projection says of one field; maps nest. */
type Leaf = 'include' | 'exclude' | Evaluate;
export type Tree = Map<string, Leaf | Tree>;
/** A projection that keeps what it names, or drops what it names. */
export type Mode = 'inclusion' | 'exclusion';
/** One flat entry of a specification. */
export type Entry = { readonly path: string; readonly leaf: Leaf };

/** 1 and true include, 0 and false exclude; everything else is computed. */
export function flagOf(value: unknown): 'include' | 'exclude' | undefined {
  if (typeof value === 'boolean') return value ? 'include' : 'exclude';
  if (value === undefined || rankOf(value) !== TypeRank.number) return undefined;
  return toDouble(value as BsonNumber) === 0 ? 'exclude' : 'include';
}

/** Flattens nested specifications (`{a: {b: 1}}` is `a.b`) and compiles computed fields. */
export function readEntries(spec: Document, names: ReadonlySet<string>, prefix = ''): Entry[] {
  return Object.keys(spec).flatMap((key): Entry[] => {
    if (key.startsWith('$')) throw serverError(16410, `FieldPath field names may not start with '$': ${key}`);
    const path = prefix + key;
    if (path.split('.').includes(''))
      throw serverError(15998, 'FieldPath field names may not be empty strings.');
    const value = spec[key];
    const flag = flagOf(value);
    if (flag) return [{ path, leaf: flag }];
    if (isDocument(value) && !Object.keys(value).some((name) => name.startsWith('$'))) {
      if (Object.keys(value).length === 0) {
        throw serverError(51270, `An empty sub-projection is not a valid value. Found empty object at path`);
      }
      return readEntries(value, names, `${path}.`);
    }
    return [{ path, leaf: compileWithNames(value, names) }];
  });
}

/** Whether entries include or exclude. @throws CommandError 31253, 31254 when they do both */
export function modeOf(entries: readonly Entry[], fallback: Mode): Mode {
  const others = entries.filter(({ path }) => path !== '_id');
  const first = others.find(({ leaf }) => leaf === 'include' || leaf === 'exclude');
  if (!first) {
    if (others.length > 0) return 'inclusion';
    const id = entries.find(({ path }) => path === '_id');
    if (!id) return fallback;
    return id.leaf === 'exclude' ? 'exclusion' : 'inclusion';
  }
  const mode: Mode = first.leaf === 'include' ? 'inclusion' : 'exclusion';
  for (const { path, leaf } of others) {
    if (mode === 'inclusion' && leaf === 'exclude') {
      throw serverError(31254, `Cannot do exclusion on field ${path} in inclusion projection`);
    }
    if (mode === 'exclusion' && leaf === 'include') {
      throw serverError(31253, `Cannot do inclusion on field ${path} in exclusion projection`);
    }
    if (mode === 'exclusion' && typeof leaf === 'function') {
      throw serverError(31252, `Cannot use an expression on field ${path} in an exclusion projection`);
    }
  }
  return mode;
}

/** @throws CommandError 31249 when one path lies within another */
export function buildTree(entries: readonly Entry[]): Tree {
  const root: Tree = new Map();
  for (const { path, leaf } of entries) {
    const parts = path.split('.');
    let node = root;
    for (const part of parts.slice(0, -1)) {
      const next = node.get(part) ?? new Map<string, Leaf | Tree>();
      if (!(next instanceof Map)) throw collision(path);
      node.set(part, next);
      node = next;
    }
    const last = parts.at(-1)!;
    if (node.has(last)) throw collision(path);
    node.set(last, leaf);
  }
  return root;
}

const collision = (path: string): Error => serverError(31249, `Path collision at ${path}`);

/**
 * Keeps the named fields, in the order of the document; scalars inside arrays have no fields and drop out.
 */
export function includeFields(document: Document, tree: Tree): Document {
  const result: Document = {};
  for (const key of Object.keys(document)) {
    const node = tree.get(key);
    if (node === 'include') setOwn(result, key, document[key]);
    else if (node instanceof Map) {
      const value = includeValue(document[key], node);
      if (value !== undefined) setOwn(result, key, value);
    }
  }
  return result;
}

function includeValue(value: unknown, tree: Tree): unknown {
  if (Array.isArray(value)) {
    return value.map((item) => includeValue(item, tree)).filter((item) => item !== undefined);
  }
  const fields = fieldsOf(value);
  return fields && includeFields(fields, tree);
}

/** Drops the named fields. */
export function excludeFields(document: Document, tree: Tree): Document {
  const result: Document = {};
  for (const key of Object.keys(document)) {
    const node = tree.get(key);
    if (node === 'exclude') continue;
    setOwn(result, key, node instanceof Map ? excludeValue(document[key], node) : document[key]);
  }
  return result;
}

function excludeValue(value: unknown, tree: Tree): unknown {
  if (Array.isArray(value)) return value.map((item) => excludeValue(item, tree));
  const fields = fieldsOf(value);
  return fields ? excludeFields(fields, tree) : value;
}

/** Adds the computed fields to a document that may be written to; a missing result removes the field. */
export function computeFields(target: Document, tree: Tree, scope: Scope): Document {
  for (const [key, node] of tree) {
    if (typeof node === 'function') {
      const value = node(scope);
      if (value === undefined) delete target[key];
      else setOwn(target, key, value);
    } else if (node instanceof Map && hasComputed(node)) {
      const current = Object.hasOwn(target, key) ? target[key] : undefined;
      setOwn(target, key, computeValue(current, node, scope));
    }
  }
  return target;
}

const hasComputed = (tree: Tree): boolean =>
  [...tree.values()].some((node) => typeof node === 'function' || (node instanceof Map && hasComputed(node)));

/** Arrays are entered element by element; a scalar gives way to a document that holds the computed fields. */
function computeValue(value: unknown, tree: Tree, scope: Scope): unknown {
  if (Array.isArray(value)) return value.map((item) => computeValue(item, tree, scope));
  return computeFields({ ...fieldsOf(value) }, tree, scope);
}

/** Compiles a specification of plain paths and expressions, as `$project` has it. */
export function compileTree(
  entries: readonly Entry[],
  fallback: Mode,
): { readonly mode: Mode; readonly apply: (document: Document, scope: Scope) => Document } {
  const mode = modeOf(entries, fallback);
  const named = entries.some(({ path }) => path === '_id' || path.startsWith('_id.'));
  if (mode === 'exclusion') {
    const tree = buildTree(entries.filter(({ path, leaf }) => !(path === '_id' && leaf === 'include')));
    return { mode, apply: (document) => excludeFields(document, tree) };
  }
  const kept = entries.filter(({ path, leaf }) => !(path === '_id' && leaf === 'exclude'));
  const tree = buildTree(named ? kept : [{ path: '_id', leaf: 'include' }, ...kept]);
  return { mode, apply: (document, scope) => computeFields(includeFields(document, tree), tree, scope) };
}

/** Compiles `$addFields`: every entry is computed, also numbers and booleans. */
export function compileAddFields(
  spec: Document,
  names: ReadonlySet<string>,
): (document: Document, scope: Scope) => Document {
  const tree = buildTree(addedEntries(spec, names, ''));
  return (document, scope) => computeFields({ ...document }, tree, scope);
}

function addedEntries(spec: Document, names: ReadonlySet<string>, prefix: string): Entry[] {
  return Object.keys(spec).flatMap((key): Entry[] => {
    if (key.startsWith('$')) throw serverError(16410, `FieldPath field names may not start with '$': ${key}`);
    const path = prefix + key;
    if (path.split('.').includes('')) throw failedToParse('FieldPath field names may not be empty strings.');
    const value = spec[key];
    const nested = isDocument(value) && Object.keys(value).length > 0;
    if (nested && !Object.keys(value).some((name) => name.startsWith('$'))) {
      return addedEntries(value, names, `${path}.`);
    }
    return [{ path, leaf: compileWithNames(value, names) }];
  });
}
