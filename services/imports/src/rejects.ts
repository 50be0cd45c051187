import { ERRORS, isErrorCode } from '@muster/contracts/errors';
import type { ImportEvent, Target } from '@muster/contracts/import';
import type { CsvRow } from './domain/csv.js';
import type { Reject } from './domain/chunk.js';

const BYTE_ORDER_MARK = '\ufeff';
const COLUMNS = ['error code', 'what to do'];

export interface RejectsOf {
  delimiter: string;
  /** Names of the columns of the file. */
  header: readonly string[];
  targets: readonly Target[];
  /** Rows of the file, from row 0, in batches. */
  rows: AsyncIterable<CsvRow[]>;
  /** Events of the import, in order. */
  events: AsyncIterable<ImportEvent>;
}

/**
 * The rejected rows as a file that can be corrected and uploaded again: the columns as they came, then why and what
 * to do. With a byte order mark, for Excel reads UTF-8 no other way.
 */
export async function* rejectedCsv(of: RejectsOf): AsyncGenerator<string> {
  const line = (cells: readonly string[]): string =>
    `${cells.map(quoted(of.delimiter)).join(of.delimiter)}\r\n`;
  yield BYTE_ORDER_MARK + line([...of.header, ...COLUMNS]);
  const rejects = rejectsIn(of.events);
  let next = await rejects.next();
  let row = 0;
  for await (const batch of of.rows) {
    const lines: string[] = [];
    for (const csv of batch) {
      if (next.done) break;
      if (next.value.row === row) {
        lines.push(line([...cellsOf(csv, of.header.length), next.value.code, advice(next.value, of)]));
        next = await rejects.next();
      }
      row += 1;
    }
    if (lines.length > 0) yield lines.join('');
    if (next.done) return;
  }
}

async function* rejectsIn(events: AsyncIterable<ImportEvent>): AsyncGenerator<Reject> {
  for await (const event of events) if (event.type === 'ImportChunkDone') yield* event.data.rejects;
}

/** Exactly as many cells as the header has, so that the reason stands in its column; what cannot be read comes whole. */
function cellsOf(row: CsvRow, columns: number): string[] {
  const cells = row.raw === undefined ? row.cells : [row.raw];
  const kept = cells.slice(0, columns);
  if (cells.length > columns && columns > 0) kept[columns - 1] = cells.slice(columns - 1).join(' ');
  return [...kept, ...Array.from({ length: columns - kept.length }, () => '')];
}

function advice({ code, path }: Reject, { header, targets }: RejectsOf): string {
  const text = isErrorCode(code) ? ERRORS[code] : code;
  const column =
    path === undefined ? undefined : header[targets.indexOf(path.replace(/^fields\./, 'field:') as Target)];
  return column === undefined ? text : `${text} See column: ${column}.`;
}

const quoted =
  (delimiter: string) =>
  (cell: string): string =>
    /["\r\n]/.test(cell) || cell.includes(delimiter) || cell !== cell.trim()
      ? `"${cell.replaceAll('"', '""')}"`
      : cell;

/** What a file for upload looks like. */
export const SAMPLE_CSV = [
  'First name,Last name,Phone,E-mail,Country',
  'Ann,Example,+1 202 555 0143,ann@example.com,US',
  'Ben,Example,020 7946 0018,ben@example.org,GB',
  '"Dan ""Danny""",Example,+972 50 555 1234,,IL',
  '',
].join('\r\n');
