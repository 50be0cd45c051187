import type { Target } from '@muster/contracts/import';
import { describe, expect, it } from 'vitest';
import { countryCode } from './country.js';
import { readRow, splitName } from './row.js';

const read = (columns: Target[], ...cells: string[]) => readRow({ cells }, { columns, country: 'US' });
const contact = (columns: Target[], ...cells: string[]): unknown => {
  const row = read(columns, ...cells);
  return 'contact' in row ? row.contact : row;
};

describe('a row as a contact', () => {
  it('reads values by their columns and leaves the ignored ones', () => {
    expect(
      contact(
        ['firstName', 'ignore', 'phone', 'email', 'field:plan', 'externalId'],
        ' Ann ',
        'secret',
        '(212) 200-0001',
        'Ann@Example.com',
        'gold',
        'c-1',
      ),
    ).toEqual({
      firstName: 'Ann',
      phone: '+12122000001',
      email: 'ann@example.com',
      externalId: 'c-1',
      fields: { plan: 'gold' },
    });
  });

  it('leaves empty cells out, so that they wipe nothing', () => {
    expect(contact(['firstName', 'phone', 'field:plan'], ' ', '+12122000001', '')).toEqual({
      phone: '+12122000001',
    });
  });

  it('reads a number in the country of its row', () => {
    expect(contact(['phone', 'country'], '020 7946 0018', 'GB')).toEqual({ phone: '+442079460018' });
    expect(contact(['phone', 'country'], '050-555-2054', 'ישראל')).toEqual({ phone: '+972505552054' });
    expect(contact(['phone', 'country'], '+44 20 7946 0018', 'Atlantis')).toEqual({ phone: '+442079460018' });
    expect(contact(['phone', 'country'], '020 7946 0018', 'Atlantis')).toEqual({
      code: 'phone:invalid',
      path: 'country',
    });
  });

  it.each([
    ['a number that is none', ['call me', ''], { code: 'phone:invalid', path: 'phone' }],
    ['a quantity of a spreadsheet', ['3.108E9', ''], { code: 'phone:invalid', path: 'phone' }],
    ['an address that is none', ['', 'ann at example'], { code: 'email:invalid', path: 'email' }],
    ['nobody', ['', ''], { code: 'contact:identifier_required' }],
    ['too few cells', ['+12122000001'], { code: 'row:columns' }],
    ['too many cells', ['+12122000001', '', 'x'], { code: 'row:columns' }],
  ])('refuses %s', (_, cells, expected) => {
    expect(contact(['phone', 'email'], ...cells)).toEqual(expected);
  });

  it('does not mind delimiters at the end of a line', () => {
    expect(contact(['phone'], '+12122000001', '', ' ')).toEqual({ phone: '+12122000001' });
  });

  it('refuses a row with a value beyond the limits alone', () => {
    expect(contact(['phone', 'firstName'], '+12122000001', 'x'.repeat(201))).toEqual({
      code: 'field:invalid_value',
      path: 'firstName',
    });
    expect(contact(['phone', 'field:note'], '+12122000001', 'x'.repeat(1001))).toEqual({
      code: 'field:invalid_value',
      path: 'fields.note',
    });
  });

  it.each([
    ['Ann Lee', { firstName: 'Ann', lastName: 'Lee' }],
    ['  Ann   van der Lee ', { firstName: 'Ann', lastName: 'van der Lee' }],
    ['Lee, Ann', { firstName: 'Ann', lastName: 'Lee' }],
    ['Ann', { firstName: 'Ann' }],
    ['נועה ביטון', { firstName: 'נועה', lastName: 'ביטון' }],
    ['', {}],
  ])('splits the name %j', (name, expected) => {
    expect(splitName(name)).toEqual(expected);
  });

  it('prefers the columns of first and last name over the full one', () => {
    expect(contact(['phone', 'fullName', 'firstName'], '+12122000001', 'Ann Lee', 'Anna')).toEqual({
      phone: '+12122000001',
      firstName: 'Anna',
      lastName: 'Lee',
    });
  });

  it('is told apart by phone, else e-mail, else external id', () => {
    const identity = (...cells: string[]): unknown => {
      const row = read(['phone', 'email', 'externalId'], ...cells);
      return 'identity' in row && row.identity;
    };
    expect(identity('2122000001', 'a@example.com', 'c-1')).toEqual({ phone: '+12122000001' });
    expect(identity('', 'A@example.com', 'c-1')).toEqual({ text: 'email:a@example.com' });
    expect(identity('', '', 'c-1')).toEqual({ text: 'external:c-1' });
  });

  it.each([
    ['il', 'IL'],
    ['Germany', 'DE'],
    ['Deutschland', 'DE'],
    ['États-Unis', 'US'],
    ['UK', 'GB'],
    ['U.S.A.', 'US'],
    ['ישראל', 'IL'],
    ['Россия', 'RU'],
    ['Atlantis', undefined],
  ])('knows the country %s', (text, code) => {
    expect(countryCode(text)).toBe(code);
  });
});
