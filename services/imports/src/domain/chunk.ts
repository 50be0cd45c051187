import type { ContactInput, RowOutcome } from '@muster/contracts/contact';
import { uuid8InOrder, type Id } from '@muster/contracts/ids';
import type { Counts } from '@muster/contracts/import';
import type { CsvRow } from './csv.js';
import { NO_COUNTS, type ChunkDone } from './import.js';
import { readRow, type RowPlan } from './row.js';
import { Seen } from './seen.js';

export const CHUNK_ROWS_MAX = 500;
/** Keeps the request of a chunk well under the 512 KiB that a message may have. */
export const CHUNK_BYTES_MAX = 400 * 1024;
/** Command id, row number and punctuation of one row of the request. */
const ROW_OVERHEAD_BYTES = 100;

export interface Limits {
  rows: number;
  bytes: number;
}

export type Reject = ChunkDone['rejects'][number];

export interface ChunkRow {
  row: number;
  /** Follows from import and row, so that a repeated chunk changes nothing. */
  command: Id;
  contact: ContactInput;
}

/** Rows that are sent together. The row after the last one is `nextRow`; both ends follow from the file alone. */
export interface Chunk {
  firstRow: number;
  nextRow: number;
  rows: ChunkRow[];
  rejects: Reject[];
  duplicates: number;
  /** E-mails and external ids of its rows: a chunk that shares one with another must wait for it. */
  ties: Set<string>;
}

const emptyChunk = (firstRow: number): Chunk => ({
  firstRow,
  nextRow: firstRow,
  rows: [],
  rejects: [],
  duplicates: 0,
  ties: new Set(),
});

/**
 * Cuts the rows of a file into chunks, from `startRow` on. Rows before it are only looked at, to know who was named in
 * them; so a run that goes on where another stopped makes of each row what the other would have made.
 */
export class Chunker {
  private readonly seen = new Seen();
  private row = 0;
  private chunk: Chunk;
  private bytes = 0;

  constructor(
    private readonly importId: Id,
    private readonly plan: RowPlan,
    private readonly startRow: number,
    private readonly limits: Limits = { rows: CHUNK_ROWS_MAX, bytes: CHUNK_BYTES_MAX },
  ) {
    this.chunk = emptyChunk(startRow);
  }

  /** Number of rows taken so far. */
  get rows(): number {
    return this.row;
  }

  /** Takes the next row; the chunk that it completes, if it does. */
  take(csv: CsvRow): Chunk | undefined {
    const row = this.row;
    this.row += 1;
    const read = readRow(csv, this.plan);
    const isFirst = 'contact' in read && this.seen.add(read.identity);
    if (row < this.startRow) return undefined;
    const bytes = isFirst ? Buffer.byteLength(JSON.stringify(read.contact)) + ROW_OVERHEAD_BYTES : 0;
    const full = this.bytes + bytes > this.limits.bytes ? this.flush() : undefined;
    if ('code' in read) this.chunk.rejects.push({ row, ...read });
    else if (!isFirst) this.chunk.duplicates += 1;
    else {
      this.chunk.rows.push({ row, command: uuid8InOrder(this.importId, row), contact: read.contact });
      for (const tie of read.ties) this.chunk.ties.add(tie);
    }
    this.bytes += bytes;
    this.chunk.nextRow = row + 1;
    return full ?? (this.chunk.nextRow - this.chunk.firstRow >= this.limits.rows ? this.flush() : undefined);
  }

  /** What is left at the end of the file, or undefined. */
  flush(): Chunk | undefined {
    const { chunk } = this;
    if (chunk.nextRow === chunk.firstRow) return undefined;
    this.chunk = emptyChunk(chunk.nextRow);
    this.bytes = 0;
    return chunk;
  }
}

/**
 * What a chunk came to: every row is exactly one of new, updated, unchanged, rejected and duplicate.
 * @param outcomes of `chunk.rows`, in order
 * @param revoked detail keys of phones that may not be texted
 */
export function chunkDone(
  number: number,
  chunk: Chunk,
  outcomes: readonly RowOutcome[],
  revoked: ReadonlySet<string>,
): ChunkDone {
  const counts: Counts = {
    ...NO_COUNTS,
    rows: chunk.nextRow - chunk.firstRow,
    duplicates: chunk.duplicates,
  };
  const rejects = [...chunk.rejects];
  outcomes.forEach((outcome, index) => {
    if (outcome.outcome === 'rejected') {
      const { code, path } = outcome;
      rejects.push({
        row: (chunk.rows[index] as ChunkRow).row,
        code,
        ...(path === undefined ? {} : { path }),
      });
      return;
    }
    counts[outcome.outcome] += 1;
    if (outcome.phoneKey !== undefined && revoked.has(outcome.phoneKey)) counts.suppressed += 1;
  });
  rejects.sort((a, b) => a.row - b.row);
  counts.rejected = rejects.length;
  const { firstRow, nextRow } = chunk;
  return { chunk: number, firstRow, nextRow, counts, rejects };
}
