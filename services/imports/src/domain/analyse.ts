import { Refusal } from '@muster/contracts/errors';
import { IMPORT_COLUMNS_MAX, type Column, type Format, type Target } from '@muster/contracts/import';
import { parseEmail } from '@muster/phone/email';
import { readSpelling } from '@muster/phone/spelling';
import type { z } from 'zod';
import { CsvReader, type CsvRow } from './csv.js';
import { targetOfHeader } from './headers.js';

export type FileFormat = z.infer<typeof Format>;
export type FileColumn = z.infer<typeof Column>;

export interface Analysis {
  format: FileFormat;
  columns: FileColumn[];
}

const DELIMITERS = [',', ';', '\t', '|'];
const ROWS_LOOKED_AT = 200;
const SAMPLES = 5;
const SAMPLE_LENGTH = 80;
/** Share of filled cells that must look like phones or e-mails for the content to name the column. */
const SURE = 0.6;

/**
 * What a file is, from its beginning as text without a byte order mark.
 * @param encoding as it was detected; it is only passed on
 * @param isWhole whether the text is the whole file
 * @throws Refusal `import:empty`, `import:too_many_columns`
 */
export function analyse(text: string, encoding: string, isWhole: boolean): Analysis {
  const delimiter = delimiterOf(text, isWhole);
  const rows = readableRows(text, delimiter, isWhole);
  if (rows.length === 0) throw new Refusal('import:empty');
  const first = (rows[0] as CsvRow).cells;
  const below = rows.slice(1).map((row) => row.cells);
  const header = isHeader(first, below);
  if (header && below.length === 0 && isWhole) throw new Refusal('import:empty');
  const columns = header ? withoutEmptyEnd(first).length : commonest(rows.map((row) => row.cells.length));
  if (columns > IMPORT_COLUMNS_MAX) {
    throw new Refusal('import:too_many_columns', { limit: IMPORT_COLUMNS_MAX, columns });
  }
  const format = { encoding, delimiter, header, columns };
  return { format, columns: describeColumns(format, first, header ? below : rows.map((row) => row.cells)) };
}

/** Names, samples and suggestions of the columns of a file whose format is known. */
export function columnsOf(text: string, format: FileFormat, isWhole: boolean): FileColumn[] {
  const rows = readableRows(text, format.delimiter, isWhole).map((row) => row.cells);
  return describeColumns(format, rows[0] ?? [], format.header ? rows.slice(1) : rows);
}

/** Excel writes the delimiter into a line of its own, which is no row. */
const DIRECTIVE = /^sep=(.)(\r\n|\n|\r|$)/i;

/** The length of a `sep=;` line at the beginning, its line break included; 0 without one. */
export function directiveLength(text: string): number {
  return DIRECTIVE.exec(text)?.[0].length ?? 0;
}

/** The delimiter under which most rows have the same number of columns, more than one; a comma for a single column. */
function delimiterOf(text: string, isWhole: boolean): string {
  const directive = DIRECTIVE.exec(text)?.[1];
  if (directive !== undefined && DELIMITERS.includes(directive)) return directive;
  let best = { delimiter: ',', score: 0 };
  for (const delimiter of DELIMITERS) {
    const widths = readableRows(text, delimiter, isWhole).map((row) => row.cells.length);
    const common = commonest(widths);
    if (common < 2) continue;
    const share = widths.filter((width) => width === common).length / widths.length;
    const score = share + Math.min(common, 20) / 1000;
    if (score > best.score) best = { delimiter, score };
  }
  return best.delimiter;
}

function readableRows(text: string, delimiter: string, isWhole: boolean): CsvRow[] {
  const reader = new CsvReader(delimiter);
  const rows = reader.push(text.slice(directiveLength(text)));
  if (isWhole) rows.push(...reader.end());
  return rows.filter((row) => row.raw === undefined).slice(0, ROWS_LOOKED_AT);
}

function commonest(numbers: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const one of numbers) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0]?.[0] ?? 0;
}

function withoutEmptyEnd(cells: readonly string[]): string[] {
  const end = cells.findLastIndex((cell) => cell.trim() !== '');
  return cells.slice(0, end + 1);
}

/**
 * A header holds no values: no phone, e-mail or number. And something must speak for it: a known name, or a column
 * whose cells further down are phones or e-mails.
 */
function isHeader(first: readonly string[], below: readonly string[][]): boolean {
  if (first.some((cell) => isEmail(cell) || isPhone(cell) || /^[\d.,%\s/:-]*\d[\d.,%\s/:-]*$/.test(cell)))
    return false;
  if (first.some((cell) => targetOfHeader(cell) !== undefined)) return true;
  return first.some((_, index) => targetOfContent(below.map((cells) => cells[index] ?? '')) !== undefined);
}

const isEmail = (cell: string): boolean => cell.includes('@') && parseEmail(cell.trim()).ok;

const PHONE_DIGITS_MIN = 7;

/** Written like a number that can be called; whether it exists is asked when the row is read. */
function isPhone(cell: string): boolean {
  if (/^\s*\d{4}-\d{2}-\d{2}\s*$/.test(cell)) return false;
  const spelling = readSpelling(cell);
  return spelling.kind === 'digits' && spelling.digits.length >= PHONE_DIGITS_MIN;
}

function targetOfContent(cells: readonly string[]): Target | undefined {
  const filled = cells.filter((cell) => cell.trim() !== '');
  if (filled.length === 0) return undefined;
  const share = (is: (cell: string) => boolean): number => filled.filter(is).length / filled.length;
  if (share(isEmail) >= SURE) return 'email';
  return share(isPhone) >= SURE ? 'phone' : undefined;
}

/** Each target is suggested once: by name first, then by what the cells hold. */
function describeColumns(
  format: FileFormat,
  first: readonly string[],
  rows: readonly string[][],
): FileColumn[] {
  const cellsOf = (index: number): string[] => rows.map((cells) => cells[index] ?? '');
  const indexes = Array.from({ length: format.columns }, (_, index) => index);
  const suggested = new Map<number, Target>();
  const suggest = (index: number, target: Target | undefined): void => {
    if (target === undefined || suggested.has(index) || [...suggested.values()].includes(target)) return;
    suggested.set(index, target);
  };
  if (format.header) for (const index of indexes) suggest(index, targetOfHeader(first[index] ?? ''));
  for (const index of indexes) suggest(index, targetOfContent(cellsOf(index)));
  return indexes.map((index) => ({
    index,
    name: (format.header && first[index]?.trim()) || `Column ${index + 1}`,
    samples: cellsOf(index)
      .map((cell) => cell.trim())
      .filter((cell) => cell !== '')
      .slice(0, SAMPLES)
      .map((cell) => cell.slice(0, SAMPLE_LENGTH)),
    suggested: suggested.get(index) ?? 'ignore',
  }));
}
