import { describeValue, fieldsOf, isDocument, setOwn, type Document } from './bson-types.js';
import { badValue, conflictingUpdate, pathNotViable, serverError } from './errors.js';
import { elementAt, isIndex, ownField } from './path.js';

/** What an operator makes of a value: `keep` leaves the document alone, `remove` takes the field away. */
export type Outcome =
  { readonly kind: 'set'; readonly value: unknown } | { readonly kind: 'keep' } | { readonly kind: 'remove' };

/** More nulls than this are never padded in front of a new array element. */
const MAX_PADDING = 1_500_000;

const DBREF_PARTS = new Set(['$ref', '$id', '$db']);

/** Splits and checks an update path. @throws CommandError 56 for empty parts, 52 for `$` names */
export function updateParts(path: string): string[] {
  if (path === '') throw serverError(56, 'An empty update path is not valid.');
  const parts = path.split('.');
  for (const [i, part] of parts.entries()) {
    if (part === '') {
      throw serverError(56, `The update path '${path}' contains an empty field name, which is not allowed.`);
    }
    if (!part.startsWith('$')) continue;
    const positional = part === '$' || /^\$\[[^\]]*\]$/.test(part);
    if (positional && i === 0) {
      throw badValue(`Cannot have positional (i.e. '$') element in the first position in path '${path}'`);
    }
    if (!positional && !(i > 0 && DBREF_PARTS.has(part))) {
      throw serverError(52, `The dollar ($) prefixed field '${part}' in '${path}' is not valid for storage.`);
    }
  }
  return parts;
}

/** True for `$`, `$[]` and `$[name]`. */
export const isPositional = (part: string): boolean => part === '$' || part.startsWith('$[');

type Node = { end: boolean; readonly children: Map<string, Node> };

/** The paths of one update; no path may equal, contain or lie within another. */
export class PathSet {
  private readonly root: Node = { end: false, children: new Map() };

  /** @throws CommandError 40 on a conflict */
  add(parts: readonly string[]): void {
    let node = this.root;
    for (const [i, part] of parts.entries()) {
      let next = node.children.get(part);
      if (!next) node.children.set(part, (next = { end: false, children: new Map() }));
      node = next;
      if (node.end) throw conflictingUpdate(parts.join('.'), parts.slice(0, i + 1).join('.'));
    }
    if (node.children.size > 0) throw conflictingUpdate(parts.join('.'), parts.join('.'));
    node.end = true;
  }
}

/** The order in which MongoDB applies paths and so creates fields: by part, numbers numerically. */
export function comparePaths(a: readonly string[], b: readonly string[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const x = a[i]!;
    const y = b[i]!;
    if (x === y) continue;
    if (isIndex(x) && isIndex(y)) return Number(x) - Number(y);
    return x < y ? -1 : 1;
  }
  return a.length - b.length;
}

/** How `$` and `$[name]` are resolved. */
export type ArrayChoice = {
  /** The index that the filter matched in the array at this path; undefined when it matched none. */
  readonly matchedIndex: (arrayPath: string) => number | undefined;
  /** The filter of an identifier. @throws CommandError 2 when there is none */
  readonly elementFilter: (identifier: string, path: string) => (element: unknown) => boolean;
};

/** Replaces `$`, `$[]` and `$[name]` by indexes of the document: one path becomes none or many. */
export function resolvePath(document: Document, parts: readonly string[], choice: ArrayChoice): string[][] {
  if (!parts.some(isPositional)) return [[...parts]];
  const resolved: string[][] = [];
  const visit = (value: unknown, from: number, before: readonly string[]): void => {
    const part = parts[from];
    if (part === undefined) {
      resolved.push([...before]);
      return;
    }
    const nexts = isPositional(part) ? chosenIndexes(value, part, before, parts, choice) : [part];
    for (const next of nexts) {
      const child = Array.isArray(value) ? elementAt(value, next) : ownField(value, next);
      visit(child, from + 1, [...before, next]);
    }
  };
  visit(document, 0, []);
  return resolved;
}

function chosenIndexes(
  array: unknown,
  part: string,
  before: readonly string[],
  parts: readonly string[],
  choice: ArrayChoice,
): string[] {
  const path = before.join('.');
  if (part === '$') {
    const index = choice.matchedIndex(path);
    if (index === undefined) {
      throw badValue('The positional operator did not find the match needed from the query.');
    }
    return [String(index)];
  }
  if (array === undefined) {
    throw badValue(`The path '${path}' must exist in the document in order to apply array updates.`);
  }
  if (!Array.isArray(array)) {
    throw badValue(`Cannot apply array updates to non-array element ${path}: ${describeValue(array)}`);
  }
  if (part === '$[]') return array.map((_, i) => String(i));
  const matches = choice.elementFilter(part.slice(2, -1), parts.join('.'));
  return array.flatMap((element: unknown, i) => (matches(element) ? [String(i)] : []));
}

const notViable = (part: string, parentName: string, parent: unknown): Error =>
  pathNotViable(`Cannot create field '${part}' in element {${parentName}: ${describeValue(parent)}}`);

const childOf = (parent: unknown, part: string): unknown =>
  Array.isArray(parent) ? elementAt(parent, part) : ownField(parent, part);

/**
 * Changes the value at a path of a document that is safe to write to.
 * @param creates whether absent parents are made; otherwise a path that leads nowhere is left alone
 * @throws CommandError 28 when a parent is not a document or array
 */
export function changeAt(
  document: Document,
  parts: readonly string[],
  creates: boolean,
  change: (current: unknown) => Outcome,
): void {
  let parent: unknown = document;
  for (let i = 0; i < parts.length; i += 1) {
    const part = parts[i]!;
    const holdsPart = Array.isArray(parent) ? isIndex(part) : isDocument(parent);
    if (!holdsPart) {
      if (!creates) return;
      if (fieldsOf(parent))
        throw badValue('Updating the fields of a DBRef is not supported by the embedded server');
      throw notViable(part, parts[i - 1] ?? '', parent);
    }
    const child = childOf(parent, part);
    if (i === parts.length - 1) {
      store(parent as Document | unknown[], part, change(child));
      return;
    }
    if (child === undefined) {
      if (creates) createChain(parent as Document | unknown[], parts, i, change(undefined));
      return;
    }
    parent = child;
  }
}

function createChain(
  parent: Document | unknown[],
  parts: readonly string[],
  at: number,
  outcome: Outcome,
): void {
  if (outcome.kind !== 'set') return;
  let value = outcome.value;
  for (let i = parts.length - 1; i > at; i -= 1) {
    const wrapper: Document = {};
    setOwn(wrapper, parts[i]!, value);
    value = wrapper;
  }
  store(parent, parts[at]!, { kind: 'set', value });
}

function store(parent: Document | unknown[], part: string, outcome: Outcome): void {
  if (outcome.kind === 'keep') return;
  if (!Array.isArray(parent)) {
    if (outcome.kind === 'remove') delete parent[part];
    else setOwn(parent, part, outcome.value);
    return;
  }
  const index = Number(part);
  if (outcome.kind === 'remove') {
    if (index < parent.length) parent[index] = null;
    return;
  }
  if (index - parent.length > MAX_PADDING) throw badValue(`can't backfill more than ${MAX_PADDING} elements`);
  while (parent.length < index) parent.push(null);
  parent[index] = outcome.value;
}
