import { Refusal } from '@muster/contracts/errors';
import { Id } from '@muster/contracts/ids';
import {
  cancelImport,
  Counts,
  getImport,
  ImportState,
  listImports,
  type ImportView,
} from '@muster/contracts/import';
import { z } from 'zod';
import { progress } from './import.progress.js';
import { ById, PageQuery, pageOf } from './query.schemas.js';
import { ok, route, type Route } from './route.js';

const tag = 'Jobs';
const missing = 'job:not_found';

/** Long work with its progress. Every import is one, under the id of the import. */
export const Job = z.object({
  id: Id,
  kind: z.literal('import'),
  state: ImportState,
  done: z.int().nonnegative().describe('Rows done'),
  total: z.int().nonnegative().nullable().describe('Rows in all; null until they are known'),
  report: Counts.optional(),
  resultUrl: z.string().optional().describe('Where the rejected rows are'),
  error: z.object({ code: z.string() }).optional(),
});
export type Job = z.infer<typeof Job>;

export function jobOf(view: ImportView): Job {
  const ended = view.state === 'completed';
  return {
    id: view.id,
    kind: 'import',
    state: view.state,
    done: view.counts.rows,
    total: ended ? view.counts.rows : null,
    ...(ended && { report: view.counts }),
    ...(view.counts.rejected > 0 && { resultUrl: `/v1/imports/${view.id}/rejected.csv` }),
    ...(view.error && { error: view.error }),
  };
}

const asJob = (error: unknown): never => {
  if (error instanceof Refusal && error.code === 'import:not_found') throw new Refusal('job:not_found');
  throw error;
};

export const jobRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/jobs',
    tag,
    summary: 'Jobs, newest first.',
    permission: 'imports.read',
    query: PageQuery,
    answers: { 200: pageOf(Job) },
    async handle(call) {
      const { after, limit } = call.query;
      const { items, next } = await call.ask(listImports, { after, limit });
      return ok({ items: items.map(jobOf), next });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/{id}',
    tag,
    summary: 'One job.',
    permission: 'imports.read',
    params: ById,
    missing,
    answers: { 200: Job },
    handle: async (call) =>
      ok(jobOf((await call.ask(getImport, { id: call.params.id }).catch(asJob)).import)),
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/{id}/events',
    tag,
    summary: 'Progress as server-sent events: `progress` with the job at each change, `end` with the last.',
    permission: 'imports.read',
    params: ById,
    missing,
    answers: { 200: { mediaType: 'text/event-stream', description: 'One Job per event' } },
    handle: async (call) => progress(call, call.params.id, jobOf).catch(asJob),
  }),
  route({
    method: 'POST',
    path: '/v1/jobs/{id}/cancel',
    tag,
    summary: 'Stops a job; what was done stays.',
    permission: 'imports.write',
    params: ById,
    missing,
    answers: { 200: Job },
    handle: async (call) =>
      ok(jobOf((await call.ask(cancelImport, { id: call.params.id }).catch(asJob)).import)),
  }),
];
