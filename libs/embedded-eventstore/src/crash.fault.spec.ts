import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { EventStoreDBClient, NO_STREAM, START, jsonEvent } from '@eventstore/db-client';
import { type Server, startEventStore } from '@muster/testing/servers';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const WRITERS = 16;
const connect = (server: Server): EventStoreDBClient => EventStoreDBClient.connectionString(server.url);

/** One append that a writer has sent: its ids, and whether it was acknowledged. */
interface Sent {
  ids: string[];
  expected: bigint | typeof NO_STREAM;
  acknowledged: boolean;
}

/** Appends to a stream of its own, one append after the other, until the server is gone. */
class StreamWriter {
  readonly stream = `crash-${randomUUID()}`;
  readonly sent: Sent[] = [];
  rejected = 0;
  #last = -1;

  get inFlight(): number {
    return this.sent.filter(({ acknowledged }) => !acknowledged).length;
  }

  async run(client: EventStoreDBClient, stopped: () => boolean): Promise<void> {
    while (!stopped()) {
      const ids = Array.from({ length: 1 + (this.sent.length % 3) }, () => randomUUID());
      const append: Sent = {
        ids,
        expected: this.#last < 0 ? NO_STREAM : BigInt(this.#last),
        acknowledged: false,
      };
      this.sent.push(append);
      try {
        await this.repeat(client, append);
      } catch {
        this.rejected++;
        return;
      }
    }
  }

  /** Sends an append, for the first time or again. */
  async repeat(client: EventStoreDBClient, append: Sent): Promise<void> {
    const events = append.ids.map((id) =>
      jsonEvent({ type: 'Written', id, data: { filler: 'x'.repeat(300) } }),
    );
    const result = await client.appendToStream(this.stream, events, { expectedRevision: append.expected });
    append.acknowledged = true;
    this.#last = Number(result.nextExpectedRevision);
  }
}

/** Ids of a stream's events in order; throws on a gap. */
async function readIds(client: EventStoreDBClient, stream: string): Promise<string[]> {
  const ids: string[] = [];
  try {
    for await (const { event } of client.readStream(stream)) {
      if (Number(event!.revision) !== ids.length) throw new Error(`a gap before revision ${event!.revision}`);
      ids.push(event!.id);
    }
  } catch (error) {
    if ((error as { type?: string }).type !== 'stream-not-found') throw error;
  }
  return ids;
}

let server: Server;
beforeAll(async () => void (server = await startEventStore()));
afterAll(() => server?.stop());

describe('a server that is killed while it writes', () => {
  const writers: StreamWriter[] = [];

  it.each([400, 900, 1700])('loses nothing it acknowledged (killed after %i answers)', async (answers) => {
    const round = Array.from({ length: WRITERS }, () => new StreamWriter());
    writers.push(...round);
    const client = connect(server);
    let killed = false;
    const running = round.map((writer) => writer.run(client, () => killed));
    const answered = (): number =>
      round.flatMap(({ sent }) => sent).filter(({ acknowledged }) => acknowledged).length;
    await expect.poll(answered, { timeout: 60_000, interval: 1 }).toBeGreaterThan(answers);
    const inFlight = round.reduce((sum, writer) => sum + writer.inFlight, 0);
    const dead = server.kill('SIGKILL');
    await dead;
    killed = true;
    await Promise.all(running);
    await client.dispose();
    expect(inFlight, 'appends in flight when it was killed').toBeGreaterThan(0);
    expect(round.reduce((sum, writer) => sum + writer.rejected, 0)).toBeGreaterThan(0);

    await server.restart();
    const again = connect(server);
    for (const writer of round) {
      const ids = await readIds(again, writer.stream);
      const acknowledged = writer.sent
        .filter((append) => append.acknowledged)
        .flatMap((append) => append.ids);
      const all = writer.sent.flatMap((append) => append.ids);
      expect(ids.slice(0, acknowledged.length)).toEqual(acknowledged);
      // The append in flight is there as a whole or not at all.
      expect([acknowledged.length, all.length]).toContain(ids.length);
      expect(ids).toEqual(all.slice(0, ids.length));
    }
    await again.dispose();
  });

  it('takes repeats of what was in flight exactly once', async () => {
    const client = connect(server);
    for (const writer of writers) {
      for (const append of writer.sent.filter(({ acknowledged }) => !acknowledged)) {
        await writer.repeat(client, append);
      }
      expect(await readIds(client, writer.stream)).toEqual(writer.sent.flatMap(({ ids }) => ids));
    }
    await client.dispose();
  });

  it('leaves a log without gaps and a sound database', async () => {
    const client = connect(server);
    let last = 0n;
    for await (const { event } of client.readAll({ fromPosition: START })) {
      expect(event!.position!.commit).toBe(last + 1n);
      last = event!.position!.commit;
    }
    await client.dispose();
    await server.kill('SIGTERM');
    const db = new Database(join(server.dir, 'events.db'), { readonly: true });
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(db.prepare('select count(*) from events').pluck().get()).toBe(Number(last));
    db.close();
  });
});

describe('a subscription over restarts of the server', () => {
  it('resumed from its last position sees every event once, in order', async () => {
    const own = await startEventStore();
    const stream = `resumed-${randomUUID()}`;
    const seen: number[] = [];
    let position: { commit: bigint; prepare: bigint } | typeof START = START;
    let written = 0;
    for (let round = 0; round < 4; round++) {
      const client = connect(own);
      const events = Array.from({ length: 250 }, () =>
        jsonEvent({ type: 'Counted', data: { n: written++ } }),
      );
      await client.appendToStream(stream, events);
      const subscription = client.subscribeToAll({
        fromPosition: position,
        filter: { filterOn: 'streamName', prefixes: ['resumed-'], checkpointInterval: 1 },
      });
      const enough = round === 3 ? written : written - 100;
      const ended = new Promise<void>((resolve) => subscription.on('error', () => resolve()));
      for await (const { event } of subscription) {
        seen.push((event!.data as { n: number }).n);
        position = event!.position!;
        if (seen.length === enough) break;
      }
      if (round === 3) break;
      await own.kill(round % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
      await Promise.race([ended, client.dispose()]);
      await own.restart();
    }
    expect(seen).toEqual(Array.from({ length: written }, (_, n) => n));
    await own.stop();
  });
});
