import type { ImportEvent } from '@muster/contracts/import';
import type { Fact } from '@muster/event-store/facts';
import { golden } from '@muster/event-store/test-history';
import { describe, expect, it } from 'vitest';
import { NO_IMPORT, evolve, type ImportAggregate } from './domain/import.js';

const fold = (state: ImportAggregate, fact: Fact<ImportEvent>): ImportAggregate =>
  evolve(state, fact as unknown as ImportEvent, { at: fact.meta.at, actor: fact.meta.actor });

describe('the golden history of imports', () => {
  it('folds to one that is completed', async () => {
    const facts = await golden<ImportEvent>('import');
    const at = (index: number): string | undefined => facts[index]?.meta.at;
    expect(facts.reduce(fold, NO_IMPORT)).toMatchObject({
      phase: 'completed',
      importId: '01990a5d-ac00-7000-8000-000000000400',
      fileHash: '7a'.repeat(32),
      fileName: 'people.csv',
      groups: ['01990a5d-ac00-7000-8000-000000000201'],
      areGroupsChosen: true,
      mapping: {
        header: true,
        columns: ['firstName', 'phone', 'field:plan'],
        country: 'FR',
        update: 'overwrite',
      },
      consent: { source: 'Paper form', at: '2026-11-01T00:00:00.000Z', wording: 'Yes, text me.' },
      counts: { rows: 4, new: 2, updated: 0, unchanged: 0, rejected: 1, duplicates: 1, suppressed: 1 },
      chunk: 2,
      nextRow: 4,
      error: null,
      startedBy: { kind: 'api_key', id: '01990a5d-ac00-7000-8000-000000000020' },
      createdAt: at(0),
      startedAt: at(3),
      movedAt: at(5),
    });
  });

  it('counts in chunks what it says at the end', async () => {
    const facts = await golden<ImportEvent>('import');
    const completed = facts.at(-1)?.data as { counts: unknown };
    expect(facts.slice(0, -1).reduce(fold, NO_IMPORT).counts).toEqual(completed.counts);
  });

  it('folds to one that failed and one that was cancelled', async () => {
    const failed = (await golden<ImportEvent>('import', 1)).reduce(fold, NO_IMPORT);
    expect(failed).toMatchObject({ phase: 'failed', error: 'import:file_gone' });
    const cancelled = (await golden<ImportEvent>('import', 2)).reduce(fold, NO_IMPORT);
    expect(cancelled).toMatchObject({ phase: 'cancelled', error: null, mapping: null });
  });
});
