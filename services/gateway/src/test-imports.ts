import { Controller, Module } from '@nestjs/common';
import { Refusal } from '@muster/contracts/errors';
import { getGroup } from '@muster/contracts/group';
import {
  cancelImport,
  chooseGroups,
  getImport,
  listImports,
  startImport,
  type ImportView,
} from '@muster/contracts/import';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { idNumber } from '@muster/testing/universe';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

export const ID = idNumber(1);
export const NONE = { rows: 0, new: 0, updated: 0, unchanged: 0, rejected: 0, duplicates: 0, suppressed: 0 };
export const VIEW: ImportView = {
  id: ID,
  state: 'analysed',
  visible: false,
  needs: ['mapping'],
  fileName: 'a.csv',
  format: 'csv',
  encoding: 'utf-8',
  delimiter: ',',
  header: true,
  columns: [],
  mapping: null,
  groups: [],
  counts: NONE,
  rowsPerSecond: null,
  createdAt: '2026-01-15T12:00:00.000Z',
  position: 1,
};

/** The imports service at its public contract. */
@Controller()
export class Imports {
  static view: ImportView = VIEW;
  static chosen: string[] = [];

  @Handles(getImport)
  async get({ input }: Ask<typeof getImport>): Promise<AnswerOf<typeof getImport>> {
    if (input.id !== ID) throw new Refusal('import:not_found');
    return { import: Imports.view };
  }
  @Handles(listImports)
  async list(_request: Ask<typeof listImports>): Promise<AnswerOf<typeof listImports>> {
    return { items: [Imports.view], next: null };
  }
  @Handles(chooseGroups)
  async choose({ input }: Ask<typeof chooseGroups>): Promise<AnswerOf<typeof chooseGroups>> {
    Imports.chosen = input.existing;
    return { import: { ...Imports.view, groups: input.existing }, position: 1 };
  }
  @Handles(startImport)
  async start({ input }: Ask<typeof startImport>): Promise<AnswerOf<typeof startImport>> {
    return { import: { ...Imports.view, id: input.id, state: 'running' }, position: 1 };
  }
  @Handles(cancelImport)
  async cancel(_request: Ask<typeof cancelImport>): Promise<AnswerOf<typeof cancelImport>> {
    return { import: { ...Imports.view, state: 'cancelled' }, position: 1 };
  }
}

@Module({ controllers: [Imports] })
export class ImportsStandIn {}

/** Of the groups service, that some groups exist. */
@Controller()
class Groups {
  @Handles(getGroup)
  async group({ input }: Ask<typeof getGroup>): Promise<AnswerOf<typeof getGroup>> {
    if (input.id === idNumber(99)) throw new Refusal('group:not_found');
    const counts = { members: 0, active: 0, sms: 0, email: 0 };
    const group = { id: input.id, name: 'Group', categories: [], ready: true, builtin: false, counts };
    return { group: { ...group, kind: 'standard', createdAt: null }, position: 0 };
  }
}

@Module({ controllers: [Groups] })
export class GroupsStandIn {}

export interface Taken {
  query: URLSearchParams;
  body: string;
  complete: boolean;
}

/** The HTTP side of the imports service. `respond` may be replaced to refuse or to read slowly. */
export const uploads: { taken: Taken[]; respond: Respond } = { taken: [], respond: take };
type Respond = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { searchParams: query } = new URL(request.url ?? '/', 'http://imports');
  const upload: Taken = { query, body: '', complete: false };
  uploads.taken.push(upload);
  upload.body = await text(request);
  upload.complete = request.complete;
  response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(VIEW));
}

export function answerRejects(request: IncomingMessage, response: ServerResponse): void {
  if (!request.url?.startsWith(`/imports/${ID}/rejected.csv?account=`))
    response.writeHead(404).end(JSON.stringify({ code: 'import:not_found', data: {} }));
  else response.writeHead(200, { 'content-type': 'text/csv' }).end('phone,reason\nx,phone:invalid\n');
}

/** Sends a multipart file of `size` bytes by hand, to see when the connection takes no more. */
export function send(
  address: string,
  key: string,
  size: number,
  { breakAfter = Infinity } = {},
): { sent(): number; blocked(): boolean; status: Promise<number> } {
  const boundary = 'boundary-of-the-test';
  let sent = 0;
  let waitingSince = Infinity;
  const request = httpRequest(address, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': `multipart/form-data; boundary=${boundary}` },
  });
  const status = new Promise<number>((resolve, reject) => {
    request.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
  });
  const chunk = Buffer.alloc(64 * 1024, 'x');
  request.write(`--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n`);
  const pump = (): void => {
    waitingSince = Infinity;
    while (sent < size) {
      if (sent >= breakAfter) return void request.destroy();
      sent += chunk.length;
      if (!request.write(chunk)) {
        waitingSince = Date.now();
        return void request.once('drain', pump);
      }
    }
    request.end(`\r\n--${boundary}--\r\n`);
  };
  pump();
  return { sent: () => sent, blocked: () => Date.now() - waitingSince > 300, status };
}
