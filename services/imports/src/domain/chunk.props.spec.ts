import type { RowOutcome } from '@muster/contracts/contact';
import { uuid5 } from '@muster/contracts/ids';
import type { Target } from '@muster/contracts/import';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunkDone, Chunker, type Chunk } from './chunk.js';
import type { CsvRow } from './csv.js';
import { addCounts, NO_COUNTS } from './import.js';

const importId = uuid5('import');
const columns: Target[] = ['phone', 'email', 'externalId', 'firstName'];

const phone = fc.constantFrom(
  '',
  '+1 212 200 0001',
  '(212) 200-0001',
  '2122000002',
  '+972 50 555 1234',
  'n/a',
  '12',
);
const email = fc.constantFrom('', 'ann@example.com', 'ANN@example.com', 'ben@example.org', 'nobody');
const externalId = fc.constantFrom('', '', 'c-1', 'c-2');
const good = fc.tuple(phone, email, externalId, fc.constantFrom('', 'Ann', 'x'.repeat(201)));
const row: fc.Arbitrary<CsvRow> = fc.oneof(
  { weight: 9, arbitrary: good.map((cells) => ({ cells: [...cells] })) },
  { weight: 1, arbitrary: fc.constant<CsvRow>({ cells: ['one'] }) },
  { weight: 1, arbitrary: fc.constant<CsvRow>({ cells: [], raw: '"open' }) },
);
const file = fc.array(row, { maxLength: 60 });
const limits = fc.record({
  rows: fc.integer({ min: 1, max: 9 }),
  bytes: fc.integer({ min: 200, max: 2_000 }),
});

function chunksOf(rows: readonly CsvRow[], from: number, limit: { rows: number; bytes: number }): Chunk[] {
  const chunker = new Chunker(importId, { columns, country: 'US' }, from, limit);
  const chunks = rows.flatMap((csv) => chunker.take(csv) ?? []);
  const rest = chunker.flush();
  return rest ? [...chunks, rest] : chunks;
}

/** What the rows came to, in whatever chunks: commands, rejects and counts. */
function sum(chunks: readonly Chunk[]): unknown {
  const rows = chunks.flatMap((chunk) => chunk.rows);
  const outcome = (at: number): RowOutcome => ({ outcome: 'new', contactId: uuid5('contact', String(at)) });
  const counts = chunks
    .map(
      (chunk, at) =>
        chunkDone(
          at,
          chunk,
          chunk.rows.map((one) => outcome(one.row)),
          new Set(),
        ).counts,
    )
    .reduce(addCounts, NO_COUNTS);
  return { rows, rejects: chunks.flatMap((chunk) => chunk.rejects), counts };
}

describe('laws of chunks', () => {
  it('makes the same of every row, whatever the size of chunks', () => {
    fc.assert(
      fc.property(file, limits, limits, (rows, one, other) => {
        expect(sum(chunksOf(rows, 0, one))).toEqual(sum(chunksOf(rows, 0, other)));
      }),
    );
  });

  it('makes the same of every row, wherever runs broke off and went on', () => {
    fc.assert(
      fc.property(file, limits, fc.array(fc.tuple(fc.nat({ max: 5 }), limits)), (rows, limit, breaks) => {
        const recorded: Chunk[] = [];
        const next = (): number => recorded.at(-1)?.nextRow ?? 0;
        for (const [count, size] of breaks) recorded.push(...chunksOf(rows, next(), size).slice(0, count));
        recorded.push(...chunksOf(rows, next(), limit));
        expect(sum(recorded)).toEqual(sum(chunksOf(rows, 0, limit)));
      }),
    );
  });

  it('covers every row once, in order, and counts each as exactly one thing', () => {
    fc.assert(
      fc.property(file, limits, (rows, limit) => {
        const chunks = chunksOf(rows, 0, limit);
        const ends = chunks.map((chunk) => chunk.nextRow);
        expect(chunks.map((chunk) => chunk.firstRow)).toEqual([0, ...ends].slice(0, chunks.length));
        expect(ends.at(-1) ?? 0).toBe(rows.length);
        const { counts } = sum(chunks) as { counts: typeof NO_COUNTS };
        const { new: made, updated, unchanged, rejected, duplicates } = counts;
        expect(made + updated + unchanged + rejected + duplicates).toBe(rows.length);
      }),
    );
  });

  it('sends nobody twice: no two rows of a file speak of the same phone number', () => {
    fc.assert(
      fc.property(file, limits, (rows, limit) => {
        const phones = chunksOf(rows, 0, limit).flatMap((chunk) =>
          chunk.rows.flatMap((one) => one.contact.phone ?? []),
        );
        expect(new Set(phones).size).toBe(phones.length);
      }),
    );
  });

  it('keeps the rows of a chunk, and their bytes, within the limits', () => {
    fc.assert(
      fc.property(file, limits, (rows, limit) => {
        for (const chunk of chunksOf(rows, 0, limit)) {
          expect(chunk.nextRow - chunk.firstRow).toBeLessThanOrEqual(limit.rows);
          const bytes = Buffer.byteLength(JSON.stringify(chunk.rows.map((one) => one.contact)));
          expect(chunk.rows.length <= 1 || bytes <= limit.bytes).toBe(true);
        }
      }),
    );
  });
});
