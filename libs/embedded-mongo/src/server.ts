import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Engine } from './engine.js';
import { runCommand } from './commands/registry.js';
import type { SyncMode } from './store.js';
import { MessageSplitter, parseMessage, type Request, writeReply } from './wire.js';

export { DataFolderInUse } from './store.js';

/** How a server is started. */
export interface ServerOptions {
  /** The folder that holds the data, or `:memory:` for one that goes away with the server. */
  dataDir: string;
  /** The TCP port on 127.0.0.1; 0 takes a free one. */
  port: number;
  /** Default `full`: an acknowledged write survives a power cut. */
  sync?: SyncMode;
  /**
   * Takes errors that are no client's fault. Default: they are answered with code 1 and not reported
   * further.
   */
  onError?: (error: unknown) => void;
}

/** A server that runs. */
export interface RunningServer {
  readonly port: number;
  /** Finishes accepted writes, closes connections and files. */
  close(): Promise<void>;
}

/**
 * Starts a server on 127.0.0.1.
 * @throws DataFolderInUse when another server has the folder; errors of listening and of the file system
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const engine = new Engine({ dataDir: options.dataDir, sync: options.sync ?? 'full' });
  const report = options.onError ?? (() => undefined);
  const connections = new Set<Socket>();
  let nextConnection = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    serve(engine, socket, ++nextConnection, report);
  });
  try {
    await listen(server, options.port);
  } catch (error) {
    await engine.close();
    throw error;
  }
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of connections) socket.destroy();
    await closed;
    await engine.close();
  };
  return {
    port: (server.address() as AddressInfo).port,
    close: () => (closing ??= close()),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
}

/** Reads messages off a connection and answers them one after another, in the order in which they came. */
function serve(engine: Engine, socket: Socket, id: number, report: (error: unknown) => void): void {
  const splitter = new MessageSplitter();
  const waiting: Buffer[] = [];
  let working = false;
  socket.on('error', () => socket.destroy());
  const work = async (): Promise<void> => {
    working = true;
    try {
      for (let message = waiting.shift(); message !== undefined; message = waiting.shift()) {
        const request = parseMessage(message);
        await answer(engine, socket, id, request, report);
      }
    } catch {
      socket.destroy();
    } finally {
      working = false;
    }
  };
  socket.on('data', (chunk) => {
    try {
      waiting.push(...splitter.push(chunk));
    } catch {
      socket.destroy();
      return;
    }
    if (!working && waiting.length > 0) void work();
  });
}

async function answer(
  engine: Engine,
  socket: Socket,
  id: number,
  request: Request,
  report: (error: unknown) => void,
): Promise<void> {
  const reply = await runCommand(engine, request, id, report);
  if (request.silent || socket.destroyed) return;
  writeReply(socket, request, reply);
  if (socket.writableNeedDrain) {
    await new Promise<void>((resolve) => {
      socket.once('drain', resolve);
      socket.once('close', resolve);
    });
  }
}
