import { describe, expect, it } from 'vitest';
import { searchDigits, typedDigits } from './digits.js';
import type { E164 } from './phone.js';

describe('searchDigits', () => {
  it.each([
    ['+972541234567', 'IL', ['972541234567', '0541234567']],
    ['+14155552671', 'US', ['14155552671', '14155552671']],
    ['+77012345678', 'KZ', ['77012345678', '87012345678']],
    ['+525512345678', 'MX', ['525512345678', '5215512345678', '05512345678']],
    ['+972541234567', undefined, ['972541234567']],
    ['+972541234567', 'XX', ['972541234567']],
  ])('%s (%s)', (phone, country, digits) => {
    expect(searchDigits(phone as E164, country)).toEqual(digits);
  });
});

describe('typedDigits', () => {
  it.each([
    ['054-123 4567', ['0541234567']],
    ['+44 (0)20 7946', ['44207946']],
    ['00972541234567', ['00972541234567', '972541234567']],
    ['011972541234567', ['011972541234567', '972541234567']],
    ['٠٥٤١٢٣', ['054123']],
    ['4567', ['4567']],
    ['ann', undefined],
    ['12a4', undefined],
    ['---', undefined],
    ['', undefined],
  ])('%j', (term, digits) => {
    expect(typedDigits(term)).toEqual(digits);
  });
});
