import { domainToASCII } from 'node:url';

export type EmailRefusal = 'empty' | 'not_an_email' | 'too_long';

export type ParsedEmail = { ok: true; email: string } | { ok: false; reason: EmailRefusal };

/** RFC 5321 §4.5.3.1, in octets: the local part, and the address (a path of 256 without its angle brackets). */
const MAX_LOCAL_OCTETS = 64;
const MAX_ADDRESS_OCTETS = 254;
const MAX_INPUT = 1_000;

const INVISIBLE_ENDS = /^[\s\p{Cf}]+|[\s\p{Cf}]+$/gu;

/** The dot-atom of RFC 5322 §3.2.3 with the letters of all scripts (RFC 6531); quoted local parts are refused. */
const LOCAL = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u;
const DOMAIN = /^[\p{L}\p{M}\p{N}.\-\u3002\uff0e\uff61]+$/u;
const ASCII_DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

function normalised(text: string): string {
  return text.normalize('NFC').toLowerCase().normalize('NFC');
}

/**
 * Reads an e-mail address and normalises it: trimmed, NFC, lower case, the domain in ASCII (IDNA). Dots and plus tags in
 * the local part stay, because only some providers ignore them. The domain needs a dot and a top level that is not
 * a number. Never throws. Idempotent: its answer reads as itself.
 */
export function parseEmail(input: string): ParsedEmail {
  if (input.length > MAX_INPUT) return { ok: false, reason: 'too_long' };
  const text = input.replace(INVISIBLE_ENDS, '').replace(/^mailto:/i, '');
  if (text === '') return { ok: false, reason: 'empty' };
  const at = text.lastIndexOf('@');
  const local = normalised(text.slice(0, Math.max(at, 0)));
  const written = text.slice(at + 1);
  if (at < 1 || !LOCAL.test(local) || !DOMAIN.test(written)) return { ok: false, reason: 'not_an_email' };
  const domain = domainToASCII(written);
  if (!ASCII_DOMAIN.test(domain)) return { ok: false, reason: 'not_an_email' };
  const email = `${local}@${domain}`;
  if (Buffer.byteLength(local) > MAX_LOCAL_OCTETS || Buffer.byteLength(email) > MAX_ADDRESS_OCTETS) {
    return { ok: false, reason: 'too_long' };
  }
  return { ok: true, email };
}
