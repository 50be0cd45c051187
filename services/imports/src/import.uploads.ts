import { Readable } from 'node:stream';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Envelope } from '@muster/contracts/envelope';
import { isRetryable, Refusal, type ErrorCode } from '@muster/contracts/errors';
import { Id, uuid5 } from '@muster/contracts/ids';
import { IMPORT_BYTES_MAX, type ImportEvent } from '@muster/contracts/import';
import { EventStore } from '@muster/event-store/event-store';
import { Log } from '@muster/runtime/log';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { analyse } from './domain/analyse.js';
import { analyseImport } from './domain/import.js';
import { ImportFiles, type Received } from './import.files.js';
import { checkGroups } from './import.groups.js';
import { ImportRegistry, type ImportHead } from './import.registry.js';
import { ImportViews } from './import.view.js';
import { rejectedCsv, SAMPLE_CSV } from './rejects.js';

const GROUPS_MAX = 50;
const FILE_NAME_MAX = 200;

const UploadQuery = z.object({
  account: Id,
  fileName: z.string().optional(),
  groups: z
    .string()
    .transform((ids) => ids.split(',').filter((id) => id !== ''))
    .pipe(z.array(Id).max(GROUPS_MAX))
    .default([]),
  envelope: z.string(),
});
type UploadQuery = z.infer<typeof UploadQuery>;

const STATUS: Partial<Record<ErrorCode, number>> = {
  'import:not_found': 404,
  'import:file_gone': 404,
  'group:not_found': 404,
  'import:too_large': 413,
  'request:idempotency_conflict': 422,
  'service:internal': 500,
};

/** Files in and out, for the gateway alone: streams, which no message can carry. */
@Injectable()
export class ImportUploads implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly registry: ImportRegistry,
    private readonly files: ImportFiles,
    private readonly views: ImportViews,
    private readonly store: EventStore,
    private readonly log: Log,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.files.dropAbandoned(Date.now());
    const fastify: FastifyInstance = this.host.httpAdapter.getInstance();
    fastify.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
      scope.setErrorHandler((error, request, reply) => this.refuse(error, request, reply));
      scope.post('/uploads', { bodyLimit: IMPORT_BYTES_MAX + 1 }, (request, reply) =>
        this.upload(request, reply),
      );
      scope.get('/imports/sample.csv', (_request, reply) =>
        sendCsv(reply, 'sample', Readable.from([SAMPLE_CSV])),
      );
      scope.get('/imports/:id/rejected.csv', (request, reply) => this.rejected(request, reply));
    });
  }

  private async upload(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const query = parse(UploadQuery, request.query);
    const envelope = readEnvelope(query);
    await checkGroups(this.store, query.account, query.groups);
    const received = await this.files.receive(query.account, contentOf(request));
    try {
      const head = await this.takeIn(envelope, query, received);
      return await reply.code(201).send(await this.views.one(envelope, head));
    } finally {
      await this.files.drop(received);
    }
  }

  private async takeIn(envelope: Envelope, query: UploadQuery, received: Received): Promise<ImportHead> {
    const { account, groups } = query;
    const { fileHash, bytes, encoding, text, isWhole } = received;
    if (bytes === 0) throw new Refusal('import:empty');
    if (encoding === undefined) throw new Refusal('import:not_text');
    const { format } = analyse(text, encoding, isWhole);
    const importId = uuid5(envelope.command, 'import');
    const { decider } = this.registry;
    await this.files.keep(received, account, importId);
    const fileName = nameOf(query.fileName);
    const analysed = { importId, fileHash, bytes, format, groups, ...(fileName && { fileName }) };
    const { state } = await decider.execute(envelope, importId, (known): ImportEvent[] =>
      analyseImport(known, analysed),
    );
    if (state.fileHash !== fileHash) throw new Refusal('request:idempotency_conflict');
    return decider.load(account, importId);
  }

  private async rejected(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { account } = parse(z.object({ account: Id }), request.query);
    const { id } = parse(z.object({ id: Id }), request.params);
    const { state } = await this.registry.decider.load(account, id);
    if (state.phase === 'none') throw new Refusal('import:not_found');
    const format = { ...state.format, header: state.mapping?.header ?? state.format.header };
    const header = (await this.files.columns(account, id, format)).map((column) => column.name);
    const lines = rejectedCsv({
      delimiter: format.delimiter,
      header,
      targets: state.mapping?.columns ?? [],
      rows: this.files.rows(account, id, format),
      events: this.registry.events(account, id) as unknown as AsyncIterable<ImportEvent>,
    });
    return sendCsv(reply, `rejected-${id}`, Readable.from(lines));
  }

  /** `{ code, data }` and the status that stands for it; the rest of an upload is not read. */
  private refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    if (!(error instanceof Refusal)) this.log.error('file request failed', error);
    const { code, data } = error instanceof Refusal ? error : new Refusal('service:internal');
    if (!request.raw.complete) reply.header('connection', 'close');
    return reply.code(STATUS[code] ?? (isRetryable(code) ? 503 : 400)).send({ code, data });
  }
}

function parse<T extends z.ZodType>(schema: T, given: unknown): z.output<T> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new Refusal('request:invalid', { path: parsed.error.issues[0]?.path.map(String).join('.') ?? '' });
}

/** @throws Refusal `request:invalid` for an envelope that cannot be read or speaks for another account */
function readEnvelope({ account, envelope }: UploadQuery): Envelope {
  try {
    const read = Envelope.parse(JSON.parse(Buffer.from(envelope, 'base64url').toString()));
    if (read.account === account) return read;
  } catch {
    // Answered below, like an envelope of another account.
  }
  throw new Refusal('request:invalid', { path: 'envelope' });
}

/** Without a content type Fastify hands over no body, and the request itself is the stream. */
function contentOf(request: FastifyRequest): Readable {
  return request.body instanceof Readable ? request.body : request.raw;
}

/** The last part of a path, without what cannot be shown. */
function nameOf(given: string | undefined): string | undefined {
  const name = given
    ?.split(/[\\/]/)
    .at(-1)
    ?.replace(/\p{Cc}/gu, '')
    .trim();
  return name ? name.slice(0, FILE_NAME_MAX) : undefined;
}

function sendCsv(reply: FastifyReply, name: string, content: Readable): FastifyReply {
  return reply
    .header('content-type', 'text/csv; charset=utf-8')
    .header('content-disposition', `attachment; filename="${name}.csv"`)
    .send(content);
}
