import { describe, expect, it } from 'vitest';
import { detailKey, detailKeys, detailKeysBeside, isDetailKey } from './detail.js';
import { parseEmail } from './email.js';
import { redact } from './redact.js';

const first = Buffer.from('the first pepper of the account');
const second = Buffer.from('the pepper after a leak, kept too');

describe('detailKey', () => {
  it('is the HMAC of the kind and the value', () => {
    expect(detailKey(first, 'phone', '+14155552671')).toBe(
      '4c759aecd5db608ef58860b3905e21b5b83bb50633695e47920550ae20adbb24',
    );
  });

  it('differs by pepper, kind and value', () => {
    const keys = [
      detailKey(first, 'phone', '+14155552671'),
      detailKey(second, 'phone', '+14155552671'),
      detailKey(first, 'email', '+14155552671'),
      detailKey(first, 'phone', '+14155552672'),
    ];
    expect(new Set(keys).size).toBe(4);
    expect(keys.every(isDetailKey)).toBe(true);
  });

  it('refuses an empty pepper', () => {
    expect(() => detailKey(Buffer.alloc(0), 'phone', '+14155552671')).toThrow(RangeError);
  });
});

describe('detailKeys', () => {
  it('starts with the current pepper and holds every version and alias', () => {
    expect(detailKeys([second, first], 'phone', '+525512345678')).toEqual([
      detailKey(second, 'phone', '+5215512345678'),
      detailKey(second, 'phone', '+525512345678'),
      detailKey(first, 'phone', '+5215512345678'),
      detailKey(first, 'phone', '+525512345678'),
    ]);
    expect(detailKeys([first], 'email', 'a@example.com')).toEqual([
      detailKey(first, 'email', 'a@example.com'),
    ]);
  });

  it('answers the same keys in the same order for every spelling of one telephone', () => {
    const one = detailKeys([first], 'phone', '+541123456789');
    expect(detailKeys([first], 'phone', '+5491123456789')).toEqual(one);
  });
});

describe('isDetailKey', () => {
  it.each(['', 'abc', 'g'.repeat(64), 'A'.repeat(64), 'a'.repeat(65), `${'a'.repeat(64)}\n`])(
    'refuses %j',
    (value) => {
      expect(isDetailKey(value)).toBe(false);
    },
  );
});

describe('detailKeysBeside', () => {
  const peppers = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];

  it.each([
    ['phone', '+14155552671', 1],
    ['phone', '+5215512345678', 2],
    ['phone', '+5511987654321', 2],
    ['email', 'ann@example.com', 1],
  ] as const)('knows %s %s under the same %i keys for each pepper', (kind, value, forms) => {
    for (const known of [peppers.slice(0, 1), peppers]) {
      const keys = detailKeys(known, kind, value);
      expect(keys).toHaveLength(forms * known.length);
      for (const key of keys)
        expect(new Set(detailKeysBeside(key, known, kind, value))).toEqual(new Set(keys));
      expect(detailKeysBeside(keys[0] as string, known, kind, value)).toEqual(keys);
    }
  });
});

describe('parseEmail', () => {
  it.each([
    [' Ann@Example.COM ', 'ann@example.com'],
    ['mailto:a.b+c@example.com', 'a.b+c@example.com'],
    ['josé@bücher.de', 'josé@xn--bcher-kva.de'],
    ['jose\u0301@example.com', 'josé@example.com'],
    ['a@例え。jp', 'a@xn--r8jz45g.jp'],
    ['\ufeffa@example.com\u200b', 'a@example.com'],
    ["o'brien@example.co.uk", "o'brien@example.co.uk"],
  ])('%j is %s', (input, email) => {
    expect(parseEmail(input)).toEqual({ ok: true, email });
  });

  it.each([
    ['', 'empty'],
    ['   ', 'empty'],
    ['ann', 'not_an_email'],
    ['@example.com', 'not_an_email'],
    ['ann@', 'not_an_email'],
    ['ann@localhost', 'not_an_email'],
    ['ann@127.0.0.1', 'not_an_email'],
    ['ann@0x7f.1', 'not_an_email'],
    ['a b@example.com', 'not_an_email'],
    ['a..b@example.com', 'not_an_email'],
    ['.a@example.com', 'not_an_email'],
    ['a@exam_ple.com', 'not_an_email'],
    ['a@-example.com', 'not_an_email'],
    ['a@example.com, b@example.com', 'not_an_email'],
    ['Ann <a@example.com>', 'not_an_email'],
    ['a\u0000b@example.com', 'not_an_email'],
    [`${'a'.repeat(65)}@example.com`, 'too_long'],
    [
      `a@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(60)}.${'f'.repeat(20)}.com`,
      'too_long',
    ],
    ['a'.repeat(1001), 'too_long'],
  ])('%j is refused: %s', (input, reason) => {
    expect(parseEmail(input)).toEqual({ ok: false, reason });
  });
});

describe('redact', () => {
  it.each([
    ['call +1 (415) 555-2671 now', 'call [phone] now'],
    ['from=4155552671&to=38421', 'from=[phone]&to=38421'],
    ['{"to":"+14155552671"}', '{"to":"[phone]"}'],
    ['＋１４１５５５５２６７１', '[phone]'],
    ['١٤١٥٥٥٥٢٦٧١', '[phone]'],
    ['whatsapp:+14155552671', 'whatsapp:[phone]'],
    ['/v1/consent/%2B14155552671', '/v1/consent/[phone]'],
    ['mail ann@example.com, please', 'mail [email], please'],
    ['/v1/consent/ann%40example.com', '[email]'],
    ['<josé@bücher.de>', '<[email]>'],
    ['row 12 of 345678', 'row 12 of 345678'],
    ['at 2026-11-22T03:44:37.123Z', 'at 2026-11-22T03:44:37.123Z'],
    ['contact-a_01234567-89ab-4cde-8f01-234567890123', 'contact-a_01234567-89ab-4cde-8f01-234567890123'],
    [`consent-a_${'0123456789abcdef'.repeat(4)}`, `consent-a_${'0123456789abcdef'.repeat(4)}`],
  ])('%j becomes %j', (text, masked) => {
    expect(redact(text)).toBe(masked);
  });
});
