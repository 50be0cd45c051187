import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Call, Handler } from './call.js';
import { invalidArgument, streamDeleted } from './errors.js';
import { createFilter } from './filter.js';
import { streams } from './generated.js';
import { type EncodeEvent, eventEncoder } from './encode-events.js';
import { encodeStreamNotFound } from './recorded.js';
import { NO_STREAM, TOMBSTONE_REVISION } from './revision.js';
import { Scan } from './scan.js';
import { PAGE, type Store, type StreamState } from './store.js';
import { type LogView, subscribeToAll } from './subscribe-to-all.js';
import { subscribeToStream } from './subscribe-to-stream.js';
import type { Writer } from './writer.js';

type ReadOptions = InstanceType<typeof streams.ReadReq.Options>;

/** Streams.Read: finite reads and subscriptions, of one stream or of the whole log. */
export function read(writer: Writer): Handler {
  return (call) =>
    call.onMessage((message) =>
      call.run(async () => {
        const options = streams.ReadReq.deserializeBinary(message).getOptions();
        if (!options) throw invalidArgument('The read has no options.');
        await (options.hasStream() ? readOneStream(call, writer, options) : readLog(call, writer, options));
        call.finish();
      }),
    );
}

async function readOneStream(call: Call, writer: Writer, options: ReadOptions): Promise<void> {
  const from = options.getStream();
  const name = Buffer.from(from?.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString('utf8');
  if (!from || name === '') throw invalidArgument('The stream is not named.');
  if (options.hasFilter()) throw invalidArgument('A stream cannot be read with a filter.');
  const encode = eventEncoder(writer.store, options.getResolveLinks());
  const revision = from.hasRevision() ? Number(from.getRevision()) : from.hasEnd() ? 'end' : 'start';
  await writer.durable();
  if (options.hasSubscription()) {
    return subscribeToStream(call, writer, name, revision, encode);
  }
  const backwards = options.getReadDirection() === streams.ReadReq.Options.ReadDirection.BACKWARDS;
  const { store } = writer;
  if (store.isTombstoned(name)) throw streamDeleted(name);
  const stream = store.find(name);
  if (!stream || stream.last === NO_STREAM || stream.metadata.softDeleted) {
    call.send([encodeStreamNotFound(name)]);
    return;
  }
  const start = revision === 'start' ? 0 : revision === 'end' ? TOMBSTONE_REVISION : revision;
  await sendStream(call, writer, stream, { start, backwards, count: Number(options.getCount()), encode });
}

interface StreamRange {
  start: number;
  backwards: boolean;
  count: number;
  encode: EncodeEvent;
}

/** Sends up to `count` events of a stream; what `$maxCount`, `$maxAge` and `$tb` hide does not count. */
async function sendStream(
  call: Call,
  writer: Writer,
  stream: StreamState,
  { start, backwards, count, encode }: StreamRange,
): Promise<void> {
  const { store } = writer;
  const first = store.firstReadable(stream);
  const oldest = Date.now() - stream.metadata.maxAgeMs;
  let from = backwards ? start : Math.max(start, first);
  let left = count;
  while (left > 0 && !call.closed && from >= first) {
    const rows = store.readStream(stream, from, backwards, { ...PAGE, rows: Math.min(PAGE.rows, left) });
    const last = rows.at(-1);
    if (!last) return;
    const events = rows.filter((event) => event.rev >= first && event.created > oldest);
    left -= events.length;
    from = backwards ? last.rev - 1 : last.rev + 1;
    await sendPage(call, events.map(encode));
    await writer.durable();
  }
}

/** Sends a page and waits until more may be sent; other calls get their turn in any case. */
async function sendPage(call: Call, messages: readonly Buffer[]): Promise<void> {
  const full = call.send(messages);
  if (full) await full;
  else await nextTurn();
}

async function readLog(call: Call, writer: Writer, options: ReadOptions): Promise<void> {
  const all = options.getAll();
  if (!all) throw invalidArgument('The read names neither a stream nor $all.');
  const filterOptions = options.getFilter();
  const filter = filterOptions && createFilter(filterOptions, writer.store);
  const encode = eventEncoder(writer.store, options.getResolveLinks());
  const given = all.getPosition();
  const position = given ? Number(given.getCommitPosition()) : undefined;
  if (options.hasSubscription()) {
    const from = all.hasEnd() ? writer.tail.last : (position ?? 0);
    return subscribeToAll(call, writer, Math.min(from, writer.tail.last), { filter, encode });
  }
  const count = Number(options.getCount());
  const backwards = options.getReadDirection() === streams.ReadReq.Options.ReadDirection.BACKWARDS;
  if (backwards) {
    const before = all.hasEnd() ? TOMBSTONE_REVISION : (position ?? 0);
    return sendLogBackwards(call, writer.store, Math.min(before, writer.tail.last + 1), count, {
      filter,
      encode,
    });
  }
  if (!all.hasEnd()) await sendLog(call, writer, position ?? 0, count, { filter, encode });
}

/** Sends up to `count` events from `from` (inclusive) to what is the end of the log now. */
async function sendLog(
  call: Call,
  writer: Writer,
  from: number,
  count: number,
  { filter, encode }: LogView,
): Promise<void> {
  const limit = { ...PAGE, rows: filter ? PAGE.rows : Math.min(PAGE.rows, count) };
  const scan = new Scan(writer.store, Math.max(0, from - 1), writer.tail.last, filter, limit);
  let left = count;
  while (left > 0 && !scan.done && !call.closed) {
    const events = scan.next().events.slice(0, left);
    left -= events.length;
    await sendPage(call, events.map(encode));
  }
}

/** Sends up to `count` events from `before` (exclusive) back. */
async function sendLogBackwards(
  call: Call,
  store: Store,
  before: number,
  count: number,
  { filter, encode }: LogView,
): Promise<void> {
  const limit = { ...PAGE, rows: filter ? PAGE.rows : Math.min(PAGE.rows, count) };
  let left = count;
  let next = before;
  while (left > 0 && !call.closed) {
    const rows = store.readAll(next, true, limit);
    const last = rows.at(-1);
    if (!last) return;
    next = last.pos;
    const events = rows.filter((event) => filter?.matches(event) ?? true).slice(0, left);
    left -= events.length;
    await sendPage(call, events.map(encode));
  }
}
