import examples from 'libphonenumber-js/examples.mobile.json';
import {
  type CountryCode,
  getCountryCallingCode,
  getExampleNumber,
  isSupportedCountry,
  ParseError,
  parsePhoneNumberWithError,
  type PhoneNumber,
  validatePhoneNumberLength,
} from 'libphonenumber-js/max';
import { aliasForms } from './alias.js';
import { type E164, isE164 } from './e164.js';
import { readSpelling } from './spelling.js';

export { aliasForms } from './alias.js';
export { type E164, isE164 } from './e164.js';

export type PhoneRefusal =
  | 'empty'
  | 'not_a_number'
  | 'too_short'
  | 'too_long'
  | 'invalid'
  | 'short_code'
  | 'alphanumeric'
  | 'extension'
  | 'unknown_country';

/**
 * `country` is ISO 3166-1 alpha-2; `type` is mobile, fixed_line, fixed_line_or_mobile, toll_free and so on.
 * Both are left out when the numbering plan does not say.
 */
export type ParsedPhone =
  { ok: true; phone: E164; country?: string; type?: string } | { ok: false; reason: PhoneRefusal };

/** The road on which a carrier delivered, when its address names one other than SMS. */
export type PhoneChannel = 'whatsapp' | 'rcs' | 'mms';

export type ParsedProviderPhone =
  | { ok: true; phone: E164; country?: string; type?: string; channel?: PhoneChannel }
  | { ok: false; reason: PhoneRefusal };

export interface PhoneOptions {
  /**
   * Reads seven or eight digits without a plus as a national number where the default country's plan knows them
   * (Denmark, Norway, Singapore and some forty more). Off by default: such strings are also short codes.
   */
  shortNational?: boolean;
}

type Reading = { ok: true; number: PhoneNumber } | { ok: false; reason: PhoneRefusal };

const SHORT_CODE_MIN = 3;
const SHORT_CODE_MAX = 8;
const NATIONAL_MIN = 7;

function read(text: string, country?: CountryCode): Reading {
  try {
    const number = parsePhoneNumberWithError(text, { defaultCountry: country, extract: false });
    if (!isE164(number.number))
      return { ok: false, reason: number.number.length > 16 ? 'too_long' : 'too_short' };
    return { ok: true, number };
  } catch (error) {
    if (!(error instanceof ParseError)) return { ok: false, reason: 'not_a_number' };
    switch (error.message) {
      case 'TOO_SHORT':
        return { ok: false, reason: 'too_short' };
      case 'TOO_LONG':
        return { ok: false, reason: 'too_long' };
      case 'INVALID_COUNTRY':
        return { ok: false, reason: 'unknown_country' };
      default:
        return { ok: false, reason: 'not_a_number' };
    }
  }
}

type Accepted = { ok: true; phone: E164; country?: string; type?: string };

/** A number that has a type is valid; asking for both would match every pattern of the plan twice. */
function valid(number: PhoneNumber): Accepted | undefined {
  const type = number.getType();
  return type !== undefined || number.isValid() ? answer(number, type) : undefined;
}

/** A number of an older plan becomes the current spelling of the same telephone, when that one is valid. */
function modern(number: PhoneNumber): Accepted | undefined {
  const own = valid(number);
  if (own) return own;
  for (const alias of aliasForms(number.number as string as E164).slice(1)) {
    const reading = read(alias);
    const current = reading.ok ? valid(reading.number) : undefined;
    if (current) return current;
  }
  return undefined;
}

/**
 * Plans open ranges faster than their published tables follow, and a real person must not be refused for it. Taken as
 * a number, therefore: North American numbers of ten digits in any area code, and elsewhere numbers with
 * the length and the first digit of the country's mobile numbers.
 */
function plausible(number: PhoneNumber): boolean {
  const national = number.nationalNumber;
  if (number.countryCallingCode === '1') return /^[2-9]\d{9}$/.test(national);
  const countries = number.country ? [number.country] : number.getPossibleCountries();
  return countries.some((country) => {
    const example = getExampleNumber(country, examples)?.nationalNumber;
    return example !== undefined && example.length === national.length && example[0] === national[0];
  });
}

function answer(number: PhoneNumber, type = number.getType()): Accepted {
  return {
    ok: true,
    phone: number.number as string as E164,
    ...(number.country ? { country: number.country } : {}),
    ...(type ? { type: type.toLowerCase() } : {}),
  };
}

