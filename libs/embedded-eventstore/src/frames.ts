import { RpcError, Status, unimplemented } from './errors.js';

/** Largest request message, as on the real server: 16 MiB and some room for headers. */
const MAX_MESSAGE = 17 * 1024 * 1024;
const HEADER = 5;
/** How many bytes are handed to the socket at once. One write per message would cost most of the server's time. */
const WRITE_SIZE = 256 * 1024;

/** Cuts an incoming byte stream into gRPC messages, without copying those that arrive in one piece. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #held = 0;
  #needed = HEADER;

  constructor(private readonly onMessage: (message: Buffer) => void) {}

  /** Throws RpcError for a message that is compressed or too large. */
  push(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#held += piece.length;
    if (this.#held < this.#needed) return;
    const bytes = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces);
    let at = 0;
    for (;;) {
      this.#needed = frameLength(bytes, at);
      if (bytes.length - at < this.#needed) break;
      const message = bytes.subarray(at + HEADER, at + this.#needed);
      at += this.#needed;
      this.onMessage(message);
    }
    const rest = bytes.subarray(at);
    this.#pieces = rest.length > 0 ? [rest] : [];
    this.#held = rest.length;
  }
}

/** Length of the frame at `at`, header included; only the header's if even that is not complete. */
function frameLength(bytes: Buffer, at: number): number {
  if (bytes.length - at < HEADER) return HEADER;
  if (bytes[at] !== 0) throw unimplemented('Message compression');
  const length = bytes.readUInt32BE(at + 1);
  if (length > MAX_MESSAGE) {
    throw new RpcError(
      Status.resourceExhausted,
      `Received message exceeds the maximum of ${MAX_MESSAGE} bytes.`,
    );
  }
  return HEADER + length;
}

/** Puts messages into gRPC frames and many frames into few buffers. */
export function packFrames(messages: readonly Buffer[]): Buffer[] {
  const packed: Buffer[] = [];
  for (let first = 0; first < messages.length;) {
    let size = 0;
    let end = first;
    while (end < messages.length && (end === first || size + messages[end]!.length < WRITE_SIZE)) {
      size += HEADER + messages[end++]!.length;
    }
    packed.push(frame(messages, first, end, size));
    first = end;
  }
  return packed;
}

function frame(messages: readonly Buffer[], first: number, end: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (let index = first; index < end; index++) {
    const message = messages[index]!;
    bytes[at] = 0;
    bytes.writeUInt32BE(message.length, at + 1);
    message.copy(bytes, at + HEADER);
    at += HEADER + message.length;
  }
  return bytes;
}
