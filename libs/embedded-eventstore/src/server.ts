import { type Http2Server, type ServerHttp2Session, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { append, batchAppend } from './append.js';
import { Call, type Handler, unary } from './call.js';
import { deleteStream } from './delete.js';
import { stopping, unimplemented } from './errors.js';
import { clusterOfOne, newInstanceId, supportedMethods } from './features.js';
import { read } from './read.js';
import { DurableLog } from './log.js';
import { type Sync, lockData, openDatabase, writeAheadLog } from './schema.js';
import { Store } from './store.js';
import { Writer } from './writer.js';
import { writeFirstEvents } from './first-events.js';

export interface ServerOptions {
  /** Directory of the data; created if it does not exist. Only one server may use it at a time. */
  dataDir: string;
  /** Port on 127.0.0.1; 0 takes a free one. */
  port: number;
  /** `full` (default) survives power loss; `normal` survives the end of the process only. */
  sync?: Sync;
}

export interface RunningServer {
  port: number;
  /** Ends live calls with CANCELLED, commits what was accepted and closes the data. */
  close(): Promise<void>;
}

/** Clients cancel reads as a matter of course; the default limits take that for an attack. */
const RESET_LIMITS = { streamResetBurst: 100_000, streamResetRate: 100_000 };
/** What Kestrel, and so the real server, allows on one connection. */
const MAX_STREAMS_PER_CONNECTION = 100;
/** How long the end of a connection may take, in milliseconds, before it is cut. */
const CLOSE_GRACE_MS = 1000;

/**
 * Starts a server that speaks the EventStoreDB protocol on 127.0.0.1.
 * Throws DataInUse if another server holds the directory.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const lock = lockData(options.dataDir);
  try {
    const db = openDatabase(options.dataDir);
    const store = new Store(db);
    const log = options.sync === 'normal' ? undefined : new DurableLog(writeAheadLog(options.dataDir));
    const writer = new Writer(store, log);
    if (writer.tail.last === 0) await writeFirstEvents(writer);
    const transport = new Transport(writer);
    const port = await transport.listen(options.port);
    const close = async (): Promise<void> => {
      await transport.close();
      log?.close();
      db.close();
      lock.close();
    };
    let closing: Promise<void> | undefined;
    return { port, close: () => (closing ??= close()) };
  } catch (cause) {
    lock.close();
    throw cause;
  }
}

/** The HTTP/2 side: sessions, live calls, and which method serves which path. */
class Transport {
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #calls = new Set<Call>();
  readonly #routes: Map<string, Handler>;
  #port = 0;

  constructor(private readonly writer: Writer) {
    this.#routes = this.#createRoutes();
    this.#server = createServer({
      maxSessionMemory: 512,
      settings: {
        maxConcurrentStreams: MAX_STREAMS_PER_CONNECTION,
        initialWindowSize: 4 * 1024 * 1024,
        maxFrameSize: 1024 * 1024,
      },
      ...RESET_LIMITS,
    });
    this.#server.on('session', (session) => this.#opened(session));
    this.#server.on('stream', (stream, headers) => {
      const path = headers[':path'] ?? '';
      const call = new Call(stream, headers);
      this.#calls.add(call);
      call.onClose(() => this.#calls.delete(call));
      call.run(this.#routes.get(path) ?? ((unknown) => unknown.finish(unimplemented(path))));
    });
  }

  #createRoutes(): Map<string, Handler> {
    const { writer } = this;
    const streams = '/event_store.client.streams.Streams';
    const instanceId = newInstanceId();
    const routes = new Map<string, Handler>([
      [`${streams}/Read`, read(writer)],
      [`${streams}/Append`, append(writer)],
      [`${streams}/BatchAppend`, batchAppend(writer)],
      [`${streams}/Delete`, deleteStream(writer, 'delete')],
      [`${streams}/Tombstone`, deleteStream(writer, 'tombstone')],
      ['/event_store.client.gossip.Gossip/Read', unary(() => clusterOfOne(instanceId, this.#port))],
    ]);
    const methods = supportedMethods(routes.keys());
    routes.set(
      '/event_store.client.server_features.ServerFeatures/GetSupportedMethods',
      unary(() => methods),
    );
    return routes;
  }

  #opened(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.setLocalWindowSize(16 * 1024 * 1024);
    session.on('close', () => this.#sessions.delete(session));
    // A peer that goes away is no fault of the server; 'close' follows.
    session.on('error', () => {});
  }

  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => {
        this.#port = (this.#server.address() as AddressInfo).port;
        resolve(this.#port);
      });
    });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.writer.flushAll();
    // Answers of the last commit leave in microtasks, before their call is cancelled.
    await Promise.resolve();
    for (const call of this.#calls) call.finish(stopping(call.statusWhenStopped));
    for (const session of this.#sessions) session.close();
    const cut = setTimeout(() => {
      for (const session of this.#sessions) session.destroy();
    }, CLOSE_GRACE_MS);
    await closed;
    clearTimeout(cut);
  }
}
