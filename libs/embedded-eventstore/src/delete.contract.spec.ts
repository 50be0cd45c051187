import { randomUUID } from 'node:crypto';
import {
  type EventStoreDBClient,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
  jsonEvent,
} from '@eventstore/db-client';
import { startEventStore } from '@muster/testing/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contractTargets } from './contract-targets.js';

const events = (count: number) =>
  Array.from({ length: count }, (_, n) => jsonEvent({ type: 'Tested', data: { n } }));
const targets = contractTargets(process.env['EVENTSTORE_URL'], startEventStore);

describe.each(targets)('deleting from $title', ({ skipped, open }) => {
  let client: EventStoreDBClient;
  let close: () => Promise<void>;
  beforeAll(async () => {
    if (!skipped) ({ client, close } = await open());
  });
  afterAll(() => close?.());

  const revisions = async (stream: string): Promise<number[]> => {
    const found: number[] = [];
    for await (const { event } of client.readStream(stream)) found.push(Number(event!.revision));
    return found;
  };
  const written = async (count: number): Promise<string> => {
    const stream = `contract-${randomUUID()}`;
    await client.appendToStream(stream, events(count));
    return stream;
  };

  describe.skipIf(skipped)('softly', () => {
    it.each([['no_stream'], ['any'], [2n]] as const)(
      'the stream is not found, and continues its revisions when written again with %s',
      async (expectedRevision) => {
        const stream = await written(3);
        await client.deleteStream(stream);
        await expect(revisions(stream)).rejects.toThrow(StreamNotFoundError);
        const again = await client.appendToStream(stream, events(2), { expectedRevision });
        expect(again.nextExpectedRevision).toBe(4n);
        expect(await revisions(stream)).toEqual([3, 4]);
        expect((await client.getStreamMetadata(stream)).metadata).toMatchObject({ truncateBefore: 3 });
      },
    );

    it('an append that expects the stream to exist is told that it is deleted', async () => {
      const stream = await written(1);
      await client.deleteStream(stream);
      const append = client.appendToStream(stream, events(1), { expectedRevision: 'stream_exists' });
      await expect(append).rejects.toThrow(StreamDeletedError);
      await expect(append).rejects.toMatchObject({ streamName: stream });
    });

    it('another revision than the expected one refuses, with both', async () => {
      const stream = await written(3);
      await expect(client.deleteStream(stream, { expectedRevision: 1n })).rejects.toMatchObject({
        streamName: stream,
        expectedVersion: 1n,
        actualVersion: 2n,
      });
      expect(await revisions(stream)).toEqual([0, 1, 2]);
      await client.deleteStream(stream, { expectedRevision: 2n });
      await expect(revisions(stream)).rejects.toThrow(StreamNotFoundError);
    });

    it('a stream that does not exist is refused', async () => {
      const missing = `contract-${randomUUID()}`;
      await expect(client.deleteStream(missing)).rejects.toThrow(WrongExpectedVersionError);
    });

    it('metadata written afterwards revives the stream, empty, with its next revision', async () => {
      const stream = await written(3);
      await client.deleteStream(stream);
      await client.setStreamMetadata(stream, { maxCount: 5 });
      expect(await revisions(stream)).toEqual([]);
      expect((await client.getStreamMetadata(stream)).metadata).toEqual({ maxCount: 5, truncateBefore: 3 });
      await client.appendToStream(stream, events(1), { expectedRevision: 2n });
      expect(await revisions(stream)).toEqual([3]);
    });
  });

  describe.skipIf(skipped)('for good', () => {
    it('the stream can be neither read nor written nor deleted again', async () => {
      const stream = await written(2);
      await client.tombstoneStream(stream);
      await expect(revisions(stream)).rejects.toThrow(StreamDeletedError);
      for (const expectedRevision of ['any', 'no_stream', 'stream_exists', 1n] as const) {
        const append = client.appendToStream(stream, events(1), { expectedRevision });
        await expect(append).rejects.toThrow(StreamDeletedError);
      }
      const classic = { credentials: { username: 'admin', password: 'changeit' } };
      await expect(client.appendToStream(stream, events(1), classic)).rejects.toThrow(StreamDeletedError);
      await expect(client.deleteStream(stream)).rejects.toThrow(StreamDeletedError);
      await expect(client.tombstoneStream(stream)).rejects.toThrow(StreamDeletedError);
      await expect(client.setStreamMetadata(stream, { maxCount: 1 })).rejects.toThrow(StreamDeletedError);
    });

    it('the log tells of it with the largest revision', async () => {
      const stream = await written(1);
      const { position } = await client.tombstoneStream(stream);
      for await (const { event } of client.readAll({ fromPosition: position!, maxCount: 1 })) {
        expect(event).toMatchObject({ streamId: stream, type: '$streamDeleted', revision: 2n ** 63n - 1n });
      }
      expect.assertions(1);
    });

    it('a stream that was never written can be closed to all', async () => {
      const stream = `contract-${randomUUID()}`;
      await client.tombstoneStream(stream, { expectedRevision: 'no_stream' });
      await expect(client.appendToStream(stream, events(1))).rejects.toThrow(StreamDeletedError);
    });

    it('another revision than the expected one refuses', async () => {
      const stream = await written(2);
      const tombstone = client.tombstoneStream(stream, { expectedRevision: 5n });
      await expect(tombstone).rejects.toMatchObject({ expectedVersion: 5n, actualVersion: 1n });
      expect(await revisions(stream)).toEqual([0, 1]);
    });
  });
});
