import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CsvReader, type CsvRow } from './csv.js';

const delimiter = fc.constantFrom(',', ';', '\t', '|');
const cell = fc.string({
  unit: fc.constantFrom('a', 'ב', '"', ',', ';', '\n', '\r\n', ' ', '1', '😀'),
  maxLength: 8,
});
const table = fc.array(fc.array(cell, { minLength: 1, maxLength: 5 }), { maxLength: 12 });
const messy = fc.string({
  unit: fc.constantFrom('a', '"', ',', '\n', '\r', '\r\n', ' ', 'ב'),
  maxLength: 120,
});
const cuts = fc.array(fc.nat(), { maxLength: 12 });

function pieces(text: string, at: readonly number[]): string[] {
  const places = [...new Set(at.map((place) => place % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, index) => text.slice(from, places[index]));
}

function read(parts: readonly string[], by: string): CsvRow[] {
  const reader = new CsvReader(by);
  return [...parts.flatMap((part) => reader.push(part)), ...reader.end()];
}

const write = (rows: readonly string[][], by: string): string =>
  rows.map((row) => row.map((value) => `"${value.replaceAll('"', '""')}"`).join(by)).join('\r\n');

const hasValue = (row: readonly string[]): boolean => row.some((value) => value.trim() !== '');

describe('laws of the reader', () => {
  it('reads what was written, whatever the cells hold, cut anywhere', () => {
    fc.assert(
      fc.property(table, delimiter, cuts, (rows, by, at) => {
        const found = read(pieces(write(rows, by), at), by).map((row) => row.cells);
        expect(found).toEqual(rows.filter(hasValue));
      }),
    );
  });

  it('agrees with csv-parse on well-formed text', () => {
    fc.assert(
      fc.property(table, delimiter, (rows, by) => {
        const text = write(rows, by);
        const theirs = parse(text, { delimiter: by, relax_column_count: true }) as string[][];
        expect(read([text], by).map((row) => row.cells)).toEqual(theirs.filter(hasValue));
      }),
    );
  });

  it('makes the same of any text, however it is cut', () => {
    fc.assert(
      fc.property(messy, cuts, (text, at) => {
        expect(read(pieces(text, at), ',')).toEqual(read([text], ','));
      }),
      { numRuns: 2_000 },
    );
  });

  it('loses no character of a text: a bad line costs itself alone', () => {
    fc.assert(
      fc.property(
        table.filter((rows) => rows.every((row) => !row.join('').includes('"'))),
        (rows) => {
          const plain = rows.map((row) => row.map((value) => value.replace(/[\r\n,]/g, '')));
          const good = plain.filter(hasValue);
          const text = plain.map((row) => row.join(',')).join('\n');
          const found = read([`"open,x\n${text}\nbad,"y"z\n`], ',');
          expect(found.filter((row) => row.raw !== undefined).map((row) => row.raw)).toEqual([
            '"open,x',
            'bad,"y"z',
          ]);
          expect(found.filter((row) => row.raw === undefined).map((row) => row.cells)).toEqual(good);
        },
      ),
    );
  });
});
