import { randomUUID } from 'node:crypto';
import {
  type AppendExpectedRevision,
  BACKWARDS,
  EventStoreDBClient,
  FORWARDS,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
  jsonEvent,
} from '@eventstore/db-client';
import { type Server, startEventStore } from '@muster/testing/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** What an operation answers, in words both sides share. */
type Answer = string;

interface ModelEvent {
  stream: string;
  rev: number | 'tombstone';
  type: string;
  /** Undefined for events that the server writes itself. */
  id?: string;
}

interface ModelStream {
  ids: string[];
  state: 'live' | 'soft' | 'tombstoned';
  first: number;
  maxCount: number;
}

/** The rules of the store in their simplest form: arrays, no indexes, no caches. */
class Model {
  readonly all: ModelEvent[] = [];
  readonly #streams = new Map<string, ModelStream>();
  readonly #lastPlace = new Map<string, { stream: string; rev: number }>();

  stream(name: string): ModelStream {
    const known = this.#streams.get(name) ?? { ids: [], state: 'live', first: 0, maxCount: Infinity };
    this.#streams.set(name, known);
    return known;
  }

  /** How many metadata events the stream has; the model never sets metadata otherwise. */
  #metadataOf(name: string): ModelStream {
    return this.stream(`$$${name}`);
  }

  /** The refusal that an expected revision meets, a repeat's answer, or undefined if the write is to be made. */
  #check(name: string, expected: AppendExpectedRevision, ids: readonly string[]): Answer | undefined {
    const { ids: written, state } = this.stream(name);
    const current = written.length - 1;
    const conflict = `conflict, actual ${current}`;
    if (state === 'tombstoned') return 'deleted';
    if (expected === 'stream_exists' && state === 'soft') return 'deleted';
    if (expected === 'stream_exists' && current < 0 && this.#metadataOf(name).ids.length === 0)
      return conflict;
    if (expected === 'any' || expected === 'stream_exists') {
      const places = ids
        .map((id) => this.#lastPlace.get(id))
        .map((at) => (at?.stream === name ? at : undefined));
      if (places.length === 0 || !places[0]) return undefined;
      return places.every((at) => at !== undefined) ? `revision ${places.at(-1)!.rev}` : conflict;
    }
    const at = expected === 'no_stream' ? -1 : Number(expected);
    if (at > current) return conflict;
    if (at === current) return undefined;
    const same = ids.filter((id, index) => written[at + 1 + index] === id).length;
    if (ids.length > 0 && same === ids.length) return `revision ${at + ids.length}`;
    const firstDiffers = written[at + 1] !== ids[0];
    return at === -1 && state === 'soft' && firstDiffers ? undefined : conflict;
  }

  #write(name: string, type: string, id: string): void {
    const stream = this.stream(name);
    stream.ids.push(id);
    this.all.push({
      stream: name,
      rev: stream.ids.length - 1,
      type,
      ...(name.startsWith('$$') ? {} : { id }),
    });
    this.#lastPlace.set(id, { stream: name, rev: stream.ids.length - 1 });
  }

  append(name: string, ids: readonly string[], expected: AppendExpectedRevision): Answer {
    const refusal = this.#check(name, expected, ids);
    if (refusal !== undefined) return refusal;
    const stream = this.stream(name);
    const before = stream.ids.length;
    for (const id of ids) this.#write(name, 'Tested', id);
    if (stream.state === 'soft' && ids.length > 0) {
      Object.assign(stream, { state: 'live', first: before });
      this.#write(`$$${name}`, '$metadata', randomUUID());
    }
    return `revision ${stream.ids.length - 1}`;
  }

  setMetadata(name: string, maxCount: number, first: number): Answer {
    const stream = this.stream(name);
    if (stream.state === 'tombstoned') return 'deleted';
    this.#write(`$$${name}`, '$metadata', randomUUID());
    if (stream.state === 'soft') {
      this.#write(`$$${name}`, '$metadata', randomUUID());
      Object.assign(stream, { state: 'live', maxCount, first: stream.ids.length });
    } else Object.assign(stream, { maxCount, first });
    return 'done';
  }

  remove(name: string, hard: boolean, expected: AppendExpectedRevision): Answer {
    const stream = this.stream(name);
    const refusal = this.#check(name, expected, ['an id nobody has']);
    if (refusal !== undefined) return refusal;
    if (hard) {
      stream.state = 'tombstoned';
      this.all.push({ stream: name, rev: 'tombstone', type: '$streamDeleted' });
      return 'done';
    }
    if (stream.ids.length === 0 && this.#metadataOf(name).ids.length === 0) return 'conflict, actual -1';
    Object.assign(stream, { state: 'soft', maxCount: Infinity });
    this.#write(`$$${name}`, '$metadata', randomUUID());
    return 'done';
  }

  read(name: string, from: number | 'end', backwards: boolean, count: number): Answer {
    const { ids, state, first, maxCount } = this.stream(name);
    if (state === 'tombstoned') return 'deleted';
    if (state === 'soft' || ids.length === 0) return 'not found';
    const readable = ids
      .map((id, rev) => ({ id, rev }))
      .filter(({ rev }) => rev >= first && rev >= ids.length - maxCount);
    const start = from === 'end' ? ids.length : from;
    const ahead = backwards
      ? readable.filter(({ rev }) => rev <= start).reverse()
      : readable.filter(({ rev }) => rev >= start);
    return ahead
      .slice(0, count)
      .map(({ id, rev }) => `${rev}:${id}`)
      .join(' ');
  }
}

