import type { Id } from '@muster/contracts/ids';
import { createHash, timingSafeEqual } from 'node:crypto';

export interface ApiKeyParts {
  keyId: Id;
  secret: string;
}

const FORM = /^mk_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})_([\w-]{16,100})$/;

/** `mk_<keyId>_<secret>`; the secret is base64url and shown once. */
export function formatApiKey({ keyId, secret }: ApiKeyParts): string {
  return `mk_${keyId}_${secret}`;
}

/** The parts of an API key, or null for anything of another form. */
export function parseApiKey(text: string): ApiKeyParts | null {
  const [, keyId, secret] = FORM.exec(text) ?? [];
  return keyId === undefined || secret === undefined ? null : { keyId, secret };
}

/** SHA-256 in hexadecimal: all that is kept of a secret. */
export function secretHash(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Compares without telling by its time how much of it fits. */
export function isSameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
