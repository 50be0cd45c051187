import { randomUUID } from 'node:crypto';
import {
  type AppendExpectedRevision,
  type EventData,
  type EventStoreDBClient,
  type JSONEventType,
  MaxAppendSizeExceededError,
  WrongExpectedVersionError,
  binaryEvent,
  jsonEvent,
} from '@eventstore/db-client';
import { startEventStore } from '@muster/testing/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contractTargets } from './contract-targets.js';

const event = () => jsonEvent({ type: 'Tested', id: randomUUID(), data: {} });
const events = (count: number) => Array.from({ length: count }, () => event());
const newName = (): string => `contract-${randomUUID()}`;
/** Per-call credentials make the client use the classic Append call instead of BatchAppend. */
const calls = [
  ['BatchAppend', {}],
  ['Append', { credentials: { username: 'admin', password: 'changeit' } }],
] as const;

const targets = contractTargets(process.env['EVENTSTORE_URL'], startEventStore);

describe.each(targets)('appending to $title', ({ skipped, open }) => {
  describe.skipIf(skipped).each(calls)('with %s', (_name, options) => {
    let client: EventStoreDBClient;
    let close: () => Promise<void>;
    beforeAll(async () => void ({ client, close } = await open()));
    afterAll(() => close?.());

    const append = (stream: string, batch: EventData[], expected: AppendExpectedRevision) =>
      client.appendToStream(stream, batch, { ...options, expectedRevision: expected });
    const idsOf = async (stream: string): Promise<string[]> => {
      const ids: string[] = [];
      for await (const read of client.readStream<JSONEventType>(stream)) ids.push(read.event?.id ?? '');
      return ids;
    };
    const conflict = async (promise: Promise<unknown>): Promise<unknown[]> => {
      const error = await promise.then(
        () => 'no conflict',
        (cause: unknown) => cause,
      );
      if (!(error instanceof WrongExpectedVersionError)) throw error;
      return [error.streamName, error.expectedVersion, error.actualVersion];
    };

    it('answers with the revision of the last event and a growing position', async () => {
      const stream = newName();
      const first = await append(stream, events(3), 'no_stream');
      const second = await append(stream, events(1), 2n);
      expect([first.nextExpectedRevision, second.nextExpectedRevision]).toEqual([2n, 3n]);
      expect(second.position!.commit).toBeGreaterThan(first.position!.commit);
    });

    it.each([
      ['no_stream', 'no_stream', 1n],
      ['a revision behind', 0n, 1n],
      ['a revision ahead', 7n, 1n],
    ] as const)('refuses %s with the expected and the actual revision', async (_title, expected, actual) => {
      const stream = newName();
      const written = events(2);
      await append(stream, written, 'any');
      expect(await conflict(append(stream, events(1), expected))).toEqual([stream, expected, actual]);
      expect(await idsOf(stream)).toEqual(written.map(({ id }) => id));
    });

    it.each([['stream_exists'], [0n]] as const)('refuses %s where there is no stream', async (expected) => {
      const stream = newName();
      expect(await conflict(append(stream, events(1), expected))).toEqual([stream, expected, 'no_stream']);
    });

    it('lets exactly one of many writers with the same expected revision win', async () => {
      const stream = newName();
      await append(stream, events(1), 'no_stream');
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, () => append(stream, events(2), 0n)),
      );
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await idsOf(stream)).toHaveLength(3);
    });

    it('answers a repeat behind the expected revision with the first answer, even when the stream moved on', async () => {
      const stream = newName();
      const first = events(2);
      const second = events(2);
      const answer = await append(stream, first, 'no_stream');
      await append(stream, second, 1n);
      await append(stream, events(1), 'any');
      expect(await append(stream, first, 'no_stream')).toEqual(answer);
      expect((await append(stream, second, 1n)).nextExpectedRevision).toBe(3n);
      expect(await idsOf(stream)).toHaveLength(5);
    });

    it('refuses a repeat that is only partly the same', async () => {
      const stream = newName();
      const [first, second] = [event(), event()];
      await append(stream, [first, second], 'no_stream');
      await expect(append(stream, [first, event()], 'no_stream')).rejects.toThrow(WrongExpectedVersionError);
      await expect(append(stream, [second], 'no_stream')).rejects.toThrow(WrongExpectedVersionError);
      await expect(append(stream, [first, second, event()], 'no_stream')).rejects.toThrow(
        WrongExpectedVersionError,
      );
      expect((await append(stream, [first], 'no_stream')).nextExpectedRevision).toBe(0n);
    });

    it('does not recognise an id at the expected revision itself: it is written again', async () => {
      const stream = newName();
      const repeated = event();
      await append(stream, [repeated], 'no_stream');
      expect((await append(stream, [repeated], 0n)).nextExpectedRevision).toBe(1n);
      expect(await idsOf(stream)).toEqual([repeated.id, repeated.id]);
    });

    it.each([['any'], ['stream_exists']] as const)('recognises recent ids with %s', async (expected) => {
      const stream = newName();
      const [first, second] = [event(), event()];
      await append(stream, [first, second], 'any');
      await append(stream, events(1), 'any');
      expect((await append(stream, [first, second], expected)).nextExpectedRevision).toBe(1n);
      expect((await append(stream, [second], expected)).nextExpectedRevision).toBe(1n);
      await expect(append(stream, [first, event()], expected)).rejects.toThrow(WrongExpectedVersionError);
      expect((await append(stream, [event(), first], expected)).nextExpectedRevision).toBe(4n);
    });

    it('takes the same id in another stream for another event', async () => {
      const [one, other] = [newName(), newName()];
      const same = event();
      await append(one, [same], 'any');
      expect((await append(other, [same], 'any')).nextExpectedRevision).toBe(0n);
      expect(await idsOf(other)).toEqual([same.id]);
    });

    it('keeps data, metadata, type, id and content type as they were', async () => {
      const stream = newName();
      const json = jsonEvent({
        type: 'Größe-ändern 🎈',
        data: { text: 'שלום\u0000\u2028', list: [1, null] },
        metadata: { n: 1 },
      });
      const binary = binaryEvent({
        type: 'Bytes',
        data: Uint8Array.from([0, 255, 128]),
        metadata: Uint8Array.from([9, 200]),
      });
      await client.appendToStream(stream, [json, binary], { ...options });
      const read = [];
      for await (const resolved of client.readStream(stream)) read.push(resolved.event!);
      expect(read[0]).toMatchObject({
        id: json.id,
        type: json.type,
        data: json.data,
        metadata: { n: 1 },
        isJson: true,
      });
      expect(read[1]).toMatchObject({ id: binary.id, type: 'Bytes', isJson: false, revision: 1n });
      expect([...(read[1]!.data as Uint8Array)]).toEqual([0, 255, 128]);
      expect([...(read[1]!.metadata as Uint8Array)]).toEqual([9, 200]);
      expect(Math.abs(read[0]!.created.getTime() - Date.now())).toBeLessThan(60_000);
    });

    it('refuses more than 1 MiB and writes nothing of it', async () => {
      const stream = newName();
      const large = () => jsonEvent({ type: 'Large', data: { text: 'x'.repeat(300_000) } });
      const three = [large(), large(), large()];
      expect((await append(stream, three, 'any')).nextExpectedRevision).toBe(2n);
      await expect(append(stream, [...three, large()], 'any')).rejects.toThrow(MaxAppendSizeExceededError);
      expect(await idsOf(stream)).toHaveLength(3);
      expect((await append(stream, events(1), 2n)).nextExpectedRevision).toBe(3n);
    });
  });

  describe.skipIf(skipped)('with a deadline', () => {
    it('does not make an append whose deadline has passed, and says so', async () => {
      const { client, close } = await open();
      const stream = newName();
      const late = client.appendToStream(stream, event(), { deadline: -1000 });
      await expect(late).rejects.toMatchObject({ type: 'deadline-exceeded' });
      expect((await client.appendToStream(stream, event())).nextExpectedRevision).toBe(0n);
      await close();
    });
  });
});
