import type { ConsentInput } from '@muster/contracts/contact';
import type { Actor, Instant } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import type { Id } from '@muster/contracts/ids';
import type { Counts, ImportEvent, ImportState, Target } from '@muster/contracts/import';
import type { z } from 'zod';

type DataOf<T extends ImportEvent['type']> = Extract<ImportEvent, { type: T }>['data'];
export type Analysed = DataOf<'ImportAnalysed'>;
export type Mapping = DataOf<'ImportMapped'>;
export type ChunkDone = DataOf<'ImportChunkDone'>;
export type Consent = DataOf<'ImportStarted'>['consent'];

export interface ImportAggregate {
  phase: 'none' | ImportState;
  importId: Id | null;
  fileHash: string;
  format: Analysed['format'];
  fileName: string | null;
  groups: Id[];
  /** True once groups were named, be it none at all. */
  areGroupsChosen: boolean;
  mapping: Mapping | null;
  consent: Consent | null;
  counts: Counts;
  /** Number of the next chunk, and of the first row that no chunk has taken in; both from 0. */
  chunk: number;
  nextRow: number;
  error: string | null;
  startedBy: Actor | null;
  createdAt: Instant;
  startedAt: Instant | null;
  /** When the last chunk was done. */
  movedAt: Instant | null;
}

export const NO_COUNTS: Counts = {
  rows: 0,
  new: 0,
  updated: 0,
  unchanged: 0,
  rejected: 0,
  duplicates: 0,
  suppressed: 0,
};

export const NO_IMPORT: ImportAggregate = {
  phase: 'none',
  importId: null,
  fileHash: '',
  format: { encoding: 'utf-8', delimiter: ',', header: true, columns: 1 },
  fileName: null,
  groups: [],
  areGroupsChosen: false,
  mapping: null,
  consent: null,
  counts: NO_COUNTS,
  chunk: 0,
  nextRow: 0,
  error: null,
  startedBy: null,
  createdAt: '',
  startedAt: null,
  movedAt: null,
};

/** What the fold needs to know of an event beside its data. */
export interface Occasion {
  at: Instant;
  actor: Actor;
}

export function evolve(state: ImportAggregate, event: ImportEvent, occasion: Occasion): ImportAggregate {
  switch (event.type) {
    case 'ImportAnalysed': {
      const { importId, fileHash, format, fileName, groups } = event.data;
      return {
        ...state,
        phase: 'analysed',
        importId,
        fileHash,
        format,
        fileName: fileName ?? null,
        groups,
        areGroupsChosen: groups.length > 0,
        createdAt: occasion.at,
      };
    }
    case 'ImportMapped':
      return { ...state, phase: 'mapped', mapping: event.data };
    case 'ImportGroupsChosen':
      return { ...state, groups: event.data.groups, areGroupsChosen: true };
    case 'ImportStarted':
      return {
        ...state,
        phase: 'running',
        consent: event.data.consent,
        startedBy: occasion.actor,
        startedAt: occasion.at,
      };
    case 'ImportChunkDone':
      return {
        ...state,
        chunk: event.data.chunk + 1,
        nextRow: event.data.nextRow,
        counts: addCounts(state.counts, event.data.counts),
        movedAt: occasion.at,
      };
    case 'ImportCompleted':
      return { ...state, phase: 'completed' };
    case 'ImportFailed':
      return { ...state, phase: 'failed', error: event.data.code };
    case 'ImportCancelled':
      return { ...state, phase: 'cancelled' };
    default:
      return state;
  }
}

export function addCounts(a: Counts, b: Counts): Counts {
  return {
    rows: a.rows + b.rows,
    new: a.new + b.new,
    updated: a.updated + b.updated,
    unchanged: a.unchanged + b.unchanged,
    rejected: a.rejected + b.rejected,
    duplicates: a.duplicates + b.duplicates,
    suppressed: a.suppressed + b.suppressed,
  };
}

/** @throws Refusal `import:not_found`, `import:wrong_state` */
function mustBe(state: ImportAggregate, ...phases: ImportState[]): void {
  if (state.phase === 'none') throw new Refusal('import:not_found');
  if (!phases.includes(state.phase)) throw new Refusal('import:wrong_state', { state: state.phase });
}

