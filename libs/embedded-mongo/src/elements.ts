import { type CommandError, serverError } from './errors.js';

const VARIABLE = -1;

/** The number of bytes that a value takes, by type byte. */
const fixedSizes = new Int8Array(256).fill(VARIABLE);
for (const [type, size] of [
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
] as const) {
  fixedSizes[type] = size;
}

export function malformed(): CommandError {
  return serverError(22, 'Invalid BSON: an element reaches past the end of its document');
}

function cstringEnd(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(0, from);
  if (end < 0) throw malformed();
  return end;
}

function variableSize(bytes: Buffer, type: number, at: number): number {
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

/** Names of fields that were met, by hash: most documents have the same few, and making a string costs more. */
const known = new Map<number, string>();
const MOST_KNOWN = 4096;

function isWritten(name: string, bytes: Buffer, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

/** Walks the elements of one document without decoding their values. */
export class Elements {
  type = 0;
  /** Where the element begins, with its type byte. */
  start: number;
  valueAt = 0;
  /** Where the element ends and the next one begins. */
  end: number;
  private hash = 0;

  /** @param from where the document begins in the bytes */
  constructor(
    private readonly bytes: Buffer,
    from = 0,
  ) {
    this.start = from;
    this.end = from + 4;
  }

  /**
   * Moves to the next element; false at the end of the document.
   * @throws code 22 for bytes that are not a document
   */
  next(): boolean {
    const { bytes } = this;
    const at = this.end;
    const type = bytes[at];
    if (type === undefined || type === 0) return false;
    let i = at + 1;
    let hash = 0;
    for (let byte = bytes[i]; byte !== 0; byte = bytes[++i]) {
      if (byte === undefined) throw malformed();
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    this.start = at;
    this.type = type;
    this.hash = hash;
    this.valueAt = i + 1;
    const fixed = fixedSizes[type]!;
    this.end = i + 1 + (fixed === VARIABLE ? variableSize(bytes, type, i + 1) : fixed);
    if (this.end >= bytes.length) throw malformed();
    return true;
  }

  get name(): string {
    const start = this.start + 1;
    const end = this.valueAt - 1;
    const found = known.get(this.hash);
    if (found !== undefined && isWritten(found, this.bytes, start, end)) return found;
    const name = this.bytes.toString('utf8', start, end);
    if (known.size < MOST_KNOWN) known.set(this.hash, name);
    return name;
  }
}
