import { randomUUID } from 'node:crypto';
import { type ProposedEvent, decodeMapEntry } from './codec.js';
import { TOMBSTONE_REVISION } from './revision.js';
import {
  type Cursor,
  bytesField,
  readVarint,
  textField,
  varintField,
  varintSize,
  writeVarint,
} from './varint.js';

/**
 * The stored form of an event: the RecordedEvent message without revision and positions, in the order stream
 * identifier, fields as proposed, `created`. A read appends what is missing and parses nothing.
 */
const CREATED_LENGTH = 30;
/** .NET ticks per millisecond, as text: `created` counts 100 ns since 1970. */
const TICKS = '0000';
/** 2^63 - 1 as a varint: the revision of a tombstone. */
const TOMBSTONE_VARINT = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);

/** The StreamIdentifier field that opens every stored event of the stream. */
export const identifierField = (stream: string): Buffer => bytesField(0x12, textField(0x1a, stream));

/** `created` as a map entry; 17 digits until the year 2286, so its length is fixed. */
export const createdField = (ms: number): Buffer =>
  bytesField(0x32, Buffer.concat([textField(0x0a, 'created'), textField(0x12, `${ms}${TICKS}`)]));

/** The bytes to store. */
export function recordedBody(identifier: Buffer, fields: Buffer, created: Buffer): Buffer {
  const body = Buffer.allocUnsafe(identifier.length + fields.length + CREATED_LENGTH);
  identifier.copy(body, 0);
  fields.copy(body, identifier.length);
  created.copy(body, identifier.length + fields.length);
  return body;
}

/** Where a field of a stored event lies, or undefined. */
function findField(body: Buffer, wanted: number): Buffer | undefined {
  const cursor: Cursor = { at: 0 };
  while (cursor.at < body.length) {
    const tag = readVarint(body, cursor);
    const length = readVarint(body, cursor);
    if (tag === wanted) return body.subarray(cursor.at, cursor.at + length);
    cursor.at += length;
  }
  return undefined;
}

/** Stream name of a stored event: its identifier is always the first field. */
export function streamNameOf(body: Buffer): string {
  const cursor: Cursor = { at: 1 };
  const end = readVarint(body, cursor) + cursor.at;
  cursor.at++;
  readVarint(body, cursor);
  return body.toString('utf8', cursor.at, end);
}

/** Event id of a stored event, lower case. */
export const eventIdOf = (body: Buffer): string => findField(body, 0x0a)?.toString('latin1', 2) ?? '';

/** Data of a stored event. */
export const dataOf = (body: Buffer): Buffer => findField(body, 0x42) ?? Buffer.alloc(0);

/** Whether the stored event's content type is JSON. */
export function isJsonOf(body: Buffer): boolean {
  const cursor: Cursor = { at: 0 };
  while (cursor.at < body.length) {
    const tag = readVarint(body, cursor);
    const length = readVarint(body, cursor);
    const end = cursor.at + length;
    if (tag === 0x32) {
      const [key, value] = decodeMapEntry(body, cursor.at, end);
      if (key === 'content-type') return value === 'application/json';
    }
    cursor.at = end;
  }
  return false;
}

/** An event that the server itself writes. */
export function systemEvent(type: '$metadata' | '$streamDeleted' | '$User', json: string): ProposedEvent {
  const id = randomUUID();
  const isJson = json !== '';
  const data = Buffer.from(json);
  const entry = (key: string, value: string): Buffer =>
    bytesField(0x32, Buffer.concat([textField(0x0a, key), textField(0x12, value)]));
  const fields = Buffer.concat([
    bytesField(0x0a, textField(0x12, id)),
    entry('type', type),
    entry('content-type', isJson ? 'application/json' : 'application/octet-stream'),
    bytesField(0x42, data),
  ]);
  return { id, type, isJson, size: data.length + type.length * 2, fields, data };
}

const revisionSize = (revision: number): number =>
  revision === TOMBSTONE_REVISION ? TOMBSTONE_VARINT.length : varintSize(revision);

function writeRevision(bytes: Buffer, at: number, revision: number): number {
  if (revision !== TOMBSTONE_REVISION) return writeVarint(bytes, at, revision);
  return at + TOMBSTONE_VARINT.copy(bytes, at);
}

/** An event with its place: stored bytes, position and revision. */
interface Placed {
  pos: number;
  rev: number;
  body: Buffer;
}

const recordSize = ({ pos, rev, body }: Placed): number =>
  body.length + 3 + revisionSize(rev) + 2 * varintSize(pos);

/** Writes a RecordedEvent field: the stored bytes, then revision, prepare and commit position. */
function writeRecord(bytes: Buffer, start: number, tag: number, record: Placed): number {
  bytes[start] = tag;
  let at = writeVarint(bytes, start + 1, recordSize(record));
  at += record.body.copy(bytes, at);
  bytes[at++] = 0x18;
  at = writeRevision(bytes, at, record.rev);
  bytes[at++] = 0x20;
  at = writeVarint(bytes, at, record.pos);
  bytes[at++] = 0x28;
  return writeVarint(bytes, at, record.pos);
}

const fieldSize = (length: number): number => 1 + varintSize(length) + length;

/** ReadResp with one event. */
export function encodeReadEvent(event: Placed): Buffer {
  const eventSize = fieldSize(recordSize(event)) + 1 + varintSize(event.pos);
  const message = Buffer.allocUnsafe(fieldSize(eventSize));
  message[0] = 0x0a;
  let at = writeVarint(message, 1, eventSize);
  at = writeRecord(message, at, 0x0a, event);
  message[at++] = 0x18;
  writeVarint(message, at, event.pos);
  return message;
}

/** ReadResp with a link and the event it points to, which may be gone. */
export function encodeResolvedLink(link: Placed, target: Placed | undefined): Buffer {
  const targetSize = target ? fieldSize(recordSize(target)) : 0;
  const eventSize = targetSize + fieldSize(recordSize(link)) + 1 + varintSize(link.pos);
  const message = Buffer.allocUnsafe(fieldSize(eventSize));
  message[0] = 0x0a;
  let at = writeVarint(message, 1, eventSize);
  if (target) at = writeRecord(message, at, 0x0a, target);
  at = writeRecord(message, at, 0x12, link);
  message[at++] = 0x18;
  writeVarint(message, at, link.pos);
  return message;
}

/** ReadResp: the subscription is confirmed. */
export const encodeConfirmation = (id: string): Buffer => bytesField(0x12, textField(0x0a, id));

/** Commit and prepare position, which are the same here. */
export const positionFields = (pos: number): Buffer =>
  Buffer.concat([varintField(0x08, pos), varintField(0x10, pos)]);

/** ReadResp: everything up to and including `pos` has been considered. */
export const encodeCheckpoint = (pos: number): Buffer => bytesField(0x1a, positionFields(pos));

/** ReadResp: the stream has no events or is soft deleted. */
export const encodeStreamNotFound = (stream: string): Buffer =>
  bytesField(0x22, bytesField(0x0a, textField(0x1a, stream)));

/** ReadResp: the subscription has reached the end of the log. */
export const CAUGHT_UP = Buffer.from([0x42, 0]);
/** ReadResp: the subscriber was too slow and reads history again. */
export const FELL_BEHIND = Buffer.from([0x4a, 0]);
