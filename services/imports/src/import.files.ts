import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { link, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Injectable } from '@nestjs/common';
import { Refusal } from '@muster/contracts/errors';
import type { Id } from '@muster/contracts/ids';
import { IMPORT_BYTES_MAX, IMPORT_ROWS_MAX } from '@muster/contracts/import';
import iconv from 'iconv-lite';
import { columnsOf, directiveLength, type FileColumn, type FileFormat } from './domain/analyse.js';
import { CsvReader, type CsvRow } from './domain/csv.js';
import { EncodingWatch, type Encoding } from './encoding.js';

/** How much of a file is looked at to say what it is, in bytes. */
const HEAD_BYTES = 256 * 1024;
const READ_BYTES = 128 * 1024;
const OWNER_ONLY = 0o600;
const PART = '.part';
const ABANDONED_MS = 3_600_000;
const LINE_FEED = 0x0a;

/** An upload that lies in its folder under a name of its own, not yet an import. */
export interface Received {
  path: string;
  fileHash: string;
  bytes: number;
  encoding: Encoding | undefined;
  /** The beginning as text, and whether that is all. */
  text: string;
  isWhole: boolean;
}

/** The folder of uploaded files: `<folder>/<account>/<importId>`, readable by the owner of the process only. */
@Injectable()
export class ImportFiles {
  constructor(private readonly folder: string) {}

  /**
   * Writes an upload to the disk while it comes in.
   * @throws Refusal `import:too_large` beyond IMPORT_BYTES_MAX bytes or IMPORT_ROWS_MAX lines
   */
  async receive(account: Id, content: Readable): Promise<Received> {
    // A caller may break off before the pipeline listens.
    content.once('error', () => undefined);
    const folder = join(this.folder, account);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${randomUUID()}${PART}`);
    const look = new Look();
    try {
      const target = createWriteStream(path, { flags: 'wx', mode: OWNER_ONLY, flush: true });
      await pipeline(content, look, target);
      return { path, ...look.result() };
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  /** Makes a received upload the file of an import; the first one stays when there is one already. */
  async keep(received: Received, account: Id, importId: Id): Promise<void> {
    try {
      await link(received.path, this.pathOf(account, importId));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }

  async drop(received: Received): Promise<void> {
    await rm(received.path, { force: true });
  }

  /** Removes uploads that a crash left unfinished. */
  async dropAbandoned(now: number): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.folder, { recursive: true })) {
      if (!name.endsWith(PART)) continue;
      const path = join(this.folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found && now - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
    }
  }

  /**
   * Rows of the file, in batches, header and directive line left out.
   * @throws Refusal `import:file_gone`
   */
  async *rows(account: Id, importId: Id, format: FileFormat): AsyncGenerator<CsvRow[]> {
    const reader = new CsvReader(format.delimiter);
    let toSkip = format.header ? 1 : 0;
    for await (const text of this.text(account, importId, format.encoding)) {
      const rows = text === null ? reader.end() : reader.push(text);
      const kept = rows.slice(toSkip);
      toSkip = Math.max(0, toSkip - rows.length);
      if (kept.length > 0) yield kept;
    }
  }

  /** @throws Refusal `import:file_gone` */
  async columns(account: Id, importId: Id, format: FileFormat): Promise<FileColumn[]> {
    const { head, isWhole } = await this.head(account, importId);
    return columnsOf(decode(head, format.encoding), format, isWhole);
  }

  /** The cells of the first row, be it a header or not. @throws Refusal `import:file_gone` */
  async firstRow(account: Id, importId: Id, format: FileFormat): Promise<string[]> {
    const rows = this.rows(account, importId, { ...format, header: false });
    for await (const batch of rows) return batch[0]?.cells ?? [];
    return [];
  }

  private async head(account: Id, importId: Id): Promise<{ head: Buffer; isWhole: boolean }> {
    const file = await open(this.pathOf(account, importId)).catch(fileGone);
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
      const { size } = await file.stat();
      return { head: head.subarray(0, bytesRead), isWhole: size <= bytesRead };
    } finally {
      await file.close();
    }
  }

  /** The text in pieces, without byte order mark and directive line; null is its end. */
  private async *text(account: Id, importId: Id, encoding: string): AsyncGenerator<string | null> {
    const decoder = iconv.getDecoder(encoding, { stripBOM: false });
    const stream = createReadStream(this.pathOf(account, importId), { highWaterMark: READ_BYTES });
    let isFirst = true;
    try {
      for await (const bytes of stream) {
        const text = decoder.write(bytes as Buffer);
        yield isFirst ? bodyOf(text) : text;
        isFirst = false;
      }
    } catch (error) {
      fileGone(error);
    }
    yield decoder.end() ?? '';
    yield null;
  }

  private pathOf(account: Id, importId: Id): string {
    return join(this.folder, account, importId);
  }
}

function bodyOf(text: string): string {
  const body = withoutMark(text);
  return body.slice(directiveLength(body));
}

const withoutMark = (text: string): string => (text.startsWith('\ufeff') ? text.slice(1) : text);

const decode = (bytes: Buffer, encoding: string): string =>
  withoutMark(iconv.decode(bytes, encoding, { stripBOM: false }));

function fileGone(error: unknown): never {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new Refusal('import:file_gone');
  throw error;
}

/** Looks at bytes as they pass: hash, size, lines, encoding and the beginning. */
class Look extends Transform {
  private readonly hash = createHash('sha256');
  private readonly watch = new EncodingWatch();
  private readonly parts: Buffer[] = [];
  private kept = 0;
  private bytes = 0;
  private lines = 0;

  override _transform(
    chunk: Buffer,
    _encoding: string,
    done: (error?: Error | null, data?: Buffer) => void,
  ): void {
    this.bytes += chunk.length;
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, at + 1)) this.lines += 1;
    if (this.bytes > IMPORT_BYTES_MAX)
      return done(new Refusal('import:too_large', { limit: IMPORT_BYTES_MAX }));
    if (this.lines > IMPORT_ROWS_MAX + 1) {
      return done(new Refusal('import:too_large', { rows: IMPORT_ROWS_MAX }));
    }
    this.hash.update(chunk);
    this.watch.push(chunk);
    if (this.kept < HEAD_BYTES) {
      const part = chunk.subarray(0, HEAD_BYTES - this.kept);
      this.parts.push(Buffer.from(part));
      this.kept += part.length;
    }
    done(null, chunk);
  }

  result(): Omit<Received, 'path'> {
    const head = Buffer.concat(this.parts);
    const encoding = this.watch.detect(head);
    return {
      fileHash: this.hash.digest('hex'),
      bytes: this.bytes,
      encoding,
      text: encoding === undefined ? '' : decode(head, encoding),
      isWhole: this.bytes === this.kept,
    };
  }
}
