import { createHmac } from 'node:crypto';
import { aliasForms, type E164 } from './phone.js';

/** A way to reach a person: a telephone number in E.164, or a normalised e-mail address. */
export type DetailKind = 'phone' | 'email';

const PREFIX: Record<DetailKind, string> = { phone: 'sms:', email: 'email:' };

/**
 * The name of a detail that may stand in stream names, logs and the feed: HMAC-SHA-256 under the account's pepper,
 * 64 lower-case hexadecimal digits, so that it holds neither of the separators `-` and `_`.
 * `normalisedValue` is what parsePhone or parseEmail answered. Throws RangeError for an empty pepper.
 */
export function detailKey(pepper: Buffer, kind: DetailKind, normalisedValue: string): string {
  if (pepper.length === 0) throw new RangeError('the pepper of an account is empty');
  return createHmac('sha256', pepper)
    .update(PREFIX[kind] + normalisedValue, 'utf8')
    .digest('hex');
}

/**
 * Every key under which something may be known about the detail: each version of the pepper with each alias form of a
 * number. `peppers` is the current version first. All alias forms of a number answer the same keys in the same order,
 * so that the first one, under which new streams and claims are written, is one name for the telephone in any spelling.
 */
export function detailKeys(peppers: readonly Buffer[], kind: DetailKind, normalisedValue: string): string[] {
  const forms = kind === 'phone' ? aliasForms(normalisedValue as E164) : [normalisedValue];
  if (forms.length === 1) return peppers.map((pepper) => detailKey(pepper, kind, normalisedValue));
  forms.sort();
  return peppers.flatMap((pepper) => forms.map((form) => detailKey(pepper, kind, form)));
}

/**
 * The same for a detail whose first key is at hand, which it is in every event: most details are written in one way and
 * accounts have one pepper, and then that key is the only one and no hash is made.
 */
export function detailKeysBeside(
  key: string,
  peppers: readonly Buffer[],
  kind: DetailKind,
  normalisedValue: string,
): string[] {
  const isOnly =
    peppers.length === 1 && (kind === 'email' || aliasForms(normalisedValue as E164).length === 1);
  return isOnly ? [key] : [...new Set([key, ...detailKeys(peppers, kind, normalisedValue)])];
}

/** True for the shape of a detail key. */
export function isDetailKey(value: string): boolean {
  return /^[0-9a-f]{64}$/.test(value);
}
