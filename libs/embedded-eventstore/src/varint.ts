/** A reading position in a buffer. */
export interface Cursor {
  at: number;
}

/** The bytes are not a valid protocol buffer message. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

/**
 * Reads an unsigned varint. Values above 2^53 lose precision, which is harmless: only the "end" sentinels are
 * that large.
 */
export function readVarint(bytes: Buffer, cursor: Cursor): number {
  let value = 0;
  let factor = 1;
  for (;;) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) throw new MalformedMessage('A varint runs past the end of the message.');
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
    factor *= 128;
  }
}

/** Reads the length of a length-delimited field and checks that the field lies within `end`. */
export function readLength(bytes: Buffer, cursor: Cursor, end: number): number {
  const length = readVarint(bytes, cursor);
  if (cursor.at + length > end) throw new MalformedMessage('A field runs past the end of the message.');
  return length;
}

/** Moves past a field of the given wire type. */
export function skipField(bytes: Buffer, cursor: Cursor, end: number, wireType: number): void {
  if (wireType === 0) readVarint(bytes, cursor);
  else if (wireType === 1) cursor.at += 8;
  else if (wireType === 2) cursor.at += readLength(bytes, cursor, end);
  else if (wireType === 5) cursor.at += 4;
  else throw new MalformedMessage(`Wire type ${wireType} is unknown.`);
}

/** Bytes that `value` takes as a varint. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Writes `value` as a varint and returns the position behind it. */
export function writeVarint(bytes: Buffer, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest >= 128) {
    bytes[next++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  bytes[next++] = rest;
  return next;
}

/** A varint field: tag byte and value. */
export function varintField(tag: number, value: number): Buffer {
  const field = Buffer.allocUnsafe(1 + varintSize(value));
  field[0] = tag;
  writeVarint(field, 1, value);
  return field;
}

/** A length-delimited field: tag byte, length and content. */
export function bytesField(tag: number, content: Buffer): Buffer {
  const field = Buffer.allocUnsafe(1 + varintSize(content.length) + content.length);
  field[0] = tag;
  content.copy(field, writeVarint(field, 1, content.length));
  return field;
}

/** A string field in UTF-8. */
export function textField(tag: number, text: string): Buffer {
  return bytesField(tag, Buffer.from(text));
}
