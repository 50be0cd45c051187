import { idNumber } from '@muster/testing/universe';
import { scenario } from '@muster/testing/given';
import type { ImportEvent } from '@muster/contracts/import';
import { describe, expect, it } from 'vitest';
import {
  analyseImport,
  cancelImport,
  chooseGroups,
  completeImport,
  evolve,
  failImport,
  finishChunk,
  mapImport,
  NO_COUNTS,
  NO_IMPORT,
  startImport,
  type Analysed,
  type ChunkDone,
  type ImportAggregate,
  type Mapping,
} from './import.js';

const at = '2026-01-15T12:00:00.000Z';
const actor = { kind: 'api_key', id: 'k' } as const;
const given = scenario<ImportAggregate, ImportEvent>({
  initial: NO_IMPORT,
  evolve: (state, event) => evolve(state, event, { at, actor }),
}).given;

const analysed: Analysed = {
  importId: idNumber(1),
  fileHash: 'ab'.repeat(32),
  bytes: 10,
  format: { encoding: 'utf-8', delimiter: ',', header: true, columns: 2 },
  groups: [],
};
const mapping: Mapping = { header: true, columns: ['firstName', 'phone'], update: 'overwrite' };
const consent = { source: 'Paper form', at };
const done = (chunk: number, firstRow: number, nextRow: number): ChunkDone => ({
  chunk,
  firstRow,
  nextRow,
  counts: { ...NO_COUNTS, rows: nextRow - firstRow, new: nextRow - firstRow },
  rejects: [],
});

const isAnalysed: ImportEvent = { type: 'ImportAnalysed', data: analysed };
const isMapped: ImportEvent = { type: 'ImportMapped', data: mapping };
const isStarted: ImportEvent = { type: 'ImportStarted', data: { consent } };
const isCancelled: ImportEvent = { type: 'ImportCancelled', data: {} };
const isDone = (...data: Parameters<typeof done>): ImportEvent => ({
  type: 'ImportChunkDone',
  data: done(...data),
});
const isCompleted: ImportEvent = { type: 'ImportCompleted', data: { counts: NO_COUNTS } };

const ready = [isAnalysed, isMapped];
const running = [...ready, isStarted];

describe('taking a file in', () => {
  it('is recorded', () => {
    given([])
      .when((state) => analyseImport(state, analysed))
      .emits([isAnalysed]);
  });
  it('changes nothing for the same file again', () => {
    given([isAnalysed])
      .when((state) => analyseImport(state, analysed))
      .changesNothing();
  });
  it('refuses another file under the same command', () => {
    given([isAnalysed])
      .when((state) => analyseImport(state, { ...analysed, fileHash: 'cd'.repeat(32) }))
      .refuses('request:idempotency_conflict');
  });
});

describe('mapping', () => {
  it('is recorded, and can be changed until the start', () => {
    given([isAnalysed])
      .when((state) => mapImport(state, mapping))
      .emits([isMapped]);
    const other: Mapping = { ...mapping, country: 'IL' };
    given(ready)
      .when((state) => mapImport(state, other))
      .emits([{ type: 'ImportMapped', data: other }]);
  });
  it('changes nothing when it is the same', () => {
    given(ready)
      .when((state) => mapImport(state, { ...mapping }))
      .changesNothing();
  });
  it.each([
    ['too few columns', ['phone'], { path: 'columns', expected: 2 }],
    ['a target twice', ['phone', 'phone'], { path: 'columns[1]', reason: 'used_twice' }],
    ['a second phone', ['phone', 'phone2'], { path: 'columns[1]', reason: 'not_supported' }],
    ['nothing that identifies', ['firstName', 'ignore'], { path: 'columns', reason: 'no_identifier' }],
  ])('refuses %s', (_, columns, data) => {
    given([isAnalysed])
      .when((state) => mapImport(state, { ...mapping, columns }))
      .refuses('import:mapping_invalid', data);
  });
  it('takes ignore as often as wanted', () => {
    const columns = ['phone', 'ignore'];
    given([isAnalysed])
      .when((state) => mapImport(state, { ...mapping, columns }))
      .emits([{ type: 'ImportMapped', data: { ...mapping, columns } }]);
  });
  it('is refused while the import runs, and for one that does not exist', () => {
    given(running)
      .when((state) => mapImport(state, mapping))
      .refuses('import:wrong_state', { state: 'running' });
    given([])
      .when((state) => mapImport(state, mapping))
      .refuses('import:not_found');
  });
});

