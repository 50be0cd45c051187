import { z } from 'zod';
import { ConsentInput, UpdateMode } from './contact.js';
import { Instant, Position, Written } from './envelope.js';
import { defineEvent, type EventOf } from './event.js';
import { Id } from './ids.js';
import { command, query } from './subject.js';

export const IMPORT_BYTES_MAX = 512 * 1024 * 1024;
export const IMPORT_COLUMNS_MAX = 200;
export const IMPORT_ROWS_MAX = 5_000_000;

export const ImportState = z.enum([
  'analysed',
  'mapped',
  'running',
  'paused',
  'completed',
  'failed',
  'cancelled',
  'undone',
]);
export type ImportState = z.infer<typeof ImportState>;

/** What a column of the file becomes; `field:<key>` is a custom field. */
export const Target = z.union([
  z.enum(['phone', 'fullName', 'firstName', 'lastName', 'email', 'country', 'externalId', 'ignore']),
  z.string().regex(/^(phone[2-5]|email[23])$/),
  z.string().regex(/^field:[a-z][a-zA-Z0-9_]{0,39}$/),
]);
export type Target = z.infer<typeof Target>;

export const Column = z.object({
  index: z.int().nonnegative(),
  name: z.string(),
  samples: z.array(z.string()),
  suggested: Target,
});
export const Format = z.object({
  encoding: z.string(),
  delimiter: z.string(),
  header: z.boolean(),
  columns: z.int().positive(),
});

export const ImportAnalysed = defineEvent(
  'import',
  'ImportAnalysed',
  z.object({
    importId: Id,
    /** SHA-256 of the file, so that evidence can name it for ever. */
    fileHash: z.string(),
    bytes: z.int().nonnegative(),
    format: Format,
    fileName: z.string().optional(),
    groups: z.array(Id),
  }),
  {
    // People name files after people.
    personal: ['fileName'],
    example: {
      importId: '01890a5d-ac96-774b-bcce-b302099a8057',
      fileHash: 'ab'.repeat(32),
      bytes: 1234,
      format: { encoding: 'utf-8', delimiter: ',', header: true, columns: 3 },
      groups: [],
    },
  },
);
export const ImportMapped = defineEvent(
  'import',
  'ImportMapped',
  z.object({
    header: z.boolean(),
    columns: z.array(Target),
    country: z.string().optional(),
    update: UpdateMode,
  }),
  { example: { header: true, columns: ['firstName', 'phone', 'field:plan'], update: 'overwrite' } },
);
export const ImportGroupsChosen = defineEvent(
  'import',
  'ImportGroupsChosen',
  z.object({ groups: z.array(Id) }),
  {
    example: { groups: ['01890a5d-ac96-774b-bcce-b302099a8057'] },
  },
);
export const ImportStarted = defineEvent(
  'import',
  'ImportStarted',
  z.object({ consent: ConsentInput.extend({ at: Instant }) }),
  { example: { consent: { source: 'Paper form', at: '2026-01-02T03:04:05.678Z' } } },
);
export const Counts = z.object({
  rows: z.int().nonnegative(),
  new: z.int().nonnegative(),
  updated: z.int().nonnegative(),
  unchanged: z.int().nonnegative(),
  rejected: z.int().nonnegative(),
  duplicates: z.int().nonnegative(),
  suppressed: z.int().nonnegative(),
});
export type Counts = z.infer<typeof Counts>;
/** One chunk is done: its rows are contacts, its rejects are on record. The next starts at `nextByte`, row `nextRow`. */
export const ImportChunkDone = defineEvent(
  'import',
  'ImportChunkDone',
  z.object({
    chunk: z.int().nonnegative(),
    firstRow: z.int().nonnegative(),
    nextRow: z.int().nonnegative(),
    counts: Counts,
    rejects: z.array(z.object({ row: z.int().nonnegative(), code: z.string(), path: z.string().optional() })),
  }),
  {
    example: {
      chunk: 0,
      firstRow: 0,
      nextRow: 2,
      counts: { rows: 2, new: 1, updated: 0, unchanged: 0, rejected: 1, duplicates: 0, suppressed: 0 },
      rejects: [{ row: 1, code: 'phone:invalid', path: 'phone' }],
    },
  },
);
export const ImportCompleted = defineEvent('import', 'ImportCompleted', z.object({ counts: Counts }), {
  example: {
    counts: { rows: 2, new: 1, updated: 0, unchanged: 0, rejected: 1, duplicates: 0, suppressed: 0 },
  },
});
export const ImportFailed = defineEvent('import', 'ImportFailed', z.object({ code: z.string() }), {
  example: { code: 'import:file_gone' },
});
export const ImportCancelled = defineEvent('import', 'ImportCancelled', z.object({}), { example: {} });
export const IMPORT_EVENTS = [
  ImportAnalysed,
  ImportMapped,
  ImportGroupsChosen,
  ImportStarted,
  ImportChunkDone,
  ImportCompleted,
  ImportFailed,
  ImportCancelled,
] as const;
export type ImportEvent = EventOf<(typeof IMPORT_EVENTS)[number]>;

export const ImportView = z.object({
  id: Id,
  state: ImportState,
  visible: z.boolean().describe('Whether lists and audiences already contain every contact of the import'),
  needs: z.array(z.enum(['mapping', 'groups', 'consent'])),
  fileName: z.string().nullable(),
  format: z.literal('csv'),
  encoding: z.string(),
  delimiter: z.string(),
  header: z.boolean(),
  columns: z.array(Column),
  mapping: z
    .object({
      header: z.boolean(),
      columns: z.array(Target),
      country: z.string().optional(),
      update: UpdateMode,
    })
    .nullable(),
  groups: z.array(Id),
  counts: Counts,
  rowsPerSecond: z.number().nullable(),
  error: z.object({ code: z.string() }).optional(),
  createdAt: Instant,
  position: Position,
});
export type ImportView = z.infer<typeof ImportView>;

const Answer = z.object({ import: ImportView, ...Written });

export const mapImport = command(
  'imports',
  'map-import',
  'Says what each column becomes.',
  z.object({
    id: Id,
    header: z.boolean(),
    columns: z.array(Target).min(1).max(IMPORT_COLUMNS_MAX),
    country: z.string().length(2).optional(),
    update: UpdateMode.default('overwrite'),
  }),
  Answer,
);
export const chooseGroups = command(
  'imports',
  'choose-groups',
  'Says which groups the contacts join; new ones are created by name.',
  z.object({
    id: Id,
    existing: z.array(Id).max(50).default([]),
    create: z.array(z.string().trim().min(1).max(100)).max(50).default([]),
  }),
  Answer,
);
export const startImport = command(
  'imports',
  'start-import',
  'Starts the import. The consent named here is the basis of every contact that it creates.',
  z.object({ id: Id, mode: z.literal('lenient').default('lenient'), consent: ConsentInput }),
  Answer,
);
export const cancelImport = command(
  'imports',
  'cancel-import',
  'Stops an import after the chunk at hand; what was taken in stays.',
  z.object({ id: Id }),
  Answer,
);
export const getImport = query(
  'imports',
  'get-import',
  'State, progress and counts of an import.',
  z.object({ id: Id }),
  z.object({ import: ImportView }),
);
export const listImports = query(
  'imports',
  'list-imports',
  'Imports, newest first.',
  z.object({ after: z.string().max(200).optional(), limit: z.int().positive().max(100).default(50) }),
  z.object({ items: z.array(ImportView), next: z.string().nullable() }),
);
