import type { RowOutcome } from '@muster/contracts/contact';
import { uuid5, uuid8InOrder } from '@muster/contracts/ids';
import { describe, expect, it } from 'vitest';
import { Chunker, chunkDone, type Chunk } from './chunk.js';

const importId = uuid5('import');
const contactId = uuid5('contact');
const key = (n: number): string => String(n).repeat(64);

function chunk(...lines: string[][]): Chunk {
  const chunker = new Chunker(importId, { columns: ['phone', 'email'], country: 'US' }, 0);
  for (const cells of lines) chunker.take({ cells });
  return chunker.flush() as Chunk;
}

describe('what a chunk comes to', () => {
  it('counts each row once and suppressed ones beside', () => {
    const rows = chunk(
      ['+12122000001', ''],
      ['(212) 200-0001', ''],
      ['+12122000002', ''],
      ['call me', ''],
      ['+12122000003', ''],
      ['+12122000004', ''],
    );
    const outcomes: RowOutcome[] = [
      { outcome: 'new', contactId, phoneKey: key(1) },
      { outcome: 'updated', contactId, phoneKey: key(2) },
      { outcome: 'rejected', code: 'field:invalid_value', path: 'fields.age' },
      { outcome: 'unchanged', contactId },
    ];
    expect(chunkDone(4, rows, outcomes, new Set([key(1), key(9)]))).toEqual({
      chunk: 4,
      firstRow: 0,
      nextRow: 6,
      counts: { rows: 6, new: 1, updated: 1, unchanged: 1, rejected: 2, duplicates: 1, suppressed: 1 },
      rejects: [
        { row: 3, code: 'phone:invalid', path: 'phone' },
        { row: 4, code: 'field:invalid_value', path: 'fields.age' },
      ],
    });
  });

  it('does not take a row for a duplicate of one that was rejected', () => {
    const rows = chunk(['+12122000001', 'nonsense'], ['+12122000001', 'ann@example.com']);
    expect(rows.rows.map((row) => row.row)).toEqual([1]);
    expect(rows).toMatchObject({ duplicates: 0, rejects: [{ row: 0, code: 'email:invalid' }] });
  });

  it('derives the command of a row from import and row', () => {
    expect(chunk(['+12122000001', '']).rows[0]?.command).toBe(uuid8InOrder(importId, 0));
  });
});
