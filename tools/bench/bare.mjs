// What the parts of a piece of work cost without Muster: the same servers, the same clients, nothing in between.
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { cpuOf } from './platform.mjs';

const root = resolve(import.meta.dirname, '../..');
const from = (folder) => createRequire(resolve(root, folder, 'package.json'));
const { EventStoreDBClient, jsonEvent, NO_STREAM } = from('libs/event-store')('@eventstore/db-client');
const mongoose = from('libs/event-store')('mongoose');

/** Offsets in the block of ports that the local stack gives to its stores. */
const EVENT_STORE = 10;
const MONGO = 11;

/** Does the work and answers processor seconds of this process and of the platform's stores together. */
async function cpuWhile(platform, work) {
  const before = cpuOf(platform.pid) + ownCpu();
  await work();
  return cpuOf(platform.pid) + ownCpu() - before;
}

function ownCpu() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function eachOf(count, atOnce, run) {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      await run(index);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Processor seconds of appending events of about 600 bytes, each to a stream of its own. */
export async function bareAppends(platform, count) {
  const client = EventStoreDBClient.connectionString(
    `esdb://127.0.0.1:${platform.ports + EVENT_STORE}?tls=false`,
  );
  const data = { sealed: 'x'.repeat(300), details: [{ kind: 'phone', key: 'ab'.repeat(32), primary: true }] };
  const metadata = { account: randomUUID(), command: randomUUID(), correlation: randomUUID() };
  try {
    return await cpuWhile(platform, () =>
      eachOf(count, 256, () =>
        client.appendToStream(`bench-${randomUUID()}`, jsonEvent({ type: 'Bench', data, metadata }), {
          expectedRevision: NO_STREAM,
        }),
      ),
    );
  } finally {
    await client.dispose();
  }
}

async function withCollection(platform, run) {
  const url = `mongodb://127.0.0.1:${platform.ports + MONGO}/bench`;
  const connection = await mongoose.createConnection(url).asPromise();
  try {
    return await run(connection.getClient().db('bench').collection(`c${Date.now()}`));
  } finally {
    await connection.close();
  }
}

const person = (n) => ({
  account: 'a',
  name: `Person Number ${n}`,
  phone: `+1415${2_000_000 + n}`,
  email: `p${n}@example.com`,
  fields: { city: 'Haifa', age: n % 80 },
  text: 'x'.repeat(400),
});

/** Processor seconds of upserting documents of about 700 bytes with two indexes, 500 in one command. */
export function bareUpserts(platform, count) {
  return withCollection(platform, async (collection) => {
    await collection.createIndex({ account: 1, name: 1 });
    await collection.createIndex({ account: 1, phone: 1 });
    return cpuWhile(platform, async () => {
      for (let n = 0; n < count; n += 500) {
        const operations = Array.from({ length: Math.min(500, count - n) }, (_, index) => ({
          updateOne: { filter: { _id: `id${n + index}` }, update: { $set: person(n + index) }, upsert: true },
        }));
        await collection.bulkWrite(operations, { ordered: false });
      }
    });
  });
}

/** Seconds of reading whole documents through one cursor. */
export function bareReads(platform, count) {
  return withCollection(platform, async (collection) => {
    for (let n = 0; n < count; n += 1000) {
      const documents = Array.from({ length: Math.min(1000, count - n) }, (_, index) => person(n + index));
      await collection.insertMany(documents);
    }
    const started = performance.now();
    let seen = 0;
    for await (const document of collection.find({})) seen += document.name === '' ? 0 : 1;
    return { seconds: (performance.now() - started) / 1000, seen };
  });
}

/** Milliseconds of one durable append followed by one durable upsert, one after the other. */
export async function bareStop(platform, count) {
  const client = EventStoreDBClient.connectionString(
    `esdb://127.0.0.1:${platform.ports + EVENT_STORE}?tls=false`,
  );
  try {
    return await withCollection(platform, async (collection) => {
      const times = [];
      for (let n = 0; n < count; n += 1) {
        const started = performance.now();
        const event = jsonEvent({ type: 'Bench', data: { n } });
        await client.appendToStream(`bench-${randomUUID()}`, event, { expectedRevision: NO_STREAM });
        await collection.updateOne({ _id: `s${n}` }, { $set: { n } }, { upsert: true });
        times.push(performance.now() - started);
      }
      return times;
    });
  } finally {
    await client.dispose();
  }
}
