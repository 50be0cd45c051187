import { Injectable } from '@nestjs/common';
import type { Envelope } from '@muster/contracts/envelope';
import { isErrorCode, Refusal, type RefusalData } from '@muster/contracts/errors';
import { IMPORT_BYTES_MAX, ImportView } from '@muster/contracts/import';
import type { Id } from '@muster/contracts/ids';
import { ServiceEnv } from '@muster/runtime/edge.module';
import { Log } from '@muster/runtime/log';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { text } from 'node:stream/consumers';
import type { GatewaySettings } from './config.js';

/** A connection to the imports service on which nothing moves for so long is given up, in milliseconds. */
const IDLE_MS = 60_000;

export interface Upload {
  fileName: string;
  groups: readonly Id[];
  content: Readable;
}

/** Files in and out of the imports service, over HTTP and never in memory as a whole. */
@Injectable()
export class ImportFiles {
  constructor(
    private readonly settings: ServiceEnv<GatewaySettings>,
    private readonly log: Log,
  ) {}

  /**
   * Streams a file to the imports service. When the caller's connection breaks, so does this one, and the imports
   * service drops what it has.
   * @throws Refusal as the imports service gave it; `import:too_large` beyond 512 MiB; `service:unavailable`.
   */
  async upload(envelope: Envelope, upload: Upload): Promise<ImportView> {
    const query = new URLSearchParams({
      account: envelope.account,
      fileName: upload.fileName,
      envelope: Buffer.from(JSON.stringify(envelope)).toString('base64url'),
      ...(upload.groups.length > 0 && { groups: upload.groups.join(',') }),
    });
    const { request, response } = this.open('POST', `/uploads?${query}`);
    const sending = pipeline(upload.content, limited(IMPORT_BYTES_MAX), request);
    const answer = await this.settled(sending, response, upload.content);
    const body: unknown = parseJson(await text(answer));
    if (answer.statusCode !== undefined && answer.statusCode >= 400) throw refusalOf(body);
    const view = ImportView.safeParse((body as { import?: unknown } | null)?.import ?? body);
    if (view.success) return view.data;
    this.log.error('answer not understood', undefined, { part: 'imports', call: 'uploads' });
    throw new Refusal('service:internal');
  }

  /** @throws Refusal when there is no such import. The stream ends with an error when the imports service breaks off. */
  async rejected(account: Id, importId: Id): Promise<Readable> {
    const { request, response } = this.open('GET', `/imports/${importId}/rejected.csv?account=${account}`);
    request.end();
    const answer = await response.catch((error: unknown) => {
      throw this.unavailable(error);
    });
    if (answer.statusCode === 200) return answer;
    throw refusalOf(parseJson(await text(answer)));
  }

  private open(method: string, path: string) {
    const url = new URL(`${this.settings.env.IMPORTS_URL}${path}`);
    const open = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = open(url, { method, headers: { 'content-type': 'application/octet-stream' } });
    request.setTimeout(IDLE_MS, () => request.destroy(new Error('idle')));
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.once('error', reject);
    });
    return { request, response };
  }

  /**
   * The answer, which may come before the file is sent when the imports service refuses it. The rest of the file is then
   * read and thrown away, so that the caller gets the reason and no broken connection.
   */
  private async settled(
    sending: Promise<void>,
    response: Promise<IncomingMessage>,
    content: Readable,
  ): Promise<IncomingMessage> {
    const failed = sending.then(
      () => response,
      (error: unknown) => {
        if (error instanceof Refusal) throw error;
        return response;
      },
    );
    try {
      return await Promise.race([response, failed]);
    } catch (error) {
      throw error instanceof Refusal ? error : this.unavailable(error);
    } finally {
      content.resume();
    }
  }

  private unavailable(error: unknown): Refusal {
    this.log.error('the imports service could not be reached', error);
    return new Refusal('service:unavailable', { part: 'imports' });
  }
}

/** Passes bytes on and refuses beyond a limit, before the rest is read. */
function limited(bytesMax: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > bytesMax) done(new Refusal('import:too_large', { limit: bytesMax }));
      else done(null, chunk);
    },
  });
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

/** The refusal that the imports service sent as `{ code, data }`. */
function refusalOf(body: unknown): Refusal {
  const { code, data, path } = (body ?? {}) as { code?: unknown; data?: RefusalData; path?: string };
  if (!isErrorCode(code)) return new Refusal('service:unavailable', { part: 'imports' });
  return new Refusal(code, data ?? (typeof path === 'string' ? { path } : {}));
}
