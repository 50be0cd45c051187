import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { type RpcError, Status, type StatusCode, asRpcError } from './errors.js';
import { FrameReader, packFrames } from './frames.js';

/** What serves one gRPC method. It may be synchronous; what it throws ends the call. */
export type Handler = (call: Call) => void | Promise<void>;

/** One gRPC call on an HTTP/2 stream. */
export class Call {
  #message: (message: Buffer) => void = () => {};
  #end: () => void = () => {};
  readonly #closing = new Set<() => void>();
  #started = false;
  #closed = false;
  #trailers: OutgoingHttpHeaders = { 'grpc-status': '0' };

  constructor(
    private readonly stream: ServerHttp2Stream,
    readonly headers: IncomingHttpHeaders,
  ) {
    const reader = new FrameReader((message) => {
      if (!this.#closed) this.#message(message);
    });
    stream.on('data', (piece: Buffer) => this.#guard(() => !this.#closed && reader.push(piece)));
    stream.on('end', () => this.#guard(() => !this.#closed && this.#end()));
    stream.on('wantTrailers', () => stream.sendTrailers(this.#trailers));
    stream.on('close', () => this.#markClosed());
    // A peer that goes away is no fault of the server; 'close' follows.
    stream.on('error', () => {});
  }

  /** The status with which the call ends when the server stops. */
  statusWhenStopped: StatusCode = Status.cancelled;

  /** Whether the call was answered or the peer is gone. */
  get closed(): boolean {
    return this.#closed || this.stream.destroyed;
  }

  onMessage(listener: (message: Buffer) => void): void {
    this.#message = listener;
  }

  /** The client has sent its last message. */
  onEnd(listener: () => void): void {
    this.#end = listener;
  }

  /** Calls the listener once when the call is closed, or at once if it is. Returns how to take that back. */
  onClose(listener: () => void): () => void {
    if (this.closed) listener();
    else this.#closing.add(listener);
    return () => this.#closing.delete(listener);
  }

  /** Sends messages; a promise means that the peer reads too slowly, and resolves when it goes on or is gone. */
  send(messages: readonly Buffer[]): Promise<void> | undefined {
    if (this.closed || messages.length === 0) return undefined;
    this.#start();
    let flowing = true;
    for (const bytes of packFrames(messages)) flowing = this.stream.write(bytes);
    return flowing ? undefined : this.#drained();
  }

  /** Ends the call, with `error` or successfully. Later calls do nothing. */
  finish(error?: RpcError): void {
    if (this.closed) return;
    if (error) {
      this.#trailers = {
        'grpc-status': String(error.code),
        'grpc-message': encodeMessage(error.message),
        ...error.trailers,
      };
    }
    if (this.#started || !error) {
      this.#start();
      this.stream.end();
    } else {
      this.#started = true;
      this.stream.respond({ ...RESPONSE_HEADERS, ...this.#trailers }, { endStream: true });
    }
    this.#markClosed();
  }

  /** Runs a handler; what it throws or rejects with ends the call. */
  run(handler: Handler): void {
    this.#guard(() => handler(this));
  }

  #guard(work: () => unknown): void {
    const fail = (cause: unknown): void => this.finish(asRpcError(cause));
    try {
      const result = work();
      if (result instanceof Promise) result.catch(fail);
    } catch (cause) {
      fail(cause);
    }
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.stream.respond(RESPONSE_HEADERS, { waitForTrailers: true });
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      let takeBack = (): void => {};
      const done = (): void => {
        this.stream.off('drain', done);
        takeBack();
        resolve();
      };
      this.stream.once('drain', done);
      takeBack = this.onClose(done);
    });
  }

  #markClosed(): void {
    this.#closed = true;
    const listeners = [...this.#closing];
    this.#closing.clear();
    for (const listener of listeners) listener();
  }
}

const RESPONSE_HEADERS = { ':status': 200, 'content-type': 'application/grpc' };

/** gRPC encodes in a message only what is not printable ASCII, and the percent sign. */
const encodeMessage = (message: string): string =>
  message.replace(/[^\x20-\x24\x26-\x7e]/gu, (char) => encodeURIComponent(char));

/** A handler of a method with one request and one response message. */
export function unary(answer: (request: Buffer) => Uint8Array | Promise<Uint8Array>): Handler {
  return (call) =>
    call.onMessage((request) =>
      call.run(async () => {
        call.send([Buffer.from(await answer(request))]);
        call.finish();
      }),
    );
}
