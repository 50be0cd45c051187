import { ANY, NO_STREAM, STREAM_EXISTS } from './revision.js';
import { type Store, type StreamState, metadataStreamOf } from './store.js';
import type { RecentEvents } from './recent-events.js';

/** Whether an append may be made, and if not, what its answer is. */
export type CommitCheck =
  | { kind: 'ok'; endsSoftDelete: boolean }
  | { kind: 'repeated'; last: number }
  | { kind: 'wrong'; current: number }
  | { kind: 'deleted' };

/**
 * Decides an append by the rules of the real server (EventStoreDB 23.10, `IndexWriter.CheckCommit`). Repeated
 * event ids are recognised in two ways only: right behind the expected revision, however old; and for `any` and
 * `stream_exists` among the recent events. Some ids known and others not is a conflict, not a repeat.
 */
export function checkCommit(
  store: Store,
  recent: RecentEvents,
  name: string,
  expected: number,
  ids: readonly string[],
): CommitCheck {
  if (store.isTombstoned(name)) return { kind: 'deleted' };
  const stream = store.find(name);
  const current = stream?.last ?? NO_STREAM;
  const softDeleted = stream?.metadata.softDeleted ?? false;
  if (expected === STREAM_EXISTS) {
    if (softDeleted) return { kind: 'deleted' };
    const hasMetadata = (store.find(metadataStreamOf(name))?.last ?? NO_STREAM) >= 0;
    if (current < 0 && !hasMetadata) return { kind: 'wrong', current };
  }
  if (expected === ANY || expected === STREAM_EXISTS) {
    return checkRecent(recent, stream, current, softDeleted, ids);
  }
  if (expected < current) return checkBehind(store, stream!, expected, softDeleted, ids);
  if (expected > current) return { kind: 'wrong', current };
  return { kind: 'ok', endsSoftDelete: softDeleted };
}

/** Any revision will do: all ids recent in this stream is a repeat, the first one unknown a new append. */
function checkRecent(
  recent: RecentEvents,
  stream: StreamState | undefined,
  current: number,
  softDeleted: boolean,
  ids: readonly string[],
): CommitCheck {
  let last: number | undefined;
  for (const id of ids) {
    const known = recent.find(id);
    if (!known || known.stream !== stream?.id) {
      return last === undefined ? { kind: 'ok', endsSoftDelete: softDeleted } : { kind: 'wrong', current };
    }
    last = known.rev;
  }
  return last === undefined ? { kind: 'ok', endsSoftDelete: softDeleted } : { kind: 'repeated', last };
}

/** The stream has moved on: the same ids right behind the expected revision are a repeat. */
function checkBehind(
  store: Store,
  stream: StreamState,
  expected: number,
  softDeleted: boolean,
  ids: readonly string[],
): CommitCheck {
  const written = store.idsFrom(stream, expected + 1, ids.length);
  const same = ids.findIndex((id, index) => written[index] !== id);
  if (same === -1 && ids.length > 0) return { kind: 'repeated', last: expected + ids.length };
  if (same === 0 && expected === NO_STREAM && softDeleted) return { kind: 'ok', endsSoftDelete: true };
  return { kind: 'wrong', current: stream.last };
}
