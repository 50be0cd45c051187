import { describe, expect, it } from 'vitest';
import { CsvReader, RECORD_MAX, type CsvRow } from './csv.js';

function read(text: string, delimiter = ','): CsvRow[] {
  const reader = new CsvReader(delimiter);
  return [...reader.push(text), ...reader.end()];
}
const cells = (text: string, delimiter?: string): unknown[] =>
  read(text, delimiter).map((row) => (row.raw === undefined ? row.cells : { raw: row.raw }));

describe('reading delimited text', () => {
  it.each([
    [
      'plain cells',
      'a,b\nc,d\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'no line break at the end',
      'a,b\nc,d',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'CRLF',
      'a,b\r\nc,d\r\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'CR alone',
      'a,b\rc,d',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    ['an empty last cell', 'a,\n', [['a', '']]],
    ['a quoted delimiter', '"a,b",c', [['a,b', 'c']]],
    ['a quoted line break', '"a\r\nb",c', [['a\r\nb', 'c']]],
    ['doubled quotes', '"say ""hi""",c', [['say "hi"', 'c']]],
    ['an empty quoted cell', '"",c', [['', 'c']]],
    ['a quote inside a plain cell', '3" screen,c', [['3" screen', 'c']]],
    ['spaces after a closing quote', '"a" ,b', [['a', 'b']]],
    [
      'lines without any value',
      'a,b\n\n , \n,\nc,d\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
  ])('reads %s', (_, text, expected) => {
    expect(cells(text)).toEqual(expected);
  });

  it.each([
    ['text after a closing quote', '"a"b,c\nd,e\n', [{ raw: '"a"b,c' }, ['d', 'e']]],
    [
      'a quote that is closed in a later row only',
      '"a,b\nc,"d"\ne,f',
      [{ raw: '"a,b' }, ['c', 'd'], ['e', 'f']],
    ],
    ['a quote that is never closed', '"a,b\nc,d\ne,f', [{ raw: '"a,b' }, ['c', 'd'], ['e', 'f']]],
    ['a quote that is never closed, with CRLF', 'a,"b\r\nc,d\r\n', [{ raw: 'a,"b' }, ['c', 'd']]],
  ])('gives up one line for %s', (_, text, expected) => {
    expect(cells(text)).toEqual(expected);
  });

  it('gives up a record beyond the limit, keeps its beginning, and goes on behind it', () => {
    const long = 'x'.repeat(RECORD_MAX + 10);
    const rows = read(`a,b\n${long},b\nc,d\n`);
    expect(rows.map((row) => row.raw?.length)).toEqual([undefined, RECORD_MAX, undefined]);
    expect(rows[2]?.cells).toEqual(['c', 'd']);
  });

  it('gives up the line, and no other, of a quote that stays open beyond the limit', () => {
    const lines = Array.from({ length: 20_000 }, (_, n) => `${n},x`);
    const rows = read(`"open,x\n${lines.join('\n')}`);
    expect(rows[0]?.raw).toBe('"open,x');
    expect(rows).toHaveLength(20_001);
    expect(rows.filter((row) => row.raw !== undefined)).toHaveLength(1);
  });

  it('reads by another delimiter', () => {
    expect(cells('a;b,c\n"d;e";f', ';')).toEqual([
      ['a', 'b,c'],
      ['d;e', 'f'],
    ]);
  });
});
