import { readFile } from 'node:fs/promises';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import {
  END,
  EventStoreDBClient,
  START,
  jsonEvent,
  persistentSubscriptionToStreamSettingsFromDefaults,
} from '@eventstore/db-client';
import { type Server, startEventStore } from '@muster/testing/servers';
import { eventually } from '@muster/testing/eventually';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

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
const until = (check: () => unknown) => eventually(() => Boolean(check()), 30_000);
const frame = (message: Buffer): Buffer => {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
};

describe('what is not served', () => {
  it.each<[string, () => Promise<unknown>]>([
    [
      'persistent subscriptions',
      () =>
        client.createPersistentSubscriptionToStream(
          'any-1',
          'group',
          persistentSubscriptionToStreamSettingsFromDefaults(),
        ),
    ],
    ['projections', () => client.getProjectionStatus('any')],
    ['restarting a subsystem', () => client.restartSubsystem()],
  ])('%s are answered as not implemented, not with silence', async (_title, call) => {
    const error = await call().catch((cause: unknown) => cause);
    expect(`${(error as { code?: number }).code} ${(error as Error).message}`).toMatch(
      /^12 |Unsupported|requires server version/,
    );
  });

  it.each([
    ['/event_store.client.users.Users/Details', '12'],
    ['/event_store.client.operations.Operations/StartScavenge', '12'],
    ['/event_store.client.persistent_subscriptions.PersistentSubscriptions/Read', '12'],
    ['/no.such.Service/Call', '12'],
  ])('%s answers with status %s', async (path, status) => {
    const session = connectHttp2(`http://127.0.0.1:${server.port}`);
    expect((await call(session, path, frame(Buffer.alloc(0)))).status).toBe(status);
    session.destroy();
  });
});

/** One raw gRPC call: its status, whether that came as headers or as trailers. */
function call(session: ClientHttp2Session, path: string, body: Buffer): Promise<{ status: string }> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const take = (headers: Record<string, unknown>): void => {
      if (headers['grpc-status'] !== undefined) resolve({ status: String(headers['grpc-status']) });
    };
    stream.on('response', take);
    stream.on('trailers', take);
    stream.on('error', reject);
    stream.resume();
    stream.end(body);
  });
}

describe('messages that are no messages', () => {
  const streams = '/event_store.client.streams.Streams';
  it.each([
    ['a compressed message', `${streams}/Read`, Buffer.from([1, 0, 0, 0, 0]), '12'],
    ['a message of 1 GiB', `${streams}/Read`, Buffer.from([0, 0x40, 0, 0, 0]), '8'],
    ['a read without options', `${streams}/Read`, frame(Buffer.alloc(0)), '3'],
    ['a delete without a stream', `${streams}/Delete`, frame(Buffer.from([0x0a, 0])), '3'],
    ['an append without options', `${streams}/Append`, Buffer.alloc(0), '3'],
    ['a batch append cut short', `${streams}/BatchAppend`, frame(Buffer.from([0x0a, 0x7f, 1])), '2'],
  ])('%s ends its call and nothing else', async (_title, path, body, status) => {
    const session = connectHttp2(`http://127.0.0.1:${server.port}`);
    expect((await call(session, path, body)).status).toBe(status);
    session.destroy();
    await client.appendToStream('alive-1', jsonEvent({ type: 'Tested', data: {} }));
  });
});

describe('one connection', () => {
  it('carries at most 100 calls at a time', async () => {
    const session = connectHttp2(`http://127.0.0.1:${server.port}`);
    await new Promise((resolve) => session.once('remoteSettings', resolve));
    expect(session.remoteSettings.maxConcurrentStreams).toBe(100);
    session.destroy();
  });

  it('survives hundreds of cancelled calls', async () => {
    const session = connectHttp2(`http://127.0.0.1:${server.port}`);
    for (let n = 0; n < 900; n++) {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/event_store.client.streams.Streams/BatchAppend',
        'content-type': 'application/grpc',
      });
      stream.on('error', () => {});
      stream.close(constants.NGHTTP2_CANCEL);
      await new Promise((resolve) => stream.once('close', resolve));
    }
    const path = '/event_store.client.server_features.ServerFeatures/GetSupportedMethods';
    expect((await call(session, path, frame(Buffer.alloc(0)))).status).toBe('0');
    session.destroy();
  });
});

describe('a subscriber that does not keep up', () => {
  const filler = 'x'.repeat(1000);
  const events = (count: number) =>
    Array.from({ length: count }, (_, n) => jsonEvent({ type: 'Piled', data: { n, filler } }));
  const residentMiB = async (): Promise<number> => {
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) / 1024;
  };

  it('is told that it fell behind, then gets everything in order and is told that it caught up', async () => {
    const subscription = client.subscribeToAll({ fromPosition: END });
    const told: string[] = [];
    const positions: bigint[] = [];
    subscription.on('caughtUp', () => told.push('caught up'));
    subscription.on('fellBehind', () => told.push('fell behind'));
    subscription.on('data', ({ event }) => positions.push(event!.position!.commit));
    await until(() => told.length === 1);
    subscription.pause();
    let last = 0n;
    for (let n = 0; n < 40; n++) {
      last = (await client.appendToStream(`piled-${n}`, events(500))).position!.commit;
    }
    subscription.resume();
    await until(() => positions.at(-1) === last && told.at(-1) === 'caught up');
    expect(told).toEqual(['caught up', 'fell behind', 'caught up']);
    expect(positions.every((at, index) => index === 0 || at === positions[index - 1]! + 1n)).toBe(true);
    expect(positions).toHaveLength(20_000);
    await subscription.unsubscribe();
  });

  it.skipIf(process.platform !== 'linux')('does not make the server hold what it has not read', async () => {
    for (let n = 0; n < 120; n++) await client.appendToStream(`backlog-${n}`, events(500));
    const before = await residentMiB();
    const idle = Array.from({ length: 20 }, () => client.subscribeToAll({ fromPosition: START }));
    const confirmed = idle.map((one) => new Promise((resolve) => one.once('confirmation', resolve)));
    for (const one of idle) {
      one.once('data', () => one.pause());
    }
    await Promise.all(confirmed);
    let received = 0;
    const reader = client.subscribeToAll({ fromPosition: START });
    reader.on('data', () => received++);
    await until(() => received > 60_000);
    // Unread, the 20 backlogs together are more than 1.5 GB.
    expect((await residentMiB()) - before).toBeLessThan(250);
    for (const one of [...idle, reader]) await one.unsubscribe();
  });
});
