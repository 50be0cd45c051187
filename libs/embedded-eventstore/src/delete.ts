import { type Handler, unary } from './call.js';
import { RpcError, Status, streamDeleted, wrongExpectedVersion } from './errors.js';
import { streams } from './generated.js';
import { positionFields } from './recorded.js';
import { ANY, NO_STREAM, STREAM_EXISTS } from './revision.js';
import { bytesField } from './varint.js';
import type { Writer } from './writer.js';

/**
 * Streams.Delete (soft: the stream can be written again and continues its revisions) and Streams.Tombstone (the
 * stream can never be written again). Both requests and both responses have the same fields.
 */
export function deleteStream(writer: Writer, action: 'delete' | 'tombstone'): Handler {
  return unary(async (request) => {
    const options = streams.DeleteReq.deserializeBinary(request).getOptions();
    const stream = Buffer.from(options?.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString('utf8');
    if (!options || stream === '') throw new RpcError(Status.invalidArgument, 'The stream is not named.');
    const expected = options.hasRevision()
      ? Number(options.getRevision())
      : options.hasNoStream()
        ? NO_STREAM
        : options.hasStreamExists()
          ? STREAM_EXISTS
          : ANY;
    const result = await writer.request({ action, stream, expected, events: [] });
    switch (result.kind) {
      case 'done':
        return bytesField(0x0a, positionFields(result.pos));
      case 'wrong':
        throw wrongExpectedVersion(stream, expected, result.current);
      case 'deleted':
        throw streamDeleted(stream);
      default:
        throw new RpcError(
          Status.unknown,
          result.kind === 'failed' ? result.message : 'The delete has timed out.',
        );
    }
  });
}
