import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  END,
  type EventStoreDBClient,
  type Filter,
  type Position,
  type ReadRevision,
  START,
  type StreamSubscription,
  eventTypeFilter,
  jsonEvent,
  streamNameFilter,
} from '@eventstore/db-client';
import { startEventStore } from '@muster/testing/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contractTargets } from './contract-targets.js';

const event = (type = 'Tested') => jsonEvent({ type, data: {} });
const events = (count: number) => Array.from({ length: count }, () => event());
const targets = contractTargets(process.env['EVENTSTORE_URL'], startEventStore);

/** A checkpoint, and how many events had been delivered when it came. */
interface Checkpoint {
  commit: bigint;
  delivered: number;
}

/** What a subscription has delivered so far: revisions, and what happened to it. */
function record(subscription: StreamSubscription) {
  const seen = { revisions: [] as number[], caughtUp: 0, confirmed: 0, error: undefined as unknown };
  subscription.on('data', ({ event: received }) => seen.revisions.push(Number(received!.revision)));
  subscription.on('caughtUp', () => seen.caughtUp++);
  subscription.on('confirmation', () => seen.confirmed++);
  subscription.on('error', (error) => void (seen.error = error));
  return seen;
}

describe.each(targets)('subscribing to $title', ({ skipped, open }) => {
  let client: EventStoreDBClient;
  let close: () => Promise<void>;
  beforeAll(async () => {
    if (!skipped) ({ client, close } = await open());
  });
  afterAll(() => close?.());
  const until = async (check: () => unknown, expected: unknown) => {
    await expect.poll(check, { timeout: 20_000, interval: 10 }).toEqual(expected);
  };

  describe.skipIf(skipped)('to a stream', () => {
    const newStream = async (count: number): Promise<string> => {
      const stream = `contract-${randomUUID()}`;
      if (count > 0) await client.appendToStream(stream, events(count));
      return stream;
    };

    it.each<[string, ReadRevision, number[]]>([
      ['from the start', START, [0, 1, 2, 3, 4]],
      ['from a revision, exclusive', 1n, [2, 3, 4]],
      ['from the end', END, [3, 4]],
    ])('%s delivers history once, then live events', async (_title, fromRevision, expected) => {
      const stream = await newStream(3);
      const subscription = client.subscribeToStream(stream, { fromRevision });
      const seen = record(subscription);
      await until(() => [seen.confirmed, seen.caughtUp], [1, 1]);
      await client.appendToStream(stream, events(2));
      await until(() => seen.revisions, expected);
      await subscription.unsubscribe();
    });

    it('waits for a stream that does not exist yet', async () => {
      const stream = await newStream(0);
      const subscription = client.subscribeToStream(stream);
      const seen = record(subscription);
      await until(() => seen.confirmed, 1);
      await client.appendToStream(stream, events(1));
      await until(() => [seen.revisions, seen.caughtUp], [[0], 1]);
      await subscription.unsubscribe();
    });

    it('delivers what comes after a soft delete', async () => {
      const stream = await newStream(2);
      const subscription = client.subscribeToStream(stream);
      const seen = record(subscription);
      await until(() => seen.caughtUp, 1);
      await client.deleteStream(stream);
      await client.appendToStream(stream, events(1));
      await until(() => seen.revisions, [0, 1, 2]);
      await subscription.unsubscribe();
    });

    it('ends when the stream is tombstoned, and does not begin on such a stream', async () => {
      const stream = await newStream(2);
      const seen = record(client.subscribeToStream(stream));
      await until(() => seen.caughtUp, 1);
      await client.tombstoneStream(stream);
      await until(() => seen.error, expect.objectContaining({ type: 'stream-deleted', streamName: stream }));
      expect(seen.revisions).toEqual([0, 1]);
      const late = record(client.subscribeToStream(stream));
      await until(() => late.error, expect.objectContaining({ type: 'stream-deleted' }));
    });

    it('shows of history what $maxCount leaves, and every live event', async () => {
      const stream = await newStream(5);
      await client.setStreamMetadata(stream, { maxCount: 1 });
      const subscription = client.subscribeToStream(stream);
      const seen = record(subscription);
      await until(() => seen.caughtUp, 1);
      await client.appendToStream(stream, events(3));
      await until(() => seen.revisions, [4, 5, 6, 7]);
      await subscription.unsubscribe();
    });
  });

  describe.skipIf(skipped)('to the log', () => {
    const run = `r${randomUUID().slice(0, 8)}`;
    const wanted: string[] = [];
    let start: Position;
    beforeAll(async () => {
      start = (await client.appendToStream(`${run}mark-1`, event())).position!;
      for (let n = 0; n < 400; n++) {
        const stream = n % 20 === 7 ? `${run}rare-${n}` : `${run}common-${n % 5}`;
        const { nextExpectedRevision } = await client.appendToStream(
          stream,
          event(n % 20 === 7 ? `${run}Rare` : `${run}Common`),
        );
        if (n % 20 === 7) wanted.push(`${stream}/${nextExpectedRevision}`);
      }
    });

    /** Collects the places of matching events from `fromPosition` on, and the checkpoints among them. */
    const follow = (filter: Filter, fromPosition: Position | typeof START | typeof END) => {
      const seen = {
        places: [] as string[],
        checkpoints: [] as Checkpoint[],
        live: 0,
      };
      const subscription = client.subscribeToAll({
        fromPosition,
        filter: {
          ...filter,
          checkpointReached: async (_subscription, { commit }) => {
            // What was sent before the checkpoint reaches its listener in this turn; nothing behind it does.
            await nextTurn();
            seen.checkpoints.push({ commit, delivered: seen.places.length });
          },
        },
      });
      subscription.on('caughtUp', () => seen.live++);
      subscription.on('data', ({ event: received }) => {
        seen.places.push(`${received!.streamId}/${received!.revision}`);
      });
      return { seen, end: () => subscription.unsubscribe() };
    };

    it.each<[string, () => Filter]>([
      ['a stream name prefix with its dash', () => streamNameFilter({ prefixes: [`${run}rare-`] })],
      ['a stream name prefix without', () => streamNameFilter({ prefixes: ['none-', `${run}ra`] })],
      ['a regular expression on stream names', () => streamNameFilter({ regex: `^${run}rare-\\d+$` })],
      ['an event type prefix', () => eventTypeFilter({ prefixes: [`${run}R`] })],
      ['a regular expression on event types', () => eventTypeFilter({ regex: `^${run}Rare$` })],
    ])('with %s delivers exactly the matching events, in order', async (_title, filter) => {
      const { seen, end } = follow(filter(), start);
      await until(() => [seen.places.length, seen.live], [wanted.length, 1]);
      expect(seen.places).toEqual(wanted);
      await end();
    });

    it('delivers live what matches, and of history nothing from the end', async () => {
      const { seen, end } = follow(streamNameFilter({ prefixes: [`${run}live-`] }), END);
      await until(() => seen.live, 1);
      await client.appendToStream(`${run}other-1`, event());
      await client.appendToStream(`${run}live-1`, events(3));
      await until(() => seen.places, [`${run}live-1/0`, `${run}live-1/1`, `${run}live-1/2`]);
      await end();
    });

    it('reports positions that lose nothing when a reader resumes from any of them', async () => {
      const filter = streamNameFilter({
        prefixes: [`${run}rare-`],
        maxSearchWindow: 10,
        checkpointInterval: 1,
      });
      const first = follow(filter, start);
      await until(() => [first.seen.places.length, first.seen.live], [wanted.length, 1]);
      for (let n = 0; n < 30; n++) await client.appendToStream(`${run}common-1`, event());
      const before = start.commit;
      await until(() => first.seen.checkpoints.length > 10, true);
      const commits = first.seen.checkpoints.map(({ commit }) => commit);
      expect(commits.every((at, index) => at > (commits[index - 1] ?? before))).toBe(true);
      for (const { commit, delivered } of first.seen.checkpoints.slice()) {
        const again = follow(filter, { commit, prepare: commit });
        await until(() => again.seen.live, 1);
        await until(() => again.seen.places, wanted.slice(delivered));
        await again.end();
      }
      await first.end();
    });

    it('without a filter delivers everything, in the order of positions', async () => {
      const subscription = client.subscribeToAll({ fromPosition: start });
      const found: bigint[] = [];
      subscription.on('data', ({ event: received }) => found.push(received!.position!.commit));
      await until(() => found.length >= 400, true);
      expect(found.every((at, index) => at > (found[index - 1] ?? start.commit))).toBe(true);
      await subscription.unsubscribe();
    });
  });
});
