import { type CountryCode, isSupportedCountry, Metadata } from 'libphonenumber-js/max';
import { aliasForms, type E164 } from './phone.js';
import { plainCharacters } from './spelling.js';

/** The library's type leaves out the two methods used here. */
interface Plan {
  nationalPrefix(): string | undefined;
  callingCode(): string;
}

const plans = new Map<CountryCode, { prefix: string; callingCode: string }>();

function planOf(country: CountryCode): { prefix: string; callingCode: string } {
  const known = plans.get(country);
  if (known) return known;
  const metadata = new Metadata() as Metadata & { numberingPlan: Plan };
  metadata.selectNumberingPlan(country);
  const plan = {
    prefix: metadata.numberingPlan.nationalPrefix() ?? '',
    callingCode: metadata.numberingPlan.callingCode(),
  };
  plans.set(country, plan);
  return plan;
}

/**
 * The digit strings under which a part of the number may be typed into a search: international and of all alias
 * forms without the plus, and as dialled at home, where `country` is known.
 */
export function searchDigits(phone: E164, country?: string): string[] {
  const all = aliasForms(phone).map((form) => form.slice(1));
  if (country !== undefined && isSupportedCountry(country)) {
    const { prefix, callingCode } = planOf(country);
    if (prefix !== '' && phone.startsWith(`+${callingCode}`))
      all.push(prefix + phone.slice(callingCode.length + 1));
  }
  return all;
}

/**
 * The digits of a search term that is written like a number or a part of one, in every reading that differs: as typed
 * and without an international prefix. Undefined when the term holds anything that no number does.
 */
export function typedDigits(term: string): string[] | undefined {
  const text = plainCharacters(term);
  if (!/^\+?[\d\s()[\]./~\p{Pd}]*\d[\d\s()[\]./~\p{Pd}]*$/u.test(text)) return undefined;
  const digits = text.replace(/\(0\)/, '').replace(/\D/g, '');
  const bare = /^(?:00|011)(?=\d{4})/.exec(digits);
  return digits === '' ? undefined : bare ? [digits, digits.slice(bare[0].length)] : [digits];
}
