import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** One place in which a needle was found. */
export interface Hit {
  needle: string;
  file: string;
  /** Of the first occurrence of this form in this file, in bytes. */
  offset: number;
  /** How it was written there. */
  form: 'utf8' | 'utf16' | 'base64' | 'hex';
}

const CHUNK_BYTES = 4 * 1024 * 1024;

interface Pattern {
  needle: string;
  form: Hit['form'];
  bytes: Buffer;
}

/** The part of a text's base64 form that is the same whatever stands before and after it, at each of the alignments. */
function base64Forms(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '');
    const stable = encoded.slice(shift === 0 ? 0 : shift + 1, Math.floor(((shift + bytes.length) * 8) / 6));
    return stable.length >= 6 ? [stable] : [];
  });
}

function patternsOf(needle: string): Pattern[] {
  if (needle.length < 4)
    throw new RangeError('a needle has at least four characters, or it is found by chance');
  const bytes = Buffer.from(needle);
  const pattern = (form: Hit['form'], written: Buffer): Pattern => ({ needle, form, bytes: written });
  return [
    pattern('utf8', bytes),
    pattern('utf16', Buffer.from(needle, 'utf16le')),
    pattern('hex', Buffer.from(bytes.toString('hex'))),
    pattern('hex', Buffer.from(bytes.toString('hex').toUpperCase())),
    ...base64Forms(bytes).map((encoded) => pattern('base64', Buffer.from(encoded))),
  ];
}

const isGone = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** The hits of one file; chunks overlap, so that a needle across their border is found. A file that vanished has none. */
async function grepFile(file: string, patterns: readonly Pattern[]): Promise<{ bytes: number; hits: Hit[] }> {
  const overlap = Math.max(...patterns.map(({ bytes }) => bytes.length)) - 1;
  const found = new Map<Pattern, number>();
  const handle = await open(file).catch((error: unknown) => {
    if (isGone(error)) return undefined;
    throw error;
  });
  if (!handle) return { bytes: 0, hits: [] };
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES + overlap);
    let kept = 0;
    let position = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, kept, CHUNK_BYTES, position);
      if (bytesRead === 0) break;
      const view = buffer.subarray(0, kept + bytesRead);
      for (const pattern of patterns) {
        const at = found.has(pattern) ? -1 : view.indexOf(pattern.bytes);
        if (at >= 0) found.set(pattern, position - kept + at);
      }
      position += bytesRead;
      kept = Math.min(overlap, view.length);
      view.copy(buffer, 0, view.length - kept);
    }
    const hits = [...found].map(([{ needle, form }, offset]) => ({ needle, form, file, offset }));
    return { bytes: position, hits };
  } finally {
    await handle.close();
  }
}

/**
 * Searches every file below the folders, whatever its kind (write-ahead logs, append-only files, lock files), for
 * personal values in clear: as UTF-8, UTF-16, hex and base64. Throws when a folder is missing or when there was no byte
 * to read in all of them, because a search of nothing finds nothing. A value that a store splits over two pages is not
 * found: use several needles and short records.
 */
export async function grepDirectories(dirs: readonly string[], needles: readonly string[]): Promise<Hit[]> {
  if (needles.length === 0) throw new RangeError('name what to search for');
  const patterns = needles.flatMap(patternsOf);
  const hits: Hit[] = [];
  let bytes = 0;
  for (const dir of dirs) {
    if (!(await stat(dir)).isDirectory()) throw new Error(`${dir} is not a folder`);
    for (const file of await filesBelow(dir)) {
      const found = await grepFile(file, patterns);
      bytes += found.bytes;
      hits.push(...found.hits);
    }
  }
  if (bytes === 0) throw new Error(`nothing to search in ${dirs.join(', ')}`);
  return hits;
}
