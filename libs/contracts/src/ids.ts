import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';

/** Ids are lower-case UUIDs: version 7 for things made at the edge, version 5 for things that follow from a command. */
export const Id = z.uuid().describe('UUID');
export type Id = z.infer<typeof Id>;

/** Keyed hash of a phone number or e-mail address: 64 hex digits. */
export const DetailKey = z.string().regex(/^[0-9a-f]{64}$/);
export type DetailKey = z.infer<typeof DetailKey>;

const MUSTER_NAMESPACE = Buffer.from('6f2f0c54a3b54a0d9a3c6d1f7a1f5e11', 'hex');

/** RFC 9562 version 5 over the parts; the same parts always give the same id. */
export function uuid5(...parts: string[]): Id {
  const hash = createHash('sha1').update(MUSTER_NAMESPACE).update(parts.join('\n')).digest().subarray(0, 16);
  return format(hash, 0x50);
}

/** RFC 9562 version 7: sorts by the time of its making, in milliseconds. */
export function uuid7(nowMs: number = Date.now()): Id {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  return format(bytes, 0x70);
}

function format(bytes: Buffer, version: number): Id {
  bytes[6] = ((bytes[6] as number) & 0x0f) | version;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