/** Takes a file in. The same upload again changes nothing. @throws Refusal `request:idempotency_conflict` */
export function analyseImport(state: ImportAggregate, analysed: Analysed): ImportEvent[] {
  if (state.phase === 'none') return [{ type: 'ImportAnalysed', data: analysed }];
  if (state.fileHash !== analysed.fileHash) throw new Refusal('request:idempotency_conflict');
  return [];
}

/**
 * Targets that identify a contact; a mapping without any of them would reject every row. The further phones and
 * e-mails of the contract are not among the targets of this release, and are refused instead of being dropped.
 */
const IDENTIFIERS: readonly Target[] = ['phone', 'email', 'externalId'];
const LATER = /^(phone[2-5]|email[23])$/;

/** @throws Refusal `import:mapping_invalid` with the place in `columns` */
export function mapImport(state: ImportAggregate, mapping: Mapping): ImportEvent[] {
  mustBe(state, 'analysed', 'mapped');
  const { columns } = mapping;
  if (columns.length !== state.format.columns) {
    throw new Refusal('import:mapping_invalid', { path: 'columns', expected: state.format.columns });
  }
  columns.forEach((target, index) => {
    const isTaken = target !== 'ignore' && columns.indexOf(target) !== index;
    if (isTaken || LATER.test(target)) {
      const reason = isTaken ? 'used_twice' : 'not_supported';
      throw new Refusal('import:mapping_invalid', { path: `columns[${index}]`, reason });
    }
  });
  if (!columns.some((target) => IDENTIFIERS.includes(target))) {
    throw new Refusal('import:mapping_invalid', { path: 'columns', reason: 'no_identifier' });
  }
  if (state.mapping && isSame(state.mapping, mapping)) return [];
  return [{ type: 'ImportMapped', data: mapping }];
}

const isSame = (a: Mapping, b: Mapping): boolean =>
  a.header === b.header &&
  a.country === b.country &&
  a.update === b.update &&
  a.columns.join(',') === b.columns.join(',');

/** The groups that contacts join, instead of those chosen before. */
export function chooseGroups(state: ImportAggregate, groups: readonly Id[]): ImportEvent[] {
  mustBe(state, 'analysed', 'mapped');
  const chosen = [...new Set(groups)];
  if (state.areGroupsChosen && chosen.join(',') === state.groups.join(',')) return [];
  return [{ type: 'ImportGroupsChosen', data: { groups: chosen } }];
}

/** @param at when the start was asked for: the consent's time where it names none. */
export function startImport(
  state: ImportAggregate,
  consent: z.infer<typeof ConsentInput>,
  at: Instant,
): ImportEvent[] {
  if (state.phase === 'analysed') throw new Refusal('import:mapping_required');
  mustBe(state, 'mapped');
  return [{ type: 'ImportStarted', data: { consent: { ...consent, at: consent.at ?? at } } }];
}

export function cancelImport(state: ImportAggregate): ImportEvent[] {
  if (state.phase === 'cancelled') return [];
  mustBe(state, 'analysed', 'mapped', 'running');
  return [{ type: 'ImportCancelled', data: {} }];
}

/**
 * Records a chunk. The chunk at hand when an import is cancelled is recorded too, for its contacts exist.
 * @throws Refusal `import:wrong_state` when another worker has recorded the chunk
 */
export function finishChunk(state: ImportAggregate, done: ChunkDone): ImportEvent[] {
  mustBe(state, 'running', 'cancelled');
  if (state.chunk !== done.chunk || state.nextRow !== done.firstRow) {
    throw new Refusal('import:wrong_state', { state: state.phase, chunk: state.chunk });
  }
  return [{ type: 'ImportChunkDone', data: done }];
}

/** Ends an import whose rows are all done. Nothing for one that was cancelled meanwhile. */
export function completeImport(state: ImportAggregate, nextRow: number): ImportEvent[] {
  if (state.phase === 'cancelled') return [];
  mustBe(state, 'running');
  if (state.nextRow !== nextRow) throw new Refusal('import:wrong_state', { state: state.phase });
  return [{ type: 'ImportCompleted', data: { counts: state.counts } }];
}

/** Ends an import that cannot go on; what was taken in stays. */
export function failImport(state: ImportAggregate, code: string): ImportEvent[] {
  if (state.phase !== 'running') return [];
  return [{ type: 'ImportFailed', data: { code } }];
}
