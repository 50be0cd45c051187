import { deserialize, ObjectId, serialize } from 'bson';
import { type Document, setOwn } from './bson-types.js';
import { type CommandError, serverError } from './errors.js';

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

const fixedSizes = new Map<number, number>([
  [0x01, 8],
  [0x06, 0],
  [0x07, 12],
  [0x08, 1],
  [0x09, 8],
  [0x0a, 0],
  [0x10, 4],
  [0x11, 8],
  [0x12, 8],
  [0x13, 16],
  [0x7f, 0],
  [0xff, 0],
]);

function malformed(): CommandError {
  return serverError(22, 'Invalid BSON: an element reaches past the end of its document');
}

function cstringEnd(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(0, from);
  if (end < 0) throw malformed();
  return end;
}

/**
 * The number of bytes that the value of one element takes, given its type byte and where the value begins.
 */
function valueSize(bytes: Buffer, type: number, at: number): number {
  const fixed = fixedSizes.get(type);
  if (fixed !== undefined) return fixed;
  if (type === 0x0b) return cstringEnd(bytes, cstringEnd(bytes, at) + 1) + 1 - at;
  if (at + 4 > bytes.length) throw malformed();
  const size = bytes.readInt32LE(at);
  if (size < 0) throw malformed();
  if (type === 0x03 || type === 0x04 || type === 0x0f) return size;
  if (type === 0x02 || type === 0x0d || type === 0x0e) return size + 4;
  if (type === 0x05) return size + 5;
  if (type === 0x0c) return size + 16;
  throw serverError(22, `Unrecognized BSON type ${type}`);
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
 * Decodes only the named top-level fields of a document. Decoding, not matching, is what a scan spends its
 * time on,
 * so scans ask for the fields that filter, sort and index need and leave the rest as bytes.
 */
export function decodeFields(bytes: Buffer, names: ReadonlySet<string>): Document {
  const out: Document = {};
  let left = names.size;
  let at = 4;
  while (left > 0) {
    const type = bytes[at];
    if (type === undefined || type === 0) break;
    const nameEnd = cstringEnd(bytes, at + 1);
    const valueAt = nameEnd + 1;
    const next = valueAt + valueSize(bytes, type, valueAt);
    if (next >= bytes.length) throw malformed();
    const name = bytes.toString('utf8', at + 1, nameEnd);
    if (names.has(name)) {
      left--;
      let value = simpleValue(bytes, type, valueAt);
      if (value === undefined) value = wrappedValue(bytes, at, next, name);
      setOwn(out, name, value);
    }
    at = next;
  }
  return out;
}

/** Where the `_id` element lies in a document; undefined when there is none. */
function findId(bytes: Buffer): { start: number; end: number } | undefined {
  let at = 4;
  for (;;) {
    const type = bytes[at];
    if (type === undefined || type === 0) return undefined;
    const nameEnd = cstringEnd(bytes, at + 1);
    const end = nameEnd + 1 + valueSize(bytes, type, nameEnd + 1);
    if (end >= bytes.length) throw malformed();
    if (nameEnd === at + 4 && bytes.toString('latin1', at + 1, nameEnd) === '_id') return { start: at, end };
    at = end;
  }
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
