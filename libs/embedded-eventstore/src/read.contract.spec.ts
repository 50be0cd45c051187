import { randomUUID } from 'node:crypto';
import {
  BACKWARDS,
  END,
  type EventStoreDBClient,
  FORWARDS,
  type Position,
  START,
  StreamNotFoundError,
  jsonEvent,
} from '@eventstore/db-client';
import { startEventStore } from '@muster/testing/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contractTargets } from './contract-targets.js';

const events = (count: number) =>
  Array.from({ length: count }, (_, n) => jsonEvent({ type: 'Tested', data: { n } }));
const newName = (): string => `contract-${randomUUID()}`;
const targets = contractTargets(process.env['EVENTSTORE_URL'], startEventStore);

describe.each(targets)('reading from $title', ({ skipped, open }) => {
  let client: EventStoreDBClient;
  let close: () => Promise<void>;
  beforeAll(async () => {
    if (!skipped) ({ client, close } = await open());
  });
  afterAll(() => close?.());

  type StreamOptions = Parameters<EventStoreDBClient['readStream']>[1];
  const revisions = async (stream: string, options: StreamOptions = {}): Promise<number[]> => {
    const found: number[] = [];
    for await (const { event } of client.readStream(stream, options)) found.push(Number(event!.revision));
    return found;
  };

  describe.skipIf(skipped)('a stream', () => {
    const stream = newName();
    beforeAll(() => client.appendToStream(stream, events(10)));

    it.each<[string, StreamOptions, number[]]>([
      ['from the start', {}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
      ['from the start, limited', { maxCount: 2 }, [0, 1]],
      ['from a revision, inclusive', { fromRevision: 7n }, [7, 8, 9]],
      ['from behind the last', { fromRevision: 10n }, []],
      ['backwards from the end', { direction: BACKWARDS, fromRevision: END, maxCount: 3 }, [9, 8, 7]],
      ['backwards from a revision, inclusive', { direction: BACKWARDS, fromRevision: 1n }, [1, 0]],
      ['backwards from the start', { direction: BACKWARDS, fromRevision: START }, [0]],
      ['backwards from behind the last', { direction: BACKWARDS, fromRevision: 50n, maxCount: 1 }, [9]],
    ])('is read %s', async (_title, options, expected) => {
      expect(await revisions(stream, options)).toEqual(expected);
    });

    it('that does not exist is an error of its own', async () => {
      const missing = newName();
      await expect(revisions(missing)).rejects.toThrow(StreamNotFoundError);
      await expect(revisions(missing, { direction: BACKWARDS, fromRevision: END })).rejects.toMatchObject({
        streamName: missing,
      });
    });

    it('longer than any page is complete and in order', async () => {
      const long = newName();
      for (let part = 0; part < 4; part++) await client.appendToStream(long, events(700));
      const expected = Array.from({ length: 2800 }, (_, n) => n);
      expect(await revisions(long)).toEqual(expected);
      expect(await revisions(long, { direction: BACKWARDS, fromRevision: END })).toEqual(expected.reverse());
    });

    it('of large events is complete and in order', async () => {
      const large = newName();
      for (let part = 0; part < 12; part++) {
        await client.appendToStream(large, jsonEvent({ type: 'Large', data: { text: 'x'.repeat(700_000) } }));
      }
      expect(await revisions(large)).toHaveLength(12);
    });
  });

  describe.skipIf(skipped)('with stream metadata', () => {
    const stream = newName();
    beforeAll(() => client.appendToStream(stream, events(10)));

    it.each([
      ['$maxCount hides all but the newest', { maxCount: 3 }, [7, 8, 9]],
      ['$tb hides what is before it', { truncateBefore: 8 }, [8, 9]],
      ['both apply', { truncateBefore: 4, maxCount: 8 }, [4, 5, 6, 7, 8, 9]],
      ['$tb behind the last hides all, but the stream exists', { truncateBefore: 10 }, []],
      ['neither hides nothing', {}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ])('%s', async (_title, metadata, expected) => {
      await client.setStreamMetadata(stream, metadata);
      expect((await client.getStreamMetadata(stream)).metadata).toEqual(metadata);
      expect(await revisions(stream)).toEqual(expected);
      const backwards = await revisions(stream, { direction: BACKWARDS, fromRevision: END });
      expect(backwards).toEqual([...expected].reverse());
      expect((await revisions(stream, { fromRevision: 0n, maxCount: 1 })).length).toBe(
        expected.length ? 1 : 0,
      );
    });

    it('$maxAge hides what is older', async () => {
      const aged = newName();
      await client.appendToStream(aged, events(2));
      await client.setStreamMetadata(aged, { maxAge: 1 });
      await expect.poll(() => revisions(aged), { timeout: 10_000 }).toEqual([]);
      await client.appendToStream(aged, events(1));
      expect(await revisions(aged)).toEqual([2]);
    });

    it('the metadata stream shows its newest event only', async () => {
      const named = newName();
      for (const maxCount of [5, 6, 7]) await client.setStreamMetadata(named, { maxCount });
      expect(await revisions(`$$${named}`)).toEqual([2]);
    });

    it('$acl and keys of one’s own are kept', async () => {
      const named = newName();
      const metadata = { acl: { readRoles: ['$admins'] }, mine: 'kept' };
      await client.setStreamMetadata(named, metadata);
      expect((await client.getStreamMetadata(named)).metadata).toEqual(metadata);
    });
  });

  describe.skipIf(skipped)('the whole log', () => {
    type AllOptions = Parameters<EventStoreDBClient['readAll']>[0];
    const places = async (options: AllOptions): Promise<string[]> => {
      const found: string[] = [];
      for await (const { event } of client.readAll(options))
        found.push(`${event!.streamId}/${event!.revision}`);
      return found;
    };
    const stream = newName();
    let positions: Position[];
    beforeAll(async () => {
      const results = [];
      for (let n = 0; n < 3; n++) results.push(await client.appendToStream(stream, events(1)));
      positions = results.map(({ position }) => position!);
    });

    it('is read forwards from a position, inclusive', async () => {
      const found = await places({ fromPosition: positions[1]!, maxCount: 2 });
      expect(found).toEqual([`${stream}/1`, `${stream}/2`]);
    });

    it('is read backwards from a position, exclusive', async () => {
      const found = await places({ direction: BACKWARDS, fromPosition: positions[2]!, maxCount: 2 });
      expect(found).toEqual([`${stream}/1`, `${stream}/0`]);
    });

    it('is read backwards from the end, and forwards from the end is empty', async () => {
      const [newest] = await places({ direction: BACKWARDS, fromPosition: END, maxCount: 1 });
      expect(newest).toBe(`${stream}/2`);
      expect(await places({ direction: FORWARDS, fromPosition: END })).toEqual([]);
      expect(await places({ direction: BACKWARDS, fromPosition: START })).toEqual([]);
    });

    it('begins with events of the server itself', async () => {
      const [first] = await places({ fromPosition: START, maxCount: 1 });
      expect(first).toMatch(/^\$/);
    });
  });
});
