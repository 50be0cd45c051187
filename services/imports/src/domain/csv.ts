/** Longest record in UTF-16 units, line breaks within quotes included. */
export const RECORD_MAX = 65_536;

/** A record of the file; `raw` is set, and `cells` is empty, where the line cannot be read as CSV. */
export interface CsvRow {
  cells: string[];
  raw?: string;
}

const QUOTE = '"';
const LF = 10;
const CR = 13;

type Read = { next: number; row: CsvRow } | 'more';

/**
 * Reads delimited text as RFC 4180 has it, piece by piece; pieces may be cut anywhere. Lines end with LF, CRLF or CR.
 * A line that cannot be read (a quote that is never closed, text after a closing quote, a record beyond RECORD_MAX)
 * costs that one line: reading goes on with the next one, so a single bad quote never swallows the rows behind it.
 * What comes out depends on the text alone, never on how it was cut.
 */
export class CsvReader {
  private rest = '';
  private skipping = false;

  /** @param delimiter one character */
  constructor(private readonly delimiter: string) {}

  push(text: string): CsvRow[] {
    this.rest += text;
    return this.take(false);
  }

  end(): CsvRow[] {
    return this.take(true);
  }

  private take(final: boolean): CsvRow[] {
    const rows: CsvRow[] = [];
    const text = this.rest;
    let at = this.skipping ? this.skip(text, 0, final) : 0;
    while (at < text.length && !this.skipping) {
      const read = this.record(text, at, final);
      if (read === 'more') break;
      at = read.next;
      if (read.row.raw !== undefined || read.row.cells.some((cell) => cell.trim() !== ''))
        rows.push(read.row);
      if (this.skipping) at = this.skip(text, at, final);
    }
    this.rest = text.slice(at);
    return rows;
  }

  private record(text: string, start: number, final: boolean): Read {
    const cells: string[] = [];
    let at = start;
    for (;;) {
      const quoted = text.startsWith(QUOTE, at);
      const cell = quoted ? this.quoted(text, start, at, final) : this.plain(text, start, at, final);
      if (cell === 'more') return 'more';
      if (cell === 'malformed') return this.malformed(text, start, final);
      cells.push(cell.value);
      at = cell.end;
      if (text[at] === this.delimiter) at += 1;
      else return this.ended(text, at, cells, final);
    }
  }

  private ended(text: string, at: number, cells: string[], final: boolean): Read {
    if (text.charCodeAt(at) !== CR) return { next: at + 1, row: { cells } };
    if (at + 1 >= text.length && !final) return 'more';
    return { next: text.charCodeAt(at + 1) === LF ? at + 2 : at + 1, row: { cells } };
  }

  private plain(text: string, start: number, at: number, final: boolean): Cell {
    const delimiter = this.delimiter.charCodeAt(0);
    let end = at;
    for (; end < text.length; end += 1) {
      const code = text.charCodeAt(end);
      if (code === delimiter || code === LF || code === CR) break;
    }
    if (end - start > RECORD_MAX) return 'malformed';
    if (end === text.length && !final) return 'more';
    return { value: text.slice(at, end), end };
  }

  private quoted(text: string, start: number, at: number, final: boolean): Cell {
    let from = at + 1;
    let isEscaped = false;
    for (;;) {
      const close = text.indexOf(QUOTE, from);
      const scanned = (close < 0 ? text.length : close) - start;
      if (scanned > RECORD_MAX || (close < 0 && final)) return 'malformed';
      if (close < 0 || (close + 1 >= text.length && !final)) return 'more';
      if (text[close + 1] !== QUOTE) {
        const end = this.afterQuote(text, close + 1);
        if (end >= text.length && !final) return 'more';
        if (!this.isCellEnd(text, end)) return 'malformed';
        const value = text.slice(at + 1, close);
        return { value: isEscaped ? value.replaceAll('""', QUOTE) : value, end };
      }
      isEscaped = true;
      from = close + 2;
    }
  }

  /** Some programs pad with spaces after a closing quote. */
  private afterQuote(text: string, at: number): number {
    let end = at;
    while (text[end] === ' ') end += 1;
    return end;
  }

  private isCellEnd(text: string, at: number): boolean {
    if (at >= text.length || text[at] === this.delimiter) return true;
    const code = text.charCodeAt(at);
    return code === LF || code === CR;
  }

  /** The line on which the record begins, as it stands. */
  private malformed(text: string, start: number, final: boolean): Read {
    const end = lineEnd(text, start);
    if (end - start > RECORD_MAX) {
      this.skipping = true;
      const cut = start + RECORD_MAX;
      return { next: cut, row: { cells: [], raw: text.slice(start, cut) } };
    }
    if (end === text.length && !final) return 'more';
    const read = this.ended(text, end, [], final);
    return read === 'more' ? read : { next: read.next, row: { cells: [], raw: text.slice(start, end) } };
  }

  /** Passes over the rest of a line that was longer than RECORD_MAX. */
  private skip(text: string, from: number, final: boolean): number {
    const end = lineEnd(text, from);
    if (end === text.length) return end;
    const read = this.ended(text, end, [], final);
    if (read === 'more') return end;
    this.skipping = false;
    return read.next;
  }
}

type Cell = { value: string; end: number } | 'more' | 'malformed';

function lineEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === LF || code === CR) return at;
  }
  return text.length;
}
