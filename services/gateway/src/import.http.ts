import { ConsentInput } from '@muster/contracts/contact';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { Id } from '@muster/contracts/ids';
import {
  cancelImport,
  chooseGroups,
  getImport,
  ImportView,
  listImports,
  mapImport,
  startImport,
} from '@muster/contracts/import';
import { followUp } from '@muster/runtime/envelopes';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { requireStandard } from './group.check.js';
import { progress } from './import.progress.js';
import { ById, PageQuery, pageOf } from './query.schemas.js';
import { created, ok, route, type Call, type Route } from './route.js';

const tag = 'Imports';
const missing = 'import:not_found';
/** Rows that are pasted; files go by multipart and may be larger. */
export const PASTE_BYTES_MAX = 16 * 1024 * 1024;
const GROUPS_MAX = 50;

const Pasted = z.strictObject({
  text: z.string().min(1),
  fileName: z.string().max(200).optional(),
  groups: z.array(Id).max(GROUPS_MAX).optional(),
});
type Pasted = z.infer<typeof Pasted>;

/** The `groups` part of an upload: one id, several with commas, or a JSON array of them. */
function groupsIn(value: string): Id[] {
  const list: unknown = value.trim().startsWith('[')
    ? jsonIn(value)
    : value.split(',').map((id) => id.trim());
  const ids = z
    .array(Id)
    .max(GROUPS_MAX)
    .safeParse(Array.isArray(list) ? list.filter((id) => id !== '') : list);
  if (!ids.success) throw new Refusal('request:invalid', { path: 'groups' });
  return ids.data;
}

function jsonIn(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return null;
  }
}

/**
 * Takes an upload apart as it comes in: the file streams through at once, so groups named before it travel with it and
 * groups named after it are chosen afterwards.
 */
async function takeFile(call: Call): Promise<ImportView> {
  let view: ImportView | undefined;
  let groups: Id[] = [];
  for await (const part of call.http.parts()) {
    if (part.type === 'field' && part.name === 'groups') groups = [...groups, ...groupsIn(part.value)];
    if (part.type !== 'file') continue;
    if (part.name !== 'file' || view !== undefined) {
      part.stream.resume();
      continue;
    }
    await requireStandard(call, groups);
    const upload = { fileName: part.fileName, groups, content: part.stream };
    view = await call.edge.importFiles.upload(call.envelope, upload);
    groups = [];
  }
  if (view === undefined) throw new Refusal('import:no_file');
  if (groups.length === 0) return view;
  const existing = [...new Set([...view.groups, ...groups])];
  const envelope: Envelope = followUp(call.envelope, 'choose-groups');
  return (await call.ask(chooseGroups, { id: view.id, existing }, envelope)).import;
}

async function takeText(call: Call, pasted: Pasted): Promise<ImportView> {
  const { text, fileName = 'pasted.csv', groups = [] } = pasted;
  await requireStandard(call, groups);
  const content = Readable.from([Buffer.from(text)], { objectMode: false });
  return call.edge.importFiles.upload(call.envelope, { fileName, groups, content });
}

const createRoute = route({
  method: 'POST',
  path: '/v1/imports',
  tag,
  summary: 'Takes a file (multipart part `file`, `groups` before it) or pasted rows, and says what is in it.',
  permission: 'imports.write',
  bodyKind: 'upload',
  bodyLimit: PASTE_BYTES_MAX,
  body: Pasted.optional(),
  answers: { 201: ImportView },
  handle: async (call) =>
    created(await (call.body === undefined ? takeFile(call) : takeText(call, call.body))),
});

const listRoute = route({
  method: 'GET',
  path: '/v1/imports',
  tag,
  summary: 'Imports, newest first.',
  permission: 'imports.read',
  query: PageQuery,
  answers: { 200: pageOf(ImportView) },
  handle: async (call) =>
    ok(await call.ask(listImports, { after: call.query.after, limit: call.query.limit })),
});

const getRoute = route({
  method: 'GET',
  path: '/v1/imports/{id}',
  tag,
  summary: 'State, progress and counts of an import.',
  permission: 'imports.read',
  params: ById,
  missing,
  answers: { 200: ImportView },
  handle: async (call) => ok((await call.ask(getImport, { id: call.params.id })).import),
});

const mapRoute = route({
  method: 'PUT',
  path: '/v1/imports/{id}/mapping',
  tag,
  summary: 'Says what each column becomes.',
  permission: 'imports.write',
  params: ById,
  body: z.strictObject(mapImport.input.omit({ id: true }).shape),
  missing,
  answers: { 200: ImportView },
  handle: async (call) => ok((await call.ask(mapImport, { id: call.params.id, ...call.body })).import),
});

const groupsRoute = route({
  method: 'PUT',
  path: '/v1/imports/{id}/groups',
  tag,
  summary: 'Says which groups the contacts join; new ones are created by name.',
  permission: 'imports.write',
  params: ById,
  body: z.strictObject(chooseGroups.input.omit({ id: true }).shape),
  missing,
  answers: { 200: ImportView },
  handle: async (call) => ok((await call.ask(chooseGroups, { id: call.params.id, ...call.body })).import),
});

const startRoute = route({
  method: 'POST',
  path: '/v1/imports/{id}/start',
  tag,
  summary: 'Starts the import. The consent named here is the basis of every contact that it creates.',
  permission: 'imports.write',
  params: ById,
  body: z
    .strictObject({
      mode: startImport.input.shape.mode,
      consent: z.strictObject(ConsentInput.shape).optional().describe('Required'),
    })
    .prefault({}),
  missing,
  answers: { 200: ImportView },
  async handle(call) {
    const { mode, consent } = call.body;
    if (consent === undefined) throw new Refusal('import:consent_required', { path: 'consent' });
    return ok((await call.ask(startImport, { id: call.params.id, mode, consent })).import);
  },
});

const cancelRoute = route({
  method: 'POST',
  path: '/v1/imports/{id}/cancel',
  tag,
  summary: 'Stops an import after the chunk at hand; what was taken in stays.',
  permission: 'imports.write',
  params: ById,
  missing,
  answers: { 200: ImportView },
  handle: async (call) => ok((await call.ask(cancelImport, { id: call.params.id })).import),
});

const eventsRoute = route({
  method: 'GET',
  path: '/v1/imports/{id}/events',
  tag,
  summary: 'Progress as server-sent events: `progress` with the import at each change, `end` with the last.',
  permission: 'imports.read',
  params: ById,
  missing,
  answers: { 200: { mediaType: 'text/event-stream', description: 'One ImportView per event' } },
  handle: async (call) => progress(call, call.params.id, (view) => view),
});

const rejectedRoute = route({
  method: 'GET',
  path: '/v1/imports/{id}/rejected.csv',
  tag,
  summary: 'The rejected rows with their reasons, to be fixed and uploaded again.',
  permission: 'imports.read',
  params: ById,
  missing,
  answers: { 200: { mediaType: 'text/csv', description: 'The columns of the file and the reason' } },
  async handle(call) {
    const stream = await call.edge.importFiles.rejected(call.envelope.account, call.params.id);
    const headers = {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="rejected-${call.params.id}.csv"`,
    };
    return { status: 200, stream, headers };
  },
});

export const importRoutes: readonly Route[] = [
  createRoute,
  listRoute,
  getRoute,
  mapRoute,
  groupsRoute,
  startRoute,
  cancelRoute,
  eventsRoute,
  rejectedRoute,
];
