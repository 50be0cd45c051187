import { Refusal } from '@muster/contracts/errors';
import { z } from 'zod';

/** Cursors are opaque to callers, and read with suspicion: they come back from outside. */
export function writeCursor(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** @throws Refusal `request:invalid` */
export function readCursor<S extends z.ZodType>(schema: S, cursor: string): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw new Refusal('request:invalid', { path: 'after' });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new Refusal('request:invalid', { path: 'after' });
  return parsed.data;
}

/** JSON of one page, in bytes; an answer may not be larger than a NATS message. */
const PAGE_BYTES = 700_000;

/** The first items that fit into one answer together, at least one. */
export function fitting<T>(items: readonly T[]): T[] {
  let bytes = 0;
  const cut = items.findIndex((item, index) => {
    bytes += Buffer.byteLength(JSON.stringify(item)) + 1;
    return bytes > PAGE_BYTES && index > 0;
  });
  return cut < 0 ? [...items] : items.slice(0, cut);
}