describe('choosing groups', () => {
  it('records them once each, none at all too', () => {
    given([isAnalysed])
      .when((state) => chooseGroups(state, [idNumber(7), idNumber(7)]))
      .emits([{ type: 'ImportGroupsChosen', data: { groups: [idNumber(7)] } }]);
    given([isAnalysed])
      .when((state) => chooseGroups(state, []))
      .emits([{ type: 'ImportGroupsChosen', data: { groups: [] } }]);
  });
  it('changes nothing when they are the same, and is refused after the start', () => {
    given([isAnalysed, { type: 'ImportGroupsChosen', data: { groups: [] } }])
      .when((state) => chooseGroups(state, []))
      .changesNothing();
    given(running)
      .when((state) => chooseGroups(state, []))
      .refuses('import:wrong_state');
  });
});

describe('starting', () => {
  it('records the consent, as of the start where it names no time', () => {
    given(ready)
      .when((state) => startImport(state, { source: 'Paper form' }, at))
      .emits([isStarted]);
    const earlier = { source: 'Paper form', at: '2020-01-01T00:00:00.000Z', wording: 'Text me' };
    given(ready)
      .when((state) => startImport(state, earlier, at))
      .emits([{ type: 'ImportStarted', data: { consent: earlier } }]);
  });
  it('needs a mapping, and happens once', () => {
    given([isAnalysed])
      .when((state) => startImport(state, consent, at))
      .refuses('import:mapping_required');
    given(running)
      .when((state) => startImport(state, consent, at))
      .refuses('import:wrong_state');
    given([])
      .when((state) => startImport(state, consent, at))
      .refuses('import:not_found');
  });
});

describe('chunks', () => {
  it('are recorded in order and add up', () => {
    given(running)
      .when((state) => finishChunk(state, done(0, 0, 500)))
      .emits([isDone(0, 0, 500)]);
    const { chunk, nextRow, counts } = given([...running, isDone(0, 0, 500), isDone(1, 500, 620)]).state();
    expect({ chunk, nextRow, rows: counts.rows, made: counts.new }).toEqual({
      chunk: 2,
      nextRow: 620,
      rows: 620,
      made: 620,
    });
  });
  it.each([
    ['one that another worker has recorded', done(0, 0, 500)],
    ['one that leaves a gap', done(2, 700, 800)],
    ['one with another first row', done(1, 400, 800)],
  ])('refuse %s', (_, chunk) => {
    given([...running, isDone(0, 0, 500)])
      .when((state) => finishChunk(state, chunk))
      .refuses('import:wrong_state');
  });
  it('are recorded after a cancellation, for their contacts exist, but not after the end', () => {
    given([...running, isCancelled])
      .when((state) => finishChunk(state, done(0, 0, 500)))
      .emits([isDone(0, 0, 500)]);
    expect(given([...running, isCancelled, isDone(0, 0, 500)]).state().phase).toBe('cancelled');
    given([...running, isCompleted])
      .when((state) => finishChunk(state, done(0, 0, 500)))
      .refuses('import:wrong_state');
  });
});

describe('the end', () => {
  it('is completed with the counts once every row is recorded', () => {
    const { counts } = done(0, 0, 500);
    given([...running, isDone(0, 0, 500)])
      .when((state) => completeImport(state, 500))
      .emits([{ type: 'ImportCompleted', data: { counts } }]);
    given([...running, isDone(0, 0, 500)])
      .when((state) => completeImport(state, 600))
      .refuses('import:wrong_state');
  });
  it('is not completed after a cancellation', () => {
    given([...running, isCancelled])
      .when((state) => completeImport(state, 0))
      .changesNothing();
  });
  it('cancels whatever has not ended, once', () => {
    given([isAnalysed]).when(cancelImport).emits([isCancelled]);
    given([...running, isCancelled])
      .when(cancelImport)
      .changesNothing();
    given([...running, isCompleted])
      .when(cancelImport)
      .refuses('import:wrong_state', { state: 'completed' });
  });
  it('fails only while it runs', () => {
    given(running)
      .when((state) => failImport(state, 'group:not_found'))
      .emits([{ type: 'ImportFailed', data: { code: 'group:not_found' } }]);
    given([...running, isCancelled])
      .when((state) => failImport(state, 'group:not_found'))
      .changesNothing();
  });
});