/** Mulberry32: a seed names one run for ever. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** The client's answer in the model's words. */
async function answerOf(work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StreamDeletedError) return 'deleted';
    if (error instanceof StreamNotFoundError) return 'not found';
    if (!(error instanceof WrongExpectedVersionError)) throw error;
    return `conflict, actual ${error.actualVersion === 'no_stream' ? -1 : String(error.actualVersion)}`;
  }
}

let server: Server;
let client: EventStoreDBClient;
beforeAll(async () => {
  server = await startEventStore();
  client = EventStoreDBClient.connectionString(server.url);
});
afterAll(async () => {
  await client?.dispose();
  await server?.stop();
});

const classic = { credentials: { username: 'admin', password: 'changeit' } };

/** What the model and the server answered to the same. */
interface Compared {
  what: string;
  told: Answer[];
  real: Answer[];
}

interface Batch {
  stream: string;
  ids: string[];
  expected: AppendExpectedRevision;
}

/** One run of random operations, each performed by the server and by the model. */
class Run {
  readonly model = new Model();
  readonly counts: Record<string, number> = {};
  readonly #below: (below: number) => number;
  readonly #sent: Batch[] = [];

  constructor(private readonly seed: number) {
    this.#below = random(seed);
  }

  #stream(): string {
    return `fuzz${this.seed}-${this.#below(8)}`;
  }

  #expected(stream: string): AppendExpectedRevision {
    const last = this.model.stream(stream).ids.length - 1;
    const near = Math.max(0, last + 1 - this.#below(4));
    return (['any', 'no_stream', 'stream_exists', BigInt(near), BigInt(Math.max(0, last))] as const)[
      this.#below(5)
    ]!;
  }

  #ids(): string[] {
    return Array.from({ length: 1 + this.#below(3) }, () => randomUUID());
  }

  /** A new append, or an earlier one again: whole, cut short, prolonged, or to another stream. */
  #batch(): Batch {
    const earlier = this.#sent[this.#below(this.#sent.length + 1)];
    if (!earlier || this.#below(3) > 0) {
      const stream = this.#stream();
      return { stream, ids: this.#ids(), expected: this.#expected(stream) };
    }
    const { stream, ids, expected } = earlier;
    return [
      earlier,
      { stream, ids: ids.slice(1).concat(ids.length > 1 ? [] : ids), expected },
      { stream, ids: [...ids, randomUUID()], expected },
      { stream, ids, expected: 'any' as const },
      { stream: this.#stream(), ids, expected: 'any' as const },
    ][this.#below(5)]!;
  }

  /** Performs one operation on both sides. */
  async step(): Promise<Compared> {
    const kinds = [
      'append',
      'append',
      'append',
      'append',
      'read',
      'read',
      'read',
      'delete',
      'metadata',
      'tombstone',
    ];
    const drawn = kinds[this.#below(10)]!;
    const kind = drawn === 'tombstone' && this.#below(6) > 0 ? 'read' : drawn;
    const [told, real] = await this.#perform(kind);
    const outcome = `${kind}: ${/^(revision|conflict|deleted|not found|done)/.exec(told)?.[0] ?? 'events'}`;
    this.counts[outcome] = (this.counts[outcome] ?? 0) + 1;
    return { what: kind, told: [told], real: [real] };
  }

  #perform(kind: string): Promise<[Answer, Answer]> {
    if (kind === 'append') return this.#append();
    if (kind === 'read') return this.#read();
    if (kind === 'metadata') return this.#metadata();
    return this.#remove(kind === 'tombstone');
  }

  async #append(): Promise<[Answer, Answer]> {
    const batch = this.#batch();
    const real = await this.#send(batch, this.#below(4) === 0 ? classic : {});
    return [this.model.append(batch.stream, batch.ids, batch.expected), real];
  }

  /** Many appends at once over one call: they are committed together and must still be decided one by one. */
  async burst(): Promise<Compared> {
    const batches = Array.from({ length: 24 }, () => this.#batch());
    const real = await Promise.all(batches.map((batch) => this.#send(batch, {})));
    const told = batches.map(({ stream, ids, expected }) => this.model.append(stream, ids, expected));
    return { what: 'a burst', told, real };
  }

  #send({ stream, ids, expected }: Batch, options: object): Promise<Answer> {
    this.#sent.push({ stream, ids, expected });
    const events = ids.map((id) => jsonEvent({ type: 'Tested', id, data: {} }));
    return answerOf(async () => {
      const result = await client.appendToStream(stream, events, { ...options, expectedRevision: expected });
      return `revision ${result.nextExpectedRevision}`;
    });
  }

  async #read(): Promise<[Answer, Answer]> {
    const stream = this.#stream();
    const from = this.#below(5) === 0 ? 'end' : this.#below(12);
    const backwards = from === 'end' || this.#below(2) === 0;
    const count = 1 + this.#below(10);
    const real = await answerOf(async () => {
      const direction = backwards ? BACKWARDS : FORWARDS;
      const fromRevision = from === 'end' ? from : BigInt(from);
      const found: string[] = [];
      for await (const { event } of client.readStream(stream, { direction, fromRevision, maxCount: count })) {
        found.push(`${event!.revision}:${event!.id}`);
      }
      return found.join(' ');
    });
    return [this.model.read(stream, from, backwards, count), real];
  }

  async #metadata(): Promise<[Answer, Answer]> {
    const stream = this.#stream();
    const maxCount = 1 + this.#below(6);
    const truncateBefore = this.#below(6);
    const real = await answerOf(async () => {
      await client.setStreamMetadata(stream, { maxCount, truncateBefore });
      return 'done';
    });
    return [this.model.setMetadata(stream, maxCount, truncateBefore), real];
  }

  async #remove(hard: boolean): Promise<[Answer, Answer]> {
    const stream = this.#stream();
    const drawn = this.#expected(stream);
    const expected = drawn === 'stream_exists' ? 'any' : drawn;
    const real = await answerOf(async () => {
      const options = { expectedRevision: expected };
      await (hard ? client.tombstoneStream(stream, options) : client.deleteStream(stream, options));
      return 'done';
    });
    return [this.model.remove(stream, hard, expected), real];
  }
}

