/** Expected revision: whatever the stream holds. */
export const ANY = -2;
/** Expected revision: the stream has no event. Also the last revision of such a stream. */
export const NO_STREAM = -1;
/** Expected revision: the stream has an event or metadata, and is not deleted. */
export const STREAM_EXISTS = -4;

/**
 * Revision of the event that tombstones a stream. On the wire it is 2^63 - 1, which a JavaScript number cannot
 * hold, so the store keeps the largest safe integer instead and the codec translates.
 */
export const TOMBSTONE_REVISION = Number.MAX_SAFE_INTEGER;

/** `$tb` of a soft deleted stream, 2^63 - 1, as JSON.parse reads it. */
export const SOFT_DELETED_BEFORE = 2 ** 63;
/** The same number as it must be written into the metadata event. */
export const SOFT_DELETED_JSON = '{"$tb":9223372036854775807}';
