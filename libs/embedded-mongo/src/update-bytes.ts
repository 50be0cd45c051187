import { Elements } from './elements.js';
import { isIndex } from './path.js';

/** The bytes of one element, its type byte and name first. */
type Slice = Buffer;

/**
 * An update that puts whole top-level fields in place, by `$set` or as a replacement, read off its bytes. The values are
 * stored as they came: decoding documents and encoding them again is what an update spends its time on.
 */
export interface WholeFields {
  readonly replaces: boolean;
  readonly fields: ReadonlyMap<string, Slice>;
}

/** A document's new bytes, and the top-level fields whose values differ (none when only their order does). */
export interface Rewritten {
  readonly raw: Buffer;
  readonly changed: ReadonlySet<string>;
}

/**
 * Reads an update statement's `u`.
 * @returns undefined for every update that needs the operators of `update.ts`, or whose values would not come out of a
 * decoder as they went in
 */
export function wholeFieldsOf(update: Buffer): WholeFields | undefined {
  const outer = new Elements(update);
  if (!outer.next()) return undefined;
  if (!outer.name.startsWith('$')) return wholeFields(update, true);
  if (outer.name !== '$set' || outer.type !== 0x03) return undefined;
  const inner = update.subarray(outer.valueAt, outer.end);
  return outer.next() ? undefined : wholeFields(inner, false);
}

function wholeFields(bytes: Buffer, replaces: boolean): WholeFields | undefined {
  const fields = new Map<string, Slice>();
  const elements = new Elements(bytes);
  if (!isWhole(bytes, 0, bytes.length)) return undefined;
  while (elements.next()) {
    const { name } = elements;
    if (!isPlainName(name) || fields.has(name)) return undefined;
    if (!isPlainValue(bytes, elements)) return undefined;
    fields.set(name, bytes.subarray(elements.start, elements.end));
  }
  return fields.size === 0 ? undefined : { replaces, fields };
}

const isPlainName = (name: string): boolean =>
  name !== '' && !name.startsWith('$') && !name.includes('.') && !isIndex(name);

/** Whether the length in front of a document tells where its closing zero byte is. */
const isWhole = (bytes: Buffer, at: number, end: number): boolean =>
  end - at >= 5 && bytes.readInt32LE(at) === end - at && bytes[end - 1] === 0;

/**
 * Whether a value would be encoded as it is written. Those that are not, such as a double that is a small whole number
 * or fields that are named by numbers, and everything rare take the way of all updates.
 */
function isPlainValue(bytes: Buffer, { type, valueAt, end }: Elements): boolean {
  switch (type) {
    case 0x01:
      return !isSmallInteger(bytes.readDoubleLE(valueAt));
    case 0x02:
      return end - valueAt >= 5 && bytes[end - 1] === 0;
    case 0x03:
    case 0x04:
      return isPlainDocument(bytes, valueAt, end, type === 0x04);
    case 0x08:
      return bytes[valueAt]! <= 1;
    case 0x07:
    case 0x09:
    case 0x0a:
    case 0x10:
    case 0x12:
      return true;
    default:
      return false;
  }
}

const isSmallInteger = (double: number): boolean =>
  Number.isInteger(double) && Math.abs(double) <= 2 ** 31 && !Object.is(double, -0);

function isPlainDocument(bytes: Buffer, at: number, end: number, isArray: boolean): boolean {
  if (!isWhole(bytes, at, end)) return false;
  const elements = new Elements(bytes, at);
  let i = 0;
  while (elements.end < end - 1) {
    if (!elements.next() || elements.end > end - 1) return false;
    const { name } = elements;
    if (isArray ? name !== String(i++) : name.startsWith('$') || isIndex(name)) return false;
    if (!isPlainValue(bytes, elements)) return false;
  }
  return true;
}

/**
 * Applies whole fields to the bytes of a document, as `applyUpdate` does to a decoded one: fields that are there keep
 * their place, new ones follow in the order of their names.
 * @returns undefined for what only `applyUpdate` can decide, such as another form of the same `_id`
 */
export function applyWholeFields(before: Buffer, { replaces, fields }: WholeFields): Rewritten | undefined {
  const elements = new Elements(before);
  if (!elements.next() || elements.name !== '_id') return undefined;
  const idBytes = before.subarray(elements.start, elements.end);
  if (fields.has('_id') && !fields.get('_id')!.equals(idBytes)) return undefined;
  const changed = new Set<string>();
  const parts: Buffer[] = [idBytes];
  const met = new Set<string>(['_id']);
  while (elements.next()) {
    const { name } = elements;
    if (met.has(name) || isIndex(name)) return undefined;
    met.add(name);
    const old = before.subarray(elements.start, elements.end);
    const next = fields.get(name) ?? (replaces ? undefined : old);
    if (next !== old && !next?.equals(old)) changed.add(name);
    if (!replaces) parts.push(next!);
  }
  const added = [...fields.keys()].filter((name) => !met.has(name));
  for (const name of added) changed.add(name);
  const order = replaces ? [...fields.keys()].filter((name) => name !== '_id') : added.sort(byCodeUnits);
  for (const name of order) parts.push(fields.get(name)!);
  return { raw: document(parts), changed };
}

const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : 1);

function document(parts: readonly Buffer[]): Buffer {
  let size = 5;
  for (const part of parts) size += part.length;
  const raw = Buffer.allocUnsafe(size);
  raw.writeInt32LE(size, 0);
  let at = 4;
  for (const part of parts) {
    raw.set(part, at);
    at += part.length;
  }
  raw[at] = 0;
  return raw;
}
