declare const e164: unique symbol;

/** A telephone number in the international form of ITU-T E.164: a plus sign and up to fifteen digits. */
export type E164 = string & { readonly [e164]: true };

/** True for the shape alone, seven to fifteen digits behind the plus; says nothing about any numbering plan. */
export function isE164(value: string): value is E164 {
  return /^\+[1-9]\d{6,14}$/.test(value);
}
