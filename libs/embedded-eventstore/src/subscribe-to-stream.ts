import { randomUUID } from 'node:crypto';
import type { Call } from './call.js';
import { nextCommit } from './commit-wait.js';
import { streamDeleted } from './errors.js';
import type { EncodeEvent } from './encode-events.js';
import { CAUGHT_UP, encodeConfirmation } from './recorded.js';
import { NO_STREAM, TOMBSTONE_REVISION } from './revision.js';
import type { Store, StreamState } from './store.js';
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
  encode: EncodeEvent,
): Promise<void> {
  const { store } = writer;
  if (store.isTombstoned(name)) throw streamDeleted(name);
  let live = after === 'end';
  let position = after === 'start' ? NO_STREAM : after === 'end' ? lastOf(store.find(name)) : after;
  await call.send([encodeConfirmation(randomUUID())]);
  if (live) await call.send([CAUGHT_UP]);
  while (!call.closed) {
    await writer.durable();
    const stream = store.find(name);
    const exists =
      stream !== undefined && stream.last !== NO_STREAM && (live || !stream.metadata.softDeleted);
    if (stream && exists && position < stream.last) {
      const page = nextPage(writer.store, stream, position, live);
      await call.send(page.events.map(encode));
      if (page.tombstoned) throw streamDeleted(name);
      position = page.last;
    } else if (exists && !live) {
      live = true;
      await call.send([CAUGHT_UP]);
    } else {
      await nextCommit(call, writer);
    }
  }
}

const lastOf = (stream: StreamState | undefined): number => stream?.last ?? NO_STREAM;

/** The next events behind revision `after`, and the revision up to which all have been considered. */
function nextPage(store: Store, stream: StreamState, after: number, live: boolean) {
  const first = live ? 0 : store.firstReadable(stream);
  const oldest = live ? -Infinity : Date.now() - stream.metadata.maxAgeMs;
  const rows = store.readStream(stream, Math.max(after + 1, first), false);
  const last = rows.at(-1)?.rev ?? stream.last;
  return {
    events: rows.filter((event) => event.rev !== TOMBSTONE_REVISION && event.created > oldest),
    last,
    tombstoned: last === TOMBSTONE_REVISION,
  };
}
