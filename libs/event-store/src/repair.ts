import type { Checkpoints } from './checkpoint.js';
import type { Decider } from './decider.js';
import type { EventStore } from './event-store.js';
import type { Fact, NewEvent } from './facts.js';
import type { Follower } from './follow.js';
import type { Category } from '@muster/contracts/names';

/**
 * Follows a category and makes heads current that a crash left behind their streams. A replica is ready only when its
 * repair has caught up once. Personal values stay sealed: a head that is behind is read again from its stream.
 */
export async function repairHeads<S, E extends NewEvent>(
  store: EventStore,
  decider: Decider<S, E>,
  checkpoints: Checkpoints,
  category: Category,
  onError?: (error: unknown) => void,
): Promise<Follower> {
  const name = `heads:${category}`;
  const handle = async (facts: Fact[], upTo: number): Promise<void> => {
    for (const [account, newest] of newestByAccount(facts)) {
      const heads = await decider.loadMany(account, [...newest.keys()]);
      for (const [id, revision] of newest) {
        const head = heads.get(id);
        if (head && head.revision < revision) await decider.reload(head);
      }
    }
    await checkpoints.advance(name, upTo);
  };
  const from = await checkpoints.load(name);
  return store.follow({
    name,
    categories: [category],
    from,
    handle,
    unseal: false,
    ...(onError ? { onError } : {}),
  });
}

/** Highest revision of each stream in a batch, by account. */
function newestByAccount(facts: readonly Fact[]): Map<string, Map<string, number>> {
  const accounts = new Map<string, Map<string, number>>();
  for (const fact of facts) {
    const streams = accounts.get(fact.account) ?? new Map<string, number>();
    streams.set(fact.streamId, fact.revision);
    accounts.set(fact.account, streams);
  }
  return accounts;
}
