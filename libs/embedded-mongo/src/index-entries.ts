import { type Document, fieldsOf } from './bson-types.js';
import { encodeKey, invertBytes, textKey } from './bson-order.js';
import { serverError } from './errors.js';
import type { IndexField, IndexInfo } from './index-definition.js';
import { isIndex } from './path.js';

/** The index entries of one document, and which fields of the index an array ran through (one bit each). */
export interface Entries {
  keys: Buffer[];
  multikey: number;
}

/**
 * How far the path of one index field has been followed: the value reached, and the next part of the path.
 */
interface Slot {
  value: unknown;
  at: number;
  /**
   * An element of the array at the end of a path: an array inside that array is a value, not expanded
   * again.
   */
  final: boolean;
}

/** A stored empty array: indexed like null, yet present for a sparse index. */
const EMPTY_ARRAY = null;

const none: Entries = { keys: [], multikey: 0 };

/**
 * The keys under which an index holds a document. Arrays are expanded as MongoDB does: fields that run
 * through the
 * same array are paired element by element.
 * @throws code 171 when two different arrays meet in one compound index
 */
export function entriesOf(index: IndexInfo, document: Document): Entries {
  if (index.covers !== undefined && !index.covers(document)) return none;
  const { fields } = index;
  const slots: Slot[] = [];
  let plain = true;
  for (const field of fields) {
    const slot = descend({ value: document, at: 0, final: false }, field);
    if (Array.isArray(slot.value)) plain = false;
    slots.push(slot);
  }
  if (plain) {
    const key = keyOf(index, slots);
    return key === undefined ? none : { keys: [key], multikey: 0 };
  }
  const found = new Expansion(index);
  found.expand(slots);
  return { keys: distinct(found.keys), multikey: found.multikey };
}

/**
 * The values, by path, that make up one of the keys of a document: the `keyValue` of a duplicate key error.
 */
export function keyValueOf(index: IndexInfo, document: Document, key: Buffer): Document {
  const found = new Expansion(index);
  found.expand(index.fields.map((field) => descend({ value: document, at: 0, final: false }, field)));
  const values = found.values[found.keys.findIndex((each) => each.equals(key))] ?? [];
  return Object.fromEntries(index.fields.map((field, i) => [field.path, values[i] ?? null]));
}

function distinct(keys: Buffer[]): Buffer[] {
  if (keys.length < 2) return keys;
  const sorted = keys.toSorted(Buffer.compare);
  return sorted.filter((key, i) => i === 0 || !key.equals(sorted[i - 1]!));
}

/** Follows a path to its end or to the first array. */
function descend(slot: Slot, field: IndexField): Slot {
  let { value, at } = slot;
  const { parts } = field;
  while (at < parts.length && !Array.isArray(value)) {
    const fields = fieldsOf(value);
    const part = parts[at]!;
    if (fields === undefined || !Object.hasOwn(fields, part))
      return { value: undefined, at: parts.length, final: true };
    value = fields[part];
    at++;
  }
  return { value, at, final: slot.final };
}

const isOpen = (slot: Slot): boolean => Array.isArray(slot.value) && !slot.final;

class Expansion {
  readonly keys: Buffer[] = [];
  readonly values: unknown[][] = [];
  multikey = 0;

  constructor(private readonly index: IndexInfo) {}

  expand(slots: readonly Slot[]): void {
    const { fields } = this.index;
    const first = slots.findIndex(isOpen);
    if (first < 0) {
      const key = keyOf(this.index, slots);
      if (key === undefined) return;
      this.keys.push(key);
      this.values.push(slots.map((slot) => slot.value));
      return;
    }
    const array = slots[first]!.value as unknown[];
    slots.forEach((slot, i) => {
      if (!isOpen(slot)) return;
      if (slot.value !== array) {
        const names = `[${fields[i]!.path}] [${fields[first]!.path}]`;
        throw serverError(171, `cannot index parallel arrays ${names}`);
      }
      this.multikey |= 1 << i;
    });
    this.expandNamed(slots, array);
    const elements = array.length === 0 ? [undefined] : array;
    for (const element of elements) {
      this.expand(
        slots.map((slot, i) => (isOpen(slot) ? this.enter(slot, fields[i]!, element, array) : slot)),
      );
    }
  }

  /** A path such as `a.0` also names one element of the array. */
  private expandNamed(slots: readonly Slot[], array: readonly unknown[]): void {
    const { fields } = this.index;
    const named = slots.findIndex((slot, i) => isOpen(slot) && isIndex(fields[i]!.parts[slot.at] ?? ''));
    if (named < 0) return;
    const { at } = slots[named]!;
    const field = fields[named]!;
    const value = array[Number(field.parts[at])];
    const advanced = descend({ value, at: at + 1, final: false }, field);
    this.expand(slots.map((slot, i) => (i === named ? advanced : slot)));
  }

  private enter(slot: Slot, field: IndexField, element: unknown, array: readonly unknown[]): Slot {
    if (slot.at === field.parts.length) {
      return { value: array.length === 0 ? EMPTY_ARRAY : element, at: slot.at, final: true };
    }
    if (Array.isArray(element)) return { value: undefined, at: field.parts.length, final: true };
    return descend({ value: element, at: slot.at, final: false }, field);
  }
}

/** The encoded key of fully expanded slots; undefined when a sparse index leaves the document out. */
function keyOf(index: IndexInfo, slots: readonly Slot[]): Buffer | undefined {
  if (index.sparse && slots.every((slot) => slot.value === undefined)) return undefined;
  const parts: Buffer[] = [];
  let text = '';
  for (let i = 0; i < slots.length; i++) {
    const { value } = slots[i]!;
    const down = index.fields[i]!.direction < 0;
    const piece = down ? undefined : textKey(value);
    if (piece !== undefined) {
      text += piece;
      continue;
    }
    if (text !== '') parts.push(Buffer.from(text, 'utf8'));
    text = '';
    const bytes = encodeKey(value);
    parts.push(down ? invertBytes(bytes) : bytes);
  }
  if (text !== '') parts.push(Buffer.from(text, 'utf8'));
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}
