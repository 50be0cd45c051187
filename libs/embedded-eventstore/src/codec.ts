import { ANY, NO_STREAM, STREAM_EXISTS } from './revision.js';
import { type Cursor, MalformedMessage, bytesField, readLength, readVarint, skipField } from './varint.js';

/**
 * Hand-written decoders of the append messages. A proposed event is never turned into an object tree: the fields
 * of ProposedMessage and RecordedEvent have the same content and only other tags, so three tag bytes are patched
 * in place and the bytes are stored as they came.
 */
export interface ProposedEvent {
  /** UUID, lower case. */
  id: string;
  type: string;
  isJson: boolean;
  /** What counts against the append limit: data, metadata and twice the type's length. */
  size: number;
  /** Fields id, metadata map, custom metadata and data, tagged as in RecordedEvent. */
  fields: Buffer;
  data: Buffer;
}

export interface AppendOptions {
  stream: string;
  expected: number;
  /** Milliseconds since 1970 after which the append must not be made any more. */
  deadline?: number;
}

export interface BatchAppendRequest {
  /** The correlation id as it came, to be sent back unchanged. */
  correlation: Buffer;
  options?: AppendOptions;
  events: ProposedEvent[];
  isFinal: boolean;
}

/** A proposed event lacks a property without which it cannot be recorded. */
export class MissingProperty extends Error {
  override readonly name = 'MissingProperty';
  constructor(readonly property: string) {
    super(`Required Metadata Property '${property}' is missing`);
  }
}

const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

/** UUID message: `string` (2) or `structured` (1, two 64-bit halves). */
function decodeUuid(bytes: Buffer, start: number, end: number): { id: string; structured: boolean } {
  const cursor: Cursor = { at: start };
  while (cursor.at < end) {
    const tag = readVarint(bytes, cursor);
    if (tag === 0x12) {
      const length = readLength(bytes, cursor, end);
      const text = bytes.toString('latin1', cursor.at, cursor.at + length);
      if (!UUID.test(text)) throw new MalformedMessage(`'${text}' is not a UUID.`);
      const id = text.toLowerCase();
      if (id !== text) bytes.write(id, cursor.at, 'latin1');
      return { id, structured: false };
    }
    if (tag === 0x0a) {
      const length = readLength(bytes, cursor, end);
      return { id: structuredUuid(bytes, cursor.at, cursor.at + length), structured: true };
    }
    skipField(bytes, cursor, end, tag & 7);
  }
  throw new MalformedMessage('A UUID is empty.');
}

