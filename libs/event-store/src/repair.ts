import { parseStreamName, type Category } from '@muster/contracts/names';
import type { Checkpoints } from './checkpoint.js';
import type { Decider } from './decider.js';
import type { EventStore } from './event-store.js';
import type { NewEvent, RawFact } from './facts.js';
import type { Follower } from './follow.js';

/** What was not crashed on has its head long before; so there is no hurry. */
const LINGER_MS = 1_000;

/**
 * Follows a category and makes heads current that a crash left behind their streams. A replica is ready only when its
 * repair has caught up once. Only revisions are looked at: a head that is behind is read again from its stream, and
 * one that this process itself has just written, or is about to write, is not even asked for.
 * @param onCurrent is told of events whose heads are now current, for who keeps heads in memory; they are then handled as
 * they come, and not gathered
 */
export async function repairHeads<S, E extends NewEvent>(
  store: EventStore,
  decider: Decider<S, E>,
  checkpoints: Checkpoints,
  category: Category,
  onError?: (error: unknown) => void,
  onCurrent?: (raws: readonly RawFact[]) => void,
): Promise<Follower> {
  const name = `heads:${category}`;
  const handleRaw = async (raws: RawFact[], upTo: number): Promise<void> => {
    for (const [account, newest] of newestByAccount(await unsaved(raws, decider))) {
      const heads = await decider.loadMany(account, [...newest.keys()]);
      for (const [id, revision] of newest) {
        const head = heads.get(id);
        if (head && head.revision < revision) await decider.reload(head);
      }
    }
    onCurrent?.(raws);
    await checkpoints.advance(name, upTo);
  };
  const from = await checkpoints.load(name);
  const lingerMs = onCurrent ? 0 : LINGER_MS;
  return store.follow({
    name,
    categories: [category],
    from,
    lingerMs,
    handleRaw,
    ...(onError ? { onError } : {}),
  });
}

/**
 * Events whose heads this process has not written. What it appended itself comes back while the rest of a bulk is still
 * under way: that is waited for, instead of reading and writing the same heads a second time beside it.
 */
async function unsaved<S, E extends NewEvent>(
  raws: readonly RawFact[],
  decider: Decider<S, E>,
): Promise<readonly RawFact[]> {
  const isUnsaved = (raw: RawFact): boolean => !decider.hasSaved(raw.stream, raw.revision);
  const open = raws.filter(isUnsaved);
  if (open.length === 0) return open;
  await decider.settled();
  return open.filter(isUnsaved);
}

/** Highest revision of each stream in a batch, by account. */
function newestByAccount(raws: readonly RawFact[]): Map<string, Map<string, number>> {
  const accounts = new Map<string, Map<string, number>>();
  for (const raw of raws) {
    const stream = parseStreamName(raw.stream);
    if (!stream) continue;
    const streams = accounts.get(stream.account) ?? new Map<string, number>();
    streams.set(stream.id ?? stream.account, raw.revision);
    accounts.set(stream.account, streams);
  }
  return accounts;
}
