import { Refusal } from '@muster/contracts/errors';
import type { GroupEvent } from '@muster/contracts/group';
import type { Id } from '@muster/contracts/ids';
import { streamName } from '@muster/contracts/names';
import type { EventStore } from '@muster/event-store/event-store';

/**
 * Contacts can join standard groups only. Looked up in the groups' streams and not in a list, which may not yet have a
 * group that was created a moment ago.
 * @throws Refusal `group:not_found`, `group:dynamic`, with the place in `existing`
 */
export async function checkGroups(store: EventStore, account: Id, ids: readonly Id[]): Promise<void> {
  for (const [index, id] of ids.entries()) {
    const path = `existing[${index}]`;
    const facts = await store.read(streamName('group', account, id));
    const events = facts as unknown as GroupEvent[];
    const created = events.find((event) => event.type === 'GroupCreated');
    if (!created || events.some(({ type }) => type === 'GroupDeleted')) {
      throw new Refusal('group:not_found', { path });
    }
    if (created.data.kind === 'dynamic') throw new Refusal('group:dynamic', { path });
  }
}
