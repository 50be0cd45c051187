import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';

/**
 * Ids are lower-case UUIDs: version 7 for things made at the edge, version 5 for things that follow from a command, and
 * version 8 for those of which there are so many that they have to lie side by side in every index.
 */
export const Id = z.uuid().describe('UUID');
export type Id = z.infer<typeof Id>;

/** Keyed hash of a phone number or e-mail address: 64 hex digits. */
export const DetailKey = z.string().regex(/^[0-9a-f]{64}$/);
export type DetailKey = z.infer<typeof DetailKey>;

const MUSTER_NAMESPACE = Buffer.from('6f2f0c54a3b54a0d9a3c6d1f7a1f5e11', 'hex');

/** RFC 9562 version 5 over the parts; the same parts always give the same id. */
export function uuid5(...parts: string[]): Id {
  return format(sha1(...parts), 0x50);
}

/** The number takes four bytes, of which the variant of the UUID needs two bits. */
const ORDER_MAX = 2 ** 30;
const TAIL_BYTES = 4;

/**
 * RFC 9562 version 8: the id of the `n`-th thing of a parent. Follows from both, and sorts by `n` among those of the same
 * parent: a million random ids would touch as many pages of every index, these touch one after the other.
 * @param n from 0 to 2^30 - 1
 * @throws RangeError for any other `n`
 */
export function uuid8InOrder(parent: Id, n: number): Id {
  if (!Number.isInteger(n) || n < 0 || n >= ORDER_MAX) throw new RangeError('there is no id for this number');
  const hash = sha1(parent, String(n));
  const bytes = Buffer.allocUnsafe(16);
  bytesOf(parent).copy(bytes, 0, 0, 8);
  bytes.writeUInt32BE(n, 8);
  hash.copy(bytes, 12, 0, TAIL_BYTES);
  return format(bytes, 0x80);
}

/**
 * RFC 9562 version 8: an id that follows from another and sorts right beside it. All but the last four bytes are those of
 * the other, so the parts only tell apart what follows from the same one.
 */
export function uuid8Beside(other: Id, ...parts: string[]): Id {
  const bytes = bytesOf(other);
  sha1(other, ...parts).copy(bytes, 12, 0, TAIL_BYTES);
  return format(bytes, 0x80);
}

/** RFC 9562 version 7: sorts by the time of its making, in milliseconds. */
export function uuid7(nowMs: number = Date.now()): Id {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  return format(bytes, 0x70);
}

function sha1(...parts: string[]): Buffer {
  return createHash('sha1').update(MUSTER_NAMESPACE).update(parts.join('\n')).digest().subarray(0, 16);
}

function bytesOf(id: Id): Buffer {
  return Buffer.from(id.replaceAll('-', ''), 'hex');
}

function format(bytes: Buffer, version: number): Id {
  bytes[6] = ((bytes[6] as number) & 0x0f) | version;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
