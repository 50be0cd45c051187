import type { ImportView } from '@muster/contracts/import';
import { eventually } from '@muster/testing/eventually';
import type { z } from 'zod';
import type { Api } from './client.js';

export type Import = z.infer<typeof ImportView>;

const IMPORT_MS = 300_000;

export interface Upload {
  csv: string | Buffer;
  columns: readonly string[];
  country?: string;
  groups?: readonly string[];
  fileName?: string;
}

/** The five calls of an import, up to its start: file, mapping, groups, start. */
export async function startImport(api: Api, upload: Upload): Promise<Import> {
  const form = new FormData();
  form.set(
    'file',
    new Blob([new Uint8Array(Buffer.from(upload.csv))], { type: 'text/csv' }),
    upload.fileName ?? 'people.csv',
  );
  const { id } = await api.post<Import>('/v1/imports', form);
  const country = upload.country && { country: upload.country };
  await api.call('PUT', `/v1/imports/${id}/mapping`, {
    body: { header: true, columns: upload.columns, ...country },
  });
  await api.call('PUT', `/v1/imports/${id}/groups`, {
    body: { existing: upload.groups ?? [], create: [] },
  });
  return api.post(`/v1/imports/${id}/start`, {
    consent: { source: 'Paper form', wording: 'Yes, text me.' },
  });
}

export const importOf = (api: Api, id: string): Promise<Import> => api.get(`/v1/imports/${id}`);

/** The import as it is once it has completed and all of its contacts are in lists and audiences. */
export async function untilVisible(api: Api, id: string): Promise<Import> {
  const last = await eventually(async () => {
    const view = await importOf(api, id);
    if (view.state === 'failed' || (view.state === 'completed' && view.visible)) return view;
    throw new Error(`the import is ${view.state} (visible: ${view.visible}): ${JSON.stringify(view.counts)}`);
  }, IMPORT_MS);
  if (last.state === 'failed') throw new Error(`the import failed: ${last.error?.code}`);
  return last;
}

export async function importAll(api: Api, upload: Upload): Promise<Import> {
  const { id } = await startImport(api, upload);
  return untilVisible(api, id);
}
