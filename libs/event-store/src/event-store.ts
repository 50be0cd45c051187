import {
  BACKWARDS,
  END,
  EventStoreDBClient,
  FORWARDS,
  NO_STREAM,
  START,
  StreamNotFoundError,
  WrongExpectedVersionError,
  jsonEvent,
  type JSONEventData,
} from '@eventstore/db-client';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { eventDefinition } from '@muster/contracts/all-events';
import { uuid5 } from '@muster/contracts/ids';
import { decodeFacts, encodeData, type Fact, type NewEvent, type RawFact } from './facts.js';
import { Follower, type FollowOptions } from './follow.js';
import { toRaw } from './recorded.js';
import type { DataKey, KeyRing } from './keys.js';

/** Somebody else appended to the stream since it was read. */
export class WrongRevision extends Error {
  override readonly name = 'WrongRevision';
}

export interface Appended {
  revision: number;
  position: number;
}

export interface ReadOptions {
  /** First revision to read, inclusive. */
  from?: number;
  max?: number;
  backwards?: boolean;
}

/** The client's promise for a batch append never settles when the server stalls; this is when we stop waiting. */
const APPEND_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 1_000;

/** The one adapter to EventStoreDB; nothing else in Muster knows its client. */
export class EventStore {
  readonly client: EventStoreDBClient;

  constructor(
    url: string,
    readonly keys: KeyRing,
  ) {
    this.client = EventStoreDBClient.connectionString(url);
  }

  /**
   * Appends at the revision that was read, with personal values sealed under `key`. Ids of events follow from the
   * command and from what is stored: the store compares ids alone, and must not take another content, or one sealed
   * under another key, for a repeat. A repeated command is found by its record instead.
   * @throws WrongRevision when others were quicker.
   * @throws Refusal `service:unavailable` when the store did not answer: the append may have happened.
   */
  async append(
    stream: string,
    events: readonly NewEvent[],
    expected: number | 'no_stream',
    envelope: Envelope,
    key?: DataKey,
  ): Promise<Appended> {
    const encoded = events.map((event, index) => toStored(stream, event, index, envelope, key));
    const expectedRevision = expected === 'no_stream' || expected < 0 ? NO_STREAM : BigInt(expected);
    try {
      const appending = this.client.appendToStream(stream, encoded, { expectedRevision });
      const result = await withTimeout(appending, APPEND_TIMEOUT_MS);
      const position = result.position;
      if (!position) throw new Error('the store gave no position');
      return { revision: Number(result.nextExpectedRevision), position: Number(position.commit) };
    } catch (error) {
      if (error instanceof WrongExpectedVersionError) throw new WrongRevision(stream, { cause: error });
      throw unavailable(error);
    }
  }

  /** Events of a stream in order; none for a stream that does not exist. */
  async read(stream: string, options: ReadOptions = {}): Promise<Fact[]> {
    const raws: RawFact[] = [];
    try {
      const reading = this.client.readStream(stream, {
        fromRevision: options.from !== undefined ? BigInt(options.from) : options.backwards ? END : START,
        direction: options.backwards ? BACKWARDS : FORWARDS,
        ...(options.max === undefined ? {} : { maxCount: options.max }),
      });
      for await (const { event } of reading) if (event) raws.push(toRaw(event));
    } catch (error) {
      if (error instanceof StreamNotFoundError) return [];
      throw unavailable(error);
    }
    return decodeFacts(raws, this.keys);
  }

  /** The position of the last event in the log, or -1 for an empty one. */
  async lastPosition(): Promise<number> {
    try {
      for await (const { event } of this.client.readAll({
        direction: BACKWARDS,
        fromPosition: END,
        maxCount: 1,
      })) {
        if (event) return Number(event.position.commit);
      }
      return -1;
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Follows categories from a position on, for ever. */
  follow(options: FollowOptions): Follower {
    return new Follower(this.client, this.keys, options);
  }

  /** Ends the connection. The client's own dispose never settles once the server was gone, so it is given a second. */
  async close(): Promise<void> {
    await withTimeout(this.client.dispose(), CLOSE_TIMEOUT_MS).catch(() => {});
  }
}

function toStored(
  stream: string,
  event: NewEvent,
  index: number,
  envelope: Envelope,
  key: DataKey | undefined,
): JSONEventData {
  const encoded = encodeData(stream, event, key);
  const { account, actor, source, command, correlation, at } = envelope;
  const metadata = {
    account,
    actor,
    source,
    command,
    correlation,
    at,
    schemaVersion: eventDefinition(event.type)?.schemaVersion ?? 1,
    key: encoded.key,
  };
  return jsonEvent({
    id: uuid5(command, stream, String(index), JSON.stringify(encoded.data)),
    type: event.type,
    data: encoded.data as Record<string, unknown>,
    // As bytes the client sends it as it is; an object it would turn into base64 and back, twice.
    metadata: utf8.encode(JSON.stringify(metadata)),
  });
}

const utf8 = new TextEncoder();

function unavailable(error: unknown): Error {
  if (error instanceof Refusal) return error;
  const known = error as { type?: string; message?: string };
  if (known.type === undefined && !(error instanceof TimedOut)) return error as Error;
  return Object.assign(
    new Refusal('service:unavailable', { part: 'event store', kind: known.type ?? 'timeout' }),
    {
      cause: error,
    },
  );
}

class TimedOut extends Error {}

/** Without a race: of an append, that would be half of its promises. */
function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new TimedOut(`no answer within ${ms} ms`)), ms);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error as Error);
      },
    );
  });
}
