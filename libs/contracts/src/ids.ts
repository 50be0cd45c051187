import { hash, randomBytes } from 'node:crypto';
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
  return format(sha1(parts), '5');
}

/** The number takes four bytes, of which the variant of the UUID needs two bits. */
const ORDER_MAX = 2 ** 30;

/**
 * RFC 9562 version 8: the id of the `n`-th thing of a parent. Follows from both, and sorts by `n` among those of the same
 * parent: a million random ids would touch as many pages of every index, these touch one after the other.
 * @param n from 0 to 2^30 - 1
 * @throws RangeError for any other `n`
 */
export function uuid8InOrder(parent: Id, n: number): Id {
  if (!Number.isInteger(n) || n < 0 || n >= ORDER_MAX) throw new RangeError('there is no id for this number');
  const place = n.toString(16).padStart(8, '0');
  return format(digitsOf(parent).slice(0, 16) + place + sha1([parent, String(n)]).slice(0, 8), '8');
}

/**
 * RFC 9562 version 8: an id that follows from another and sorts right beside it. All but the last four bytes are those of
 * the other, so the parts only tell apart what follows from the same one.
 */
export function uuid8Beside(other: Id, ...parts: string[]): Id {
  return format(digitsOf(other).slice(0, 24) + sha1([other, ...parts]).slice(0, 8), '8');
}

/** RFC 9562 version 7: sorts by the time of its making, in milliseconds. */
export function uuid7(nowMs: number = Date.now()): Id {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  return format(bytes.toString('hex'), '7');
}

/** Room for the namespace and what is hashed after it; an import makes a dozen ids a row. */
const scratch = Buffer.alloc(1024);
MUSTER_NAMESPACE.copy(scratch);

/** Hex digits of the hash of the parts under the namespace. */
function sha1(parts: readonly string[]): string {
  const text = parts.join('\n');
  // A character of a string takes three bytes at most.
  const fits = MUSTER_NAMESPACE.length + text.length * 3 <= scratch.length;
  if (!fits) return hash('sha1', Buffer.concat([MUSTER_NAMESPACE, Buffer.from(text)]), 'hex');
  const end = MUSTER_NAMESPACE.length + scratch.write(text, MUSTER_NAMESPACE.length);
  return hash('sha1', scratch.subarray(0, end), 'hex');
}

function digitsOf(id: Id): string {
  return id.replaceAll('-', '').toLowerCase();
}

/** The first 32 hex digits as an id of a version, with the two bits of RFC 9562's variant. */
function format(digits: string, version: '5' | '7' | '8'): Id {
  const variant = ((Number.parseInt(digits.charAt(16), 16) & 0x3) | 0x8).toString(16);
  const [first, second] = [digits.slice(0, 8), digits.slice(8, 12)];
  return `${first}-${second}-${version}${digits.slice(13, 16)}-${variant}${digits.slice(17, 20)}-${digits.slice(20, 32)}`;
}