function structuredUuid(bytes: Buffer, start: number, end: number): string {
  const cursor: Cursor = { at: start };
  const halves = [0n, 0n];
  while (cursor.at < end) {
    const tag = readVarint(bytes, cursor);
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[cursor.at++];
      if (byte === undefined) throw new MalformedMessage('A UUID runs past the end of the message.');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    halves[tag === 0x08 ? 0 : 1] = BigInt.asUintN(64, value);
  }
  const hex = halves.map((half) => half.toString(16).padStart(16, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** One entry of a map<string, string>: key and value. */
export function decodeMapEntry(bytes: Buffer, start: number, end: number): [string, string] {
  const cursor: Cursor = { at: start };
  let key = '';
  let value = '';
  while (cursor.at < end) {
    const tag = readVarint(bytes, cursor);
    const length = readLength(bytes, cursor, end);
    const text = bytes.toString('utf8', cursor.at, cursor.at + length);
    if (tag === 0x0a) key = text;
    else if (tag === 0x12) value = text;
    cursor.at += length;
  }
  return [key, value];
}

/** Tags of RecordedEvent by those of ProposedMessage: metadata, custom metadata, data. */
const recordedTag: Readonly<Record<number, number>> = { 0x12: 0x32, 0x1a: 0x3a, 0x22: 0x42 };

/**
 * Decodes ProposedMessage at `start`..`end` and patches its tags in place.
 * Throws MissingProperty without type or content type.
 */
export function decodeProposed(bytes: Buffer, start: number, end: number): ProposedEvent {
  const cursor: Cursor = { at: start };
  const meta = new Map<string, string>();
  const kept: Buffer[] = [];
  let id: { id: string; structured: boolean } | undefined;
  let size = 0;
  let data: Buffer = bytes.subarray(start, start);
  let asItCame = true;
  while (cursor.at < end) {
    const tagAt = cursor.at;
    const tag = readVarint(bytes, cursor);
    const tagged = recordedTag[tag];
    if (tag !== 0x0a && tagged === undefined) {
      skipField(bytes, cursor, end, tag & 7);
      asItCame = false;
      continue;
    }
    const length = readLength(bytes, cursor, end);
    const from = cursor.at;
    cursor.at += length;
    if (tagged === undefined) id = decodeUuid(bytes, from, cursor.at);
    else bytes[tagAt] = tagged;
    if (tag === 0x12) meta.set(...decodeMapEntry(bytes, from, cursor.at));
    if (tag === 0x1a || tag === 0x22) size += length;
    if (tag === 0x22) data = bytes.subarray(from, cursor.at);
    if (tagged !== undefined) kept.push(bytes.subarray(tagAt, cursor.at));
  }
  if (!id) throw new MalformedMessage('A proposed event has no id.');
  const type = meta.get('type');
  if (type === undefined) throw new MissingProperty('type');
  const contentType = meta.get('content-type');
  if (contentType === undefined) throw new MissingProperty('content-type');
  const fields =
    asItCame && !id.structured
      ? bytes.subarray(start, end)
      : Buffer.concat([stringUuidField(id.id), ...kept]);
  return {
    id: id.id,
    type,
    isJson: contentType === 'application/json',
    size: size + type.length * 2,
    fields,
    data,
  };
}

const stringUuidField = (id: string): Buffer => bytesField(0x0a, bytesField(0x12, Buffer.from(id, 'latin1')));

/** The name within StreamIdentifier. */
function decodeStreamName(bytes: Buffer, start: number, end: number): string {
  const cursor: Cursor = { at: start };
  while (cursor.at < end) {
    const tag = readVarint(bytes, cursor);
    if (tag === 0x1a) {
      const length = readLength(bytes, cursor, end);
      return bytes.toString('utf8', cursor.at, cursor.at + length);
    }
    skipField(bytes, cursor, end, tag & 7);
  }
  return '';
}

/** Timestamp or Duration in milliseconds. */
function decodeSeconds(bytes: Buffer, start: number, end: number): number {
  const cursor: Cursor = { at: start };
  let ms = 0;
  while (cursor.at < end) {
    const tag = readVarint(bytes, cursor);
    if (tag === 0x08) ms += readVarint(bytes, cursor) * 1000;
    else if (tag === 0x10) ms += readVarint(bytes, cursor) / 1e6;
    else skipField(bytes, cursor, end, tag & 7);
  }
  return ms;
}

const expectedByTag: Readonly<Record<number, number>> = { 0x1a: NO_STREAM, 0x22: ANY, 0x2a: STREAM_EXISTS };

/** Options of Append and BatchAppend; `now` turns a duration into a deadline. */
function decodeOptions(bytes: Buffer, start: number, end: number, now: number): AppendOptions {
  const cursor: Cursor = { at: start };
  const options: AppendOptions = { stream: '', expected: ANY };
  while (cursor.at < end) {
    const tag = readVarint(bytes, cursor);
    if ((tag & 7) !== 2) {
      if (tag === 0x10) options.expected = readVarint(bytes, cursor);
      else skipField(bytes, cursor, end, tag & 7);
      continue;
    }
    const length = readLength(bytes, cursor, end);
    const to = cursor.at + length;
    if (tag === 0x0a) options.stream = decodeStreamName(bytes, cursor.at, to);
    else if (tag === 0x32) options.deadline = decodeSeconds(bytes, cursor.at, to);
    else if (tag === 0x3a) options.deadline = now + decodeSeconds(bytes, cursor.at, to);
    else options.expected = expectedByTag[tag] ?? options.expected;
    cursor.at = to;
  }
  return options;
}

/**
 * Decodes one BatchAppendReq. Its events are decoded later, by `decodeEvents`, so that a fault in one of them can
 * be answered under the correlation id.
 */
export function decodeBatchAppend(
  bytes: Buffer,
  now: number,
): Omit<BatchAppendRequest, 'events'> & { decodeEvents: () => ProposedEvent[] } {
  const cursor: Cursor = { at: 0 };
  const spans: [number, number][] = [];
  let correlation = bytes.subarray(0, 0);
  let options: AppendOptions | undefined;
  let isFinal = false;
  while (cursor.at < bytes.length) {
    const tag = readVarint(bytes, cursor);
    if (tag === 0x20) {
      isFinal = readVarint(bytes, cursor) !== 0;
      continue;
    }
    if ((tag & 7) !== 2) {
      skipField(bytes, cursor, bytes.length, tag & 7);
      continue;
    }
    const length = readLength(bytes, cursor, bytes.length);
    const to = cursor.at + length;
    if (tag === 0x0a) correlation = bytes.subarray(cursor.at, to);
    else if (tag === 0x12) options = decodeOptions(bytes, cursor.at, to, now);
    else if (tag === 0x1a) spans.push([cursor.at, to]);
    cursor.at = to;
  }
  return {
    correlation,
    options,
    isFinal,
    decodeEvents: () => spans.map(([start, end]) => decodeProposed(bytes, start, end)),
  };
}

/** Decodes one AppendReq: either options or one event. */
export function decodeAppend(
  bytes: Buffer,
  now: number,
): { options: AppendOptions } | { event: ProposedEvent } {
  const cursor: Cursor = { at: 0 };
  while (cursor.at < bytes.length) {
    const tag = readVarint(bytes, cursor);
    if (tag === 0x0a || tag === 0x12) {
      const length = readLength(bytes, cursor, bytes.length);
      const to = cursor.at + length;
      if (tag === 0x0a) return { options: decodeOptions(bytes, cursor.at, to, now) };
      return { event: decodeProposed(bytes, cursor.at, to) };
    }
    skipField(bytes, cursor, bytes.length, tag & 7);
  }
  throw new MalformedMessage('An append message is empty.');
}
