/** The gRPC status codes that this server answers with. */
export const Status = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;

export type StatusCode = (typeof Status)[keyof typeof Status];

/** A failed call: gRPC status, message, and the trailers by which the client recognises its exception. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  constructor(
    readonly code: StatusCode,
    message: string,
    readonly trailers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** Trailers are ASCII, stream names need not be. */
const ascii = (text: string): string => text.replace(/[^\x20-\x7e]/gu, (char) => encodeURIComponent(char));

export const streamDeleted = (stream: string): RpcError =>
  new RpcError(Status.failedPrecondition, `Event stream '${stream}' is deleted.`, {
    exception: 'stream-deleted',
    'stream-name': ascii(stream),
  });

export const wrongExpectedVersion = (stream: string, expected: number, actual: number): RpcError =>
  new RpcError(
    Status.failedPrecondition,
    `Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${expected}, Actual version: ${actual}`,
    {
      exception: 'wrong-expected-version',
      'stream-name': ascii(stream),
      'expected-version': String(expected),
      'actual-version': String(actual),
    },
  );

export const maximumAppendSizeExceeded = (limit: number): RpcError =>
  new RpcError(Status.invalidArgument, `Maximum Append Size of ${limit} Exceeded.`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(limit),
  });

export const requiredMetadataMissing = (property: string): RpcError =>
  new RpcError(Status.invalidArgument, `Required Metadata Property '${property}' is missing`, {
    exception: 'missing-required-metadata-property',
    'required-metadata-properties': 'type,content-type',
  });

export const invalidArgument = (message: string): RpcError => new RpcError(Status.invalidArgument, message);

export const unimplemented = (path: string): RpcError =>
  new RpcError(Status.unimplemented, `${path} is not implemented by the embedded server.`);

/** How the server's end ends a call; an append that has not been made counts as never reached. */
export const stopping = (code: StatusCode = Status.cancelled): RpcError =>
  new RpcError(code, 'The server is shutting down.');

/** Any thrown value as the error that ends a call. */
export const asRpcError = (cause: unknown): RpcError =>
  cause instanceof RpcError
    ? cause
    : new RpcError(Status.unknown, cause instanceof Error ? cause.message : String(cause));
