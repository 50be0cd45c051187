import { deserialize, ObjectId, serialize } from 'bson';
import { type Document, setOwn } from './bson-types.js';
import { Elements } from './elements.js';

/** The largest document a collection may hold, in bytes (maxBsonObjectSize of the real server). */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

const decodeOptions = { promoteLongs: false, promoteBuffers: false, bsonRegExp: true } as const;

/** Decodes a whole document without losing the type of 64-bit integers, decimals and regular expressions. */
export function decode(bytes: Uint8Array): Document {
  return deserialize(bytes, decodeOptions) as Document;
}

/** Encodes a document; undefined values are left out. */
export function encode(document: Document): Buffer {
  const bytes = serialize(document, { ignoreUndefined: true });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function simpleValue(bytes: Buffer, type: number, at: number): unknown {
  switch (type) {
    case 0x01:
      return bytes.readDoubleLE(at);
    case 0x02:
      return bytes.toString('utf8', at + 4, at + 3 + bytes.readInt32LE(at));
    case 0x07:
      return new ObjectId(bytes.subarray(at, at + 12));
    case 0x08:
      return bytes[at] === 1;
    case 0x09:
      return new Date(Number(bytes.readBigInt64LE(at)));
    case 0x0a:
      return null;
    case 0x10:
      return bytes.readInt32LE(at);
    default:
      return undefined;
  }
}

/**
 * Decodes one element by wrapping its bytes in a document of their own: rare types need no second decoder.
 */
function wrappedValue(bytes: Buffer, start: number, end: number, name: string): unknown {
  const size = end - start;
  const wrapper = Buffer.allocUnsafe(size + 5);
  wrapper.writeInt32LE(size + 5, 0);
  bytes.copy(wrapper, 4, start, end);
  wrapper[size + 4] = 0;
  return decode(wrapper)[name];
}

/**
 * Decodes only the named top-level fields of a document, and of the sub-documents in `inner` only the fields named there.
 * Decoding, not matching, is what a scan spends its time on, so scans ask for the fields that filter, sort and index need
 * and leave the rest as bytes.
 */
export function decodeFields(
  bytes: Buffer,
  names: ReadonlySet<string>,
  inner?: ReadonlyMap<string, ReadonlySet<string>>,
): Document {
  const out: Document = {};
  const elements = new Elements(bytes);
  let left = names.size;
  while (left > 0 && elements.next()) {
    const { name } = elements;
    if (!names.has(name)) continue;
    left--;
    const within = elements.type === 0x03 ? inner?.get(name) : undefined;
    const value =
      within === undefined ? valueOf(bytes, elements) : innerFields(bytes, elements.valueAt, within);
    setOwn(out, name, value);
  }
  return out;
}

/** Where names repeat, the last one counts, as it does to the decoder. */
function innerFields(bytes: Buffer, from: number, names: ReadonlySet<string>): Document {
  const out: Document = {};
  const elements = new Elements(bytes, from);
  while (elements.next()) if (names.has(elements.name)) setOwn(out, elements.name, valueOf(bytes, elements));
  return out;
}

function valueOf(bytes: Buffer, elements: Elements): unknown {
  const { type, start, valueAt, end } = elements;
  const simple = simpleValue(bytes, type, valueAt);
  return simple === undefined ? wrappedValue(bytes, start, end, elements.name) : simple;
}

/** The document without one of its elements. */
export function withoutElement(bytes: Buffer, { start, end }: { start: number; end: number }): Buffer {
  const out = Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  out.writeInt32LE(out.length, 0);
  return out;
}

/** Where the `_id` element lies in a document; undefined when there is none. */
function findId(bytes: Buffer): { start: number; end: number } | undefined {
  const elements = new Elements(bytes);
  while (elements.next()) if (elements.name === '_id') return { start: elements.start, end: elements.end };
  return undefined;
}

/**
 * The document with `_id` as its first field, as MongoDB stores it; an ObjectId is made when the client
 * sent none.
 * The bytes are only copied when something has to move.
 */
export function withIdFirst(bytes: Buffer): Buffer {
  const id = findId(bytes);
  if (id === undefined) {
    const out = Buffer.allocUnsafe(bytes.length + 17);
    out.writeInt32LE(bytes.length + 17, 0);
    out[4] = 0x07;
    out.write('_id\0', 5, 'latin1');
    new ObjectId().id.forEach((byte, i) => (out[9 + i] = byte));
    bytes.copy(out, 21, 4);
    return out;
  }
  if (id.start === 4) return bytes;
  const moved = Buffer.allocUnsafe(bytes.length);
  bytes.copy(moved, 0, 0, 4);
  bytes.copy(moved, 4, id.start, id.end);
  bytes.copy(moved, 4 + id.end - id.start, 4, id.start);
  bytes.copy(moved, id.end, id.end);
  return moved;
}
