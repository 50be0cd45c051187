import type { Socket } from 'node:net';
import { type Document } from './bson-types.js';
import { decode, encode } from './document-bytes.js';

const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
const CHECKSUM_PRESENT = 1;
const MORE_TO_COME = 2;

/** The longest message the server reads, in bytes (maxMessageSizeBytes of the real server). */
export const MAX_MESSAGE_BYTES = 48_000_000;

/**
 * One command as it came over the wire. Document sequences stay bytes: most of them are stored as they are.
 */
export interface Request {
  requestId: number;
  command: Document;
  sequences: Map<string, Buffer[]>;
  /** The client asked for no answer (an unacknowledged write). */
  silent: boolean;
  legacy: boolean;
}

/** A reply whose bytes are already assembled, so that stored documents go out without being decoded. */
export class RawReply {
  constructor(readonly parts: readonly Buffer[]) {}
}

export type Reply = Document | RawReply;

/** What breaks the connection: bytes that are not a message this server understands. */
export class ProtocolError extends Error {}

/** Cuts a byte stream into messages by their length prefix. */
export class MessageSplitter {
  private chunks: Buffer[] = [];
  private size = 0;
  private wanted = 4;

  /** Adds received bytes and returns the messages that are now complete. */
  push(chunk: Buffer): Buffer[] {
    this.chunks.push(chunk);
    this.size += chunk.length;
    const messages: Buffer[] = [];
    while (this.size >= this.wanted) {
      const joined = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks, this.size);
      const length = joined.readInt32LE(0);
      if (length < 16 || length > MAX_MESSAGE_BYTES) throw new ProtocolError(`message of ${length} bytes`);
      if (this.size < length) {
        this.chunks = [joined];
        this.wanted = length;
        break;
      }
      messages.push(joined.subarray(0, length));
      this.size -= length;
      this.chunks = this.size > 0 ? [joined.subarray(length)] : [];
      this.wanted = 4;
    }
    return messages;
  }
}

/** Reads one message. Throws ProtocolError on anything but OP_MSG and the legacy hello. */
export function parseMessage(message: Buffer): Request {
  const opCode = message.readInt32LE(12);
  if (opCode === OP_MSG) return parseOpMsg(message);
  if (opCode === OP_QUERY) return parseOpQuery(message);
  throw new ProtocolError(`opcode ${opCode} is not spoken here`);
}

function sized(message: Buffer, at: number, end: number): Buffer {
  const size = at + 4 <= end ? message.readInt32LE(at) : -1;
  if (size < 5 || at + size > end) throw new ProtocolError('a section reaches past its message');
  return message.subarray(at, at + size);
}

function parseOpMsg(message: Buffer): Request {
  if (message.length < 26) throw new ProtocolError('OP_MSG without a body');
  const flags = message.readUInt32LE(16);
  const end = flags & CHECKSUM_PRESENT ? message.length - 4 : message.length;
  const sequences = new Map<string, Buffer[]>();
  let command: Document | undefined;
  let at = 20;
  while (at < end) {
    const kind = message[at++];
    const section = sized(message, at, end);
    at += section.length;
    if (kind === 0) command = decode(section);
    else if (kind === 1) readSequence(section, sequences);
    else throw new ProtocolError(`section kind ${kind}`);
  }
  if (command === undefined) throw new ProtocolError('OP_MSG without a body');
  const silent = (flags & MORE_TO_COME) !== 0;
  return { requestId: message.readInt32LE(4), command, sequences, silent, legacy: false };
}

function readSequence(section: Buffer, into: Map<string, Buffer[]>): void {
  const nameEnd = section.indexOf(0, 4);
  if (nameEnd < 0) throw new ProtocolError('a document sequence without a name');
  const documents: Buffer[] = [];
  let at = nameEnd + 1;
  while (at < section.length) {
    const document = sized(section, at, section.length);
    documents.push(document);
    at += document.length;
  }
  into.set(section.toString('latin1', 4, nameEnd), documents);
}

/**
 * Drivers open a connection with an OP_QUERY hello when they do not know the server yet; nothing else uses
 * it.
 */
function parseOpQuery(message: Buffer): Request {
  const nameEnd = message.indexOf(0, 20);
  if (nameEnd < 0) throw new ProtocolError('OP_QUERY without a collection');
  const body = decode(sized(message, nameEnd + 9, message.length));
  const inner = body['$query'];
  const command = typeof inner === 'object' && inner !== null ? (inner as Document) : body;
  const database = message.toString('utf8', 20, nameEnd).split('.')[0];
  return {
    requestId: message.readInt32LE(4),
    command: { ...command, $db: command['$db'] ?? database },
    sequences: new Map(),
    silent: false,
    legacy: true,
  };
}

let nextRequestId = 1;

function header(size: number, responseTo: number, opCode: number, extra: number): Buffer {
  const out = Buffer.alloc(16 + extra);
  nextRequestId = (nextRequestId + 1) & 0x7fffffff;
  out.writeInt32LE(16 + extra + size, 0);
  out.writeInt32LE(nextRequestId, 4);
  out.writeInt32LE(responseTo, 8);
  out.writeInt32LE(opCode, 12);
  return out;
}

/** Writes a reply to the socket in the form that the request came in. */
export function writeReply(socket: Socket, request: Request, reply: Reply): void {
  const parts = reply instanceof RawReply ? reply.parts : [encode(reply)];
  let size = 0;
  for (const part of parts) size += part.length;
  if (request.legacy) {
    const head = header(size, request.requestId, OP_REPLY, 20);
    head.writeInt32LE(8, 16);
    head.writeInt32LE(1, 32);
    socket.write(Buffer.concat([head, ...parts], 36 + size));
    return;
  }
  const head = header(size, request.requestId, OP_MSG, 5);
  socket.write(Buffer.concat([head, ...parts], 21 + size));
}
