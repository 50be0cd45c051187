import { type StatusCode, Status } from './errors.js';
import { positionFields } from './recorded.js';
import { ANY, NO_STREAM, STREAM_EXISTS } from './revision.js';
import { bytesField, textField, varintField } from './varint.js';
import type { WriteResult } from './writer.js';

/** Why a batch append was not made; the client recognises the class by the name of the details message. */
interface Failure {
  code: StatusCode;
  message: string;
  /** Name and bytes of the details message, within `event_store.client`. */
  details: [name: string, bytes: Buffer];
}

const EMPTY = Buffer.alloc(0);
const identifier = (stream: string): Buffer => textField(0x1a, stream);

export const timedOut: Failure = {
  code: Status.deadlineExceeded,
  message: 'Timeout',
  details: ['Timeout', EMPTY],
};

export const tooLarge = (limit: number): Failure => ({
  code: Status.invalidArgument,
  message: 'Maximum Append Size Exceeded',
  details: ['MaximumAppendSizeExceeded', varintField(0x08, limit)],
});

export const badRequest = (message: string): Failure => ({
  code: Status.invalidArgument,
  message,
  details: ['BadRequest', textField(0x0a, message)],
});

/** WrongExpectedVersion: current revision or none, expected revision or which of the three words. */
function wrongExpectedVersion(current: number, expected: number): Failure {
  const empty = (tag: number): Buffer => bytesField(tag, EMPTY);
  const words: Readonly<Record<number, number>> = { [ANY]: 0x22, [STREAM_EXISTS]: 0x2a, [NO_STREAM]: 0x32 };
  const word = words[expected];
  return {
    code: Status.alreadyExists,
    message: 'WrongExpectedVersion',
    details: [
      'WrongExpectedVersion',
      Buffer.concat([
        current >= 0 ? varintField(0x08, current) : empty(0x12),
        word === undefined ? varintField(0x18, expected) : empty(word),
      ]),
    ],
  };
}

/** BatchAppendResp with an error. */
export function encodeBatchFailure(correlation: Buffer, stream: string, failure: Failure): Buffer {
  const [name, bytes] = failure.details;
  const any = Buffer.concat([
    textField(0x0a, `type.googleapis.com/event_store.client.${name}`),
    bytesField(0x12, bytes),
  ]);
  const status = [varintField(0x08, failure.code), textField(0x12, failure.message), bytesField(0x1a, any)];
  return Buffer.concat([
    bytesField(0x0a, correlation),
    bytesField(0x12, Buffer.concat(status)),
    bytesField(0x22, identifier(stream)),
  ]);
}

/** BatchAppendResp for the result of a write. */
export function encodeBatchResult(
  correlation: Buffer,
  stream: string,
  expected: number,
  result: WriteResult,
): Buffer {
  if (result.kind !== 'done') {
    return encodeBatchFailure(correlation, stream, failureOf(stream, expected, result));
  }
  const success = Buffer.concat([
    result.rev >= 0 ? varintField(0x08, result.rev) : bytesField(0x12, EMPTY),
    bytesField(0x1a, positionFields(result.pos)),
  ]);
  return Buffer.concat([
    bytesField(0x0a, correlation),
    bytesField(0x1a, success),
    bytesField(0x22, identifier(stream)),
  ]);
}

function failureOf(
  stream: string,
  expected: number,
  result: Exclude<WriteResult, { kind: 'done' }>,
): Failure {
  switch (result.kind) {
    case 'wrong':
      return wrongExpectedVersion(result.current, expected);
    case 'deleted':
      return {
        code: Status.failedPrecondition,
        message: 'StreamDeleted',
        details: ['StreamDeleted', bytesField(0x0a, identifier(stream))],
      };
    case 'timeout':
      return timedOut;
    case 'failed':
      return { code: Status.unknown, message: result.message, details: ['Unknown', EMPTY] };
  }
}
