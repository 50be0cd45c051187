import { randomUUID } from 'node:crypto';
import type { Call } from './call.js';
import { nextCommit } from './commitWait.js';
import { streamDeleted } from './errors.js';
import { CAUGHT_UP, encodeConfirmation, encodeReadEvent } from './recorded.js';
import { NO_STREAM, TOMBSTONE_REVISION } from './revision.js';
import type { StreamState } from './store.js';
import type { Writer } from './writer.js';

/**
 * Serves a subscription to one stream, from behind revision `after`. A stream that does not exist yet is waited
 * for. While history is read, `$maxCount`, `$maxAge` and `$tb` apply; live events are all delivered.
 */
export async function subscribeToStream(
  call: Call,
  writer: Writer,
  name: string,
  after: number | 'start' | 'end',
): Promise<void> {
  const { store } = writer;
  if (store.isTombstoned(name)) throw streamDeleted(name);
  let live = after === 'end';
  let position = after === 'start' ? NO_STREAM : after === 'end' ? lastOf(store.find(name)) : after;
  await call.send([encodeConfirmation(randomUUID())]);
  if (live) await call.send([CAUGHT_UP]);
  while (!call.closed) {
    const stream = store.find(name);
    const exists =
      stream !== undefined && stream.last !== NO_STREAM && (live || !stream.metadata.softDeleted);
    if (stream && exists && position < stream.last) {
      position = await sendPage(call, writer, stream, position, live);
    } else if (exists && !live) {
      live = true;
      await call.send([CAUGHT_UP]);
    } else {
      await nextCommit(call, writer);
    }
  }
}

const lastOf = (stream: StreamState | undefined): number => stream?.last ?? NO_STREAM;

/** Sends the next events behind `after`; returns the revision of the last one considered. */
async function sendPage(
  call: Call,
  writer: Writer,
  stream: StreamState,
  after: number,
  live: boolean,
): Promise<number> {
  const { store } = writer;
  const first = live ? 0 : store.firstReadable(stream);
  const oldest = live ? -Infinity : Date.now() - stream.metadata.maxAgeMs;
  const rows = store.readStream(stream, Math.max(after + 1, first), false);
  const events = rows.filter((event) => event.rev !== TOMBSTONE_REVISION);
  await call.send(events.filter((event) => event.created > oldest).map(encodeReadEvent));
  if (events.length < rows.length) throw streamDeleted(stream.name);
  return rows.at(-1)?.rev ?? stream.last;
}
