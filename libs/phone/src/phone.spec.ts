import { describe, expect, it } from 'vitest';
import { type ParsedPhone, parsePhone, parseProviderPhone, type PhoneRefusal } from './phone.js';

const accepted: [input: string, country: string | undefined, phone: string][] = [
  ['+14155552671', undefined, '+14155552671'],
  ['(415) 555-2671', 'US', '+14155552671'],
  ['415.555.2671', 'us', '+14155552671'],
  ['1 415 555 2671', 'US', '+14155552671'],
  ['\u00a0415\u00a0555\u202f2671\u200b', 'US', '+14155552671'],
  ['\u202a+1 (415) 555\u20112671\u202c', undefined, '+14155552671'],
  ['＋１　（４１５）　５５５－２６７１', undefined, '+14155552671'],
  ['+١٤١٥٥٥٥٢٦٧١', undefined, '+14155552671'],
  ['۰۹۱۲۳۴۵۶۷۸۹', 'IR', '+989123456789'],
  ['tel:+1-415-555-2671', undefined, '+14155552671'],
  ['(+1) 415 555 2671', undefined, '+14155552671'],
  ['001 415 555 2671', 'US', '+14155552671'],
  ['0014155552671', undefined, '+14155552671'],
  ['011 41 22 555 1234', 'US', '+41225551234'],
  ['011 972 50 234 5678', undefined, '+972502345678'],
  ['0011 1 415 555 2671', 'AU', '+14155552671'],
  ['+44 (0)20 7946 0018', undefined, '+442079460018'],
  ['020 7946 0018', 'GB', '+442079460018'],
  ['447911123456.0', 'GB', '+447911123456'],
  ['030/123456', 'DE', '+4930123456'],
  ['+39 02 1234 5678', undefined, '+390212345678'],
  ['052-234-5678', 'IL', '+972522345678'],
  ['0541234567', 'IL', '+972541234567'],
  ['972541234567', 'IL', '+972541234567'],
  ['+1 555 123 4567', undefined, '+15551234567'],
  ['+52 1 55 1234 5678', undefined, '+525512345678'],
  ['+55 11 8123-4567', undefined, '+5511981234567'],
  ['+225 07 12 34 56', undefined, '+2250707123456'],
  ['+225 07 72 34 56', undefined, '+2250707723456'],
  ['+84 168 912 3456', undefined, '+84389123456'],
  ['+54 9 11 2345-6789', undefined, '+5491123456789'],
  ['+54 11 2345-6789', undefined, '+541123456789'],
];

const refused: [input: string, country: string | undefined, reason: PhoneRefusal][] = [
  ['', 'US', 'empty'],
  [' \u200b\u00a0', 'US', 'empty'],
  ['123', 'US', 'short_code'],
  ['38421', 'US', 'short_code'],
  ['12345678', 'US', 'short_code'],
  ['２０１２３４５６', 'DK', 'short_code'],
  ['38421', undefined, 'short_code'],
  ['12', 'US', 'too_short'],
  ['+12345', undefined, 'too_short'],
  ['+1 415 555 26', undefined, 'too_short'],
  ['+1 415 555 26711', undefined, 'too_long'],
  ['123456789012345678901', 'US', 'too_long'],
  ['1'.repeat(251), 'US', 'too_long'],
  ['+10000000000', undefined, 'invalid'],
  ['123456782', 'IL', 'invalid'],
  ['MTN', 'GH', 'alphanumeric'],
  ['ACME', undefined, 'alphanumeric'],
  ['anonymous', 'US', 'alphanumeric'],
  ['Acme 4U', 'US', 'alphanumeric'],
  ['4.4791E+11', 'GB', 'alphanumeric'],
  ['call me on 415 555 2671', 'US', 'not_a_number'],
  ['not provided, sorry', 'US', 'not_a_number'],
  ['+14155552671 +14155552672', undefined, 'not_a_number'],
  ['+14155552671, +14155552672', undefined, 'not_a_number'],
  ['*100#', 'US', 'not_a_number'],
  ['---', 'US', 'not_a_number'],
  ['+', undefined, 'not_a_number'],
  ['+1 415 555 2671 x123', undefined, 'extension'],
  ['tel:+1-415-555-2671;ext=123', undefined, 'extension'],
  ['(415) 555-2671 ext. 9', 'US', 'extension'],
  ['4155552671#44', 'US', 'extension'],
  ['4155552671,,44', 'US', 'extension'],
  ['4155552671', undefined, 'unknown_country'],
  ['4155552671', 'XX', 'unknown_country'],
  ['4155552671', 'constructor', 'unknown_country'],
  ['+999123456789', undefined, 'unknown_country'],
  ['whatsapp:+14155552671', undefined, 'not_a_number'],
];

describe('parsePhone', () => {
  it.each(accepted)('%j (%s) is %s', (input, country, phone) => {
    expect(parsePhone(input, country)).toMatchObject({ ok: true, phone });
  });

  it.each(refused)('%j (%s) is refused: %s', (input, country, reason) => {
    expect(parsePhone(input, country)).toEqual({ ok: false, reason });
  });

  it('tells country and type where the plan does', () => {
    const expected: ParsedPhone = { ok: true, phone: '+33612345678' as never, country: 'FR', type: 'mobile' };
    expect(parsePhone('06 12 34 56 78', 'FR')).toEqual(expected);
    expect(parsePhone('+800 1234 5678')).toEqual({ ok: true, phone: '+80012345678', type: 'toll_free' });
  });

  it('reads eight digits as national only when it is asked to', () => {
    const options = { shortNational: true };
    expect(parsePhone('20 12 34 56', 'DK', options)).toMatchObject({ ok: true, phone: '+4520123456' });
    expect(parsePhone('38421', 'US', options)).toEqual({ ok: false, reason: 'short_code' });
    expect(parsePhone('12345678', 'US', options)).toEqual({ ok: false, reason: 'short_code' });
    expect(parsePhone('20123456', undefined, options)).toEqual({ ok: false, reason: 'short_code' });
  });
});

describe('parseProviderPhone', () => {
  it.each([
    ['60124361111', '+60124361111', undefined],
    ['33612345678', '+33612345678', undefined],
    [' 14155552671', '+14155552671', undefined],
    ['+14155552671', '+14155552671', undefined],
    ['0033612345678', '+33612345678', undefined],
    ['whatsapp:+14155552671', '+14155552671', 'whatsapp'],
    ['whatsapp:5215512345678', '+525512345678', 'whatsapp'],
    ['rcs:+14155552671', '+14155552671', 'rcs'],
    ['sms:+14155552671', '+14155552671', undefined],
    ['+551112345678', '+551112345678', undefined],
  ])('%j is %s over %s', (input, phone, channel) => {
    const parsed = parseProviderPhone(input);
    expect(parsed).toMatchObject({ ok: true, phone });
    expect(parsed.ok && parsed.channel).toBe(channel);
  });

  it.each([
    ['38421', 'short_code'],
    ['12345678', 'short_code'],
    ['+38421', 'short_code'],
    ['MTN', 'alphanumeric'],
    ['messenger:1234567890123', 'not_a_number'],
    ['+999123456789', 'unknown_country'],
    ['', 'empty'],
  ])('%j is refused: %s', (input, reason) => {
    expect(parseProviderPhone(input)).toEqual({ ok: false, reason });
  });
});