/** The log in the model's words, without the events of other runs. */
async function readLog(seed: number): Promise<ModelEvent[]> {
  const found: ModelEvent[] = [];
  for await (const { event } of client.readAll()) {
    if (!event?.streamId.includes(`fuzz${seed}-`)) continue;
    const { streamId: stream, type } = event;
    const rev = type === '$streamDeleted' ? 'tombstone' : Number(event.revision);
    found.push({ stream, rev, type, ...(type === 'Tested' ? { id: event.id } : {}) });
  }
  return found;
}

describe('random operations', () => {
  const seeds = [1, 2, 3, 4, 5, 6];
  const total: Record<string, number> = {};

  it.each(seeds)('answer as the model does and leave the same log (seed %i)', async (seed) => {
    const run = new Run(seed);
    for (let step = 0; step < 500; step++) {
      const { what, told, real } = await (step % 10 === 9 ? run.burst() : run.step());
      expect(real, `${what} at step ${step}`).toEqual(told);
    }
    expect(await readLog(seed)).toEqual(run.model.all);
    for (const [outcome, count] of Object.entries(run.counts)) total[outcome] = (total[outcome] ?? 0) + count;
    if (seed !== seeds.at(-1)) return;
    await server.restart();
    expect(await readLog(seed)).toEqual(run.model.all);
  });

  it('have met every kind of answer', () => {
    const expected = [
      'append: conflict',
      'append: deleted',
      'append: revision',
      'delete: conflict',
      'delete: deleted',
      'delete: done',
      'metadata: deleted',
      'metadata: done',
      'read: deleted',
      'read: events',
      'read: not found',
      'tombstone: conflict',
      'tombstone: deleted',
      'tombstone: done',
    ];
    expect(expected.filter((outcome) => (total[outcome] ?? 0) < 3)).toEqual([]);
  });
});