/** Why a number that could be read is still none. */
function refusal(number: PhoneNumber): { ok: false; reason: PhoneRefusal } {
  switch (validatePhoneNumberLength(number.number)) {
    case 'TOO_SHORT':
      return { ok: false, reason: 'too_short' };
    case 'TOO_LONG':
      return { ok: false, reason: 'too_long' };
    default:
      return { ok: false, reason: 'invalid' };
  }
}

/** The readings of a digit string, best first: as dialled in the default country, then behind `00` and `011`. */
function readings(plus: boolean, digits: string, country?: CountryCode): Reading[] {
  if (plus) return [read(`+${digits}`)];
  const all: Reading[] = country ? [read(digits, country)] : [];
  if (digits.startsWith('00')) all.push(read(`+${digits.slice(2)}`));
  if (digits.startsWith('011')) all.push(read(`+${digits.slice(3)}`));
  return all;
}

function best(all: readonly Reading[]): ParsedPhone {
  const numbers = all.flatMap((reading) => (reading.ok ? [reading.number] : []));
  for (const number of numbers) {
    const current = modern(number);
    if (current) return current;
  }
  const likely = numbers.find(plausible);
  if (likely) return answer(likely);
  if (numbers[0]) return refusal(numbers[0]);
  const failed = all.find((reading) => !reading.ok);
  return { ok: false, reason: failed && !failed.ok ? failed.reason : 'unknown_country' };
}

function countryOf(name: string | undefined): CountryCode | undefined | 'unknown' {
  if (name === undefined || name === '') return undefined;
  const code = name.toUpperCase();
  return isSupportedCountry(code) ? code : 'unknown';
}

function shortString(digits: string, country: CountryCode | undefined, options: PhoneOptions): ParsedPhone {
  if (digits.length < SHORT_CODE_MIN) return { ok: false, reason: 'too_short' };
  if (options.shortNational && country && digits.length >= NATIONAL_MIN) {
    const reading = read(digits, country);
    if (
      reading.ok &&
      reading.number.countryCallingCode === getCountryCallingCode(country) &&
      reading.number.isValid()
    )
      return answer(reading.number);
  }
  return { ok: false, reason: 'short_code' };
}

/**
 * Reads a telephone number as a person, a file or a program writes it into E.164. Accepts full-width digits and those of
 * other scripts, every usual punctuation, `00` and `011`; gives an old spelling (+52 1 55 …) its current form.
 * Without a plus or prefix the number is national and needs `defaultCountry` (ISO 3166-1 alpha-2), else the answer is
 * `unknown_country`. Three to eight bare digits are a short code and are never given a country; a number with an
 * extension is refused, because the extension names another person. Never throws. Idempotent: its answer reads as itself.
 */
export function parsePhone(input: string, defaultCountry?: string, options: PhoneOptions = {}): ParsedPhone {
  const spelling = readSpelling(input);
  if (spelling.kind !== 'digits') return { ok: false, reason: spelling.kind };
  const country = countryOf(defaultCountry);
  if (!spelling.plus && spelling.digits.length <= SHORT_CODE_MAX) {
    return shortString(spelling.digits, country === 'unknown' ? undefined : country, options);
  }
  if (country === 'unknown' && !spelling.plus) return { ok: false, reason: 'unknown_country' };
  return best(readings(spelling.plus, spelling.digits, country === 'unknown' ? undefined : country));
}

/**
 * Reads the sender or recipient of a carrier's payload. The plus may be missing (or decoded into a space), `whatsapp:`
 * and the like are taken off and told as `channel`. More lenient than parsePhone, because the carrier has just
 * reached the number: any possible length will do, so that a STOP from a range that is newer than the tables counts.
 */
export function parseProviderPhone(input: string): ParsedProviderPhone {
  const address = /^\s*(whatsapp|rcs|mms|sms)\s*:(.*)$/is.exec(input);
  const scheme = address?.[1]?.toLowerCase();
  const channel = scheme === undefined || scheme === 'sms' ? {} : { channel: scheme as PhoneChannel };
  const spelling = readSpelling(address?.[2] ?? input);
  if (spelling.kind !== 'digits') return { ok: false, reason: spelling.kind };
  const { digits } = spelling;
  if (digits.length < SHORT_CODE_MIN) return { ok: false, reason: 'too_short' };
  if (digits.length <= (spelling.plus ? NATIONAL_MIN - 1 : SHORT_CODE_MAX))
    return { ok: false, reason: 'short_code' };
  const all = [read(`+${digits}`), ...(spelling.plus ? [] : readings(false, digits))];
  const found = best(all);
  if (found.ok) return { ...found, ...channel };
  const possible = all.find((reading) => reading.ok && reading.number.isPossible());
  return possible?.ok ? { ...answer(possible.number), ...channel } : found;
}
