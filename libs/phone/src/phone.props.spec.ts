import * as fc from 'fast-check';
import examples from 'libphonenumber-js/examples.mobile.json';
import { getCountries, getExampleNumber } from 'libphonenumber-js/max';
import { describe, expect, it } from 'vitest';
import { parseEmail } from './email.js';
import { aliasForms, type E164, isE164, parsePhone, parseProviderPhone } from './phone.js';

const countries = getCountries().filter((country) => getExampleNumber(country, examples) !== undefined);

const fullWidth = (text: string) =>
  text.replace(/[+\d]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0));
const arabic = (text: string) => text.replace(/\d/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0x630));

const anyE164 = fc
  .tuple(
    fc.constantFrom(
      '+52',
      '+521',
      '+54',
      '+549',
      '+5511',
      '+55119',
      '+225',
      '+22507',
      '+229',
      '+22901',
      '+8416',
      '+843',
      '+1',
    ),
    fc.stringMatching(/^\d{7,10}$/),
  )
  .map(([prefix, rest]) => `${prefix}${rest}`)
  .filter((phone) => isE164(phone));

describe('laws of parsePhone', () => {
  it.each(countries)('reads every spelling of the mobile example of %s as one number', (country) => {
    const example = getExampleNumber(country, examples);
    if (!example) throw new Error(`no example for ${country}`);
    const spellings = [
      example.number,
      example.formatInternational(),
      example.getURI(),
      example.number.replace('+', '00'),
      example.number.replace('+', '011'),
      fullWidth(example.formatInternational()),
      arabic(example.number),
      example.formatInternational().replace(/ /g, '\u00a0'),
    ];
    for (const spelling of spellings) {
      expect([spelling, parsePhone(spelling)]).toMatchObject([spelling, { ok: true, phone: example.number }]);
    }
    const national = parsePhone(example.formatNational(), country, { shortNational: true });
    const digits = example.formatNational().replace(/\D/g, '').length;
    expect(national).toMatchObject(
      digits < 7 ? { ok: false, reason: 'short_code' } : { ok: true, phone: example.number },
    );
    expect(parseProviderPhone(example.number.slice(1))).toMatchObject(
      example.number.length > 9 ? { ok: true, phone: example.number } : { ok: false, reason: 'short_code' },
    );
  });

  it('is idempotent and never throws, whatever it is given', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[+(]?[\d ()./x;=-]{3,20}$/),
      anyE164,
    );
    const country = fc.option(fc.constantFrom(...countries, 'XX', '', '__proto__'), { nil: undefined });
    fc.assert(
      fc.property(text, country, (input, defaultCountry) => {
        const asWritten = parsePhone(input, defaultCountry);
        const asDelivered = parseProviderPhone(input);
        const phones = [asWritten, asDelivered].flatMap((parsed) => (parsed.ok ? [parsed.phone] : []));
        expect(phones.filter((phone) => !isE164(phone))).toEqual([]);
        const again = phones.map((phone) => parseProviderPhone(phone));
        expect(again.map((parsed) => parsed.ok && parsed.phone)).toEqual(phones);
        const own = asWritten.ok ? parsePhone(asWritten.phone, defaultCountry) : asWritten;
        expect(own).toEqual(asWritten);
      }),
      { numRuns: 3000 },
    );
  });

  it('reads what is normalised as it reads any other spelling of it', () => {
    const digits = fc.oneof(anyE164, fc.stringMatching(/^\+\d{5,17}$/));
    fc.assert(
      fc.property(digits, (phone) => {
        expect(parsePhone(phone)).toEqual(parsePhone(`tel:${phone}`));
        expect(parseProviderPhone(phone)).toEqual(parseProviderPhone(` ${phone}`));
      }),
      { numRuns: 2000 },
    );
  });

  it('never gives three to eight bare digits a country', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^\d{3,8}$/), fc.constantFrom(...countries), (digits, country) => {
        expect(parsePhone(digits, country)).toEqual({ ok: false, reason: 'short_code' });
      }),
    );
  });
});

describe('laws of aliasForms', () => {
  it('is symmetric and closed, and puts the number itself first', () => {
    let several = 0;
    fc.assert(
      fc.property(anyE164, (phone) => {
        const forms = aliasForms(phone);
        expect(forms[0]).toBe(phone);
        expect(new Set(forms).size).toBe(forms.length);
        if (forms.length > 1) several += 1;
        for (const form of forms) {
          expect(isE164(form)).toBe(true);
          expect([...aliasForms(form)].sort()).toEqual([...forms].sort());
        }
      }),
      { numRuns: 2000 },
    );
    expect(several).toBeGreaterThan(50);
  });

  it.each([
    ['+525512345678', '+5215512345678'],
    ['+541123456789', '+5491123456789'],
    ['+5511981234567', '+551181234567'],
    ['+2250707723456', '+22507723456'],
    ['+2290197123456', '+22997123456'],
    ['+84389123456', '+841689123456'],
  ])('%s and %s are one telephone', (one, other) => {
    expect(aliasForms(one as E164)).toEqual([one, other]);
    expect(aliasForms(other as E164)).toEqual([other, one]);
  });

  it('leaves a number alone whose plan never changed', () => {
    expect(aliasForms('+14155552671' as E164)).toEqual(['+14155552671']);
    expect(aliasForms('+551133334444' as E164)).toEqual(['+551133334444']);
  });
});

describe('laws of parseEmail', () => {
  it('is idempotent and never throws', () => {
    const unicode = fc.tuple(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }), fc.domain());
    const text = fc.oneof(
      fc.emailAddress(),
      fc.string({ unit: 'binary' }),
      unicode.map(([a, b]) => `${a}@${b}`),
    );
    fc.assert(
      fc.property(text, (input) => {
        const parsed = parseEmail(input);
        const again = parsed.ok ? parseEmail(parsed.email) : parsed;
        expect(again).toEqual(parsed);
      }),
      { numRuns: 2000 },
    );
  });
});
