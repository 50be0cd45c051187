import { createCipheriv, createDecipheriv } from 'node:crypto';
import { randomPortion } from './random.js';

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** AES-256-GCM; the answer is iv, tag and ciphertext, one after the other. The context is authenticated, not stored. */
export function encrypt(secret: Buffer, context: string, plain: Buffer): Buffer {
  const iv = randomPortion(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', secret, iv);
  cipher.setAAD(Buffer.from(context));
  const [body, end] = [cipher.update(plain), cipher.final()];
  return Buffer.concat([iv, cipher.getAuthTag(), body, end]);
}

/** @throws Error when the bytes were changed, or the key or the context is another. */
export function decrypt(secret: Buffer, context: string, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(0, IV_BYTES));
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
}

export function sealValues(secret: Buffer, context: string, values: object): string {
  return encrypt(secret, context, Buffer.from(JSON.stringify(values))).toString('base64');
}

export function openValues(secret: Buffer, context: string, sealed: string): Record<string, unknown> {
  return JSON.parse(decrypt(secret, context, Buffer.from(sealed, 'base64')).toString()) as Record<
    string,
    unknown
  >;
}
