import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Child, type ChildOptions } from './children.js';
import { eventually } from './eventually.js';
import { freePort } from './ports.js';
import { removeWithUs } from './reaper.js';

/** The folder of the repository, from src and from dist alike. */
export const repository = resolve(import.meta.dirname, '../../..');

const READY_MS = 30_000;
const PORT_ATTEMPTS = 5;

/** A real server as a child process on a loopback port. It ends with the test process, whatever happens to that. */
export interface Server {
  readonly url: string;
  readonly port: number;
  /** Of the process that runs now; another one after `restart`. */
  readonly pid: number;
  readonly dir: string;
  readonly running: boolean;
  /** The last lines the server printed. */
  output(): string;
  /** Ends it at once (SIGKILL unless told otherwise) and keeps its data; resolves when the process is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Ends it in an orderly way and removes its folder, unless the folder was given by the caller. */
  stop(): Promise<void>;
  /** Starts it again (ending it in an orderly way first if it runs) with the same port and the same data. */
  restart(): Promise<void>;
}

interface Kind {
  name: string;
  command(dir: string, port: number): ChildOptions;
  /** Whether a line that the server printed says that it takes connections. */
  isReady(line: string): boolean;
  url(port: number): string;
}

/** Starts the child and waits for its own word that it is ready; throws with its output when it ends before. */
async function launch(kind: Kind, dir: string, port: number): Promise<Child> {
  const child = await Child.start(kind.command(dir, port));
  let ready = false;
  const unfollow = child.onLine((line) => {
    if (kind.isReady(line)) ready = true;
  });
  try {
    await eventually(() => ready || !child.running, READY_MS);
  } catch {
    await child.kill();
  } finally {
    unfollow();
  }
  if (!ready) throw new Error(`${kind.name} did not start (${child.ending}):\n${child.output()}`);
  return child;
}

async function launchOnFreePort(kind: Kind, dir: string): Promise<{ child: Child; port: number }> {
  let failure: unknown;
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt += 1) {
    const port = await freePort();
    try {
      return { child: await launch(kind, dir, port), port };
    } catch (error) {
      failure = error;
      if (!/address already in use|EADDRINUSE/i.test(String(error))) break;
    }
  }
  throw failure;
}

async function start(kind: Kind, given?: string): Promise<Server> {
  const dir = given ?? (await mkdtemp(join(tmpdir(), `muster-test-${kind.name}-`)));
  await mkdir(dir, { recursive: true });
  if (given === undefined) removeWithUs(dir);
  const launched = await launchOnFreePort(kind, dir);
  const { port } = launched;
  let { child } = launched;
  return {
    url: kind.url(port),
    port,
    dir,
    get pid() {
      return child.pid;
    },
    get running() {
      return child.running;
    },
    output: () => child.output(),
    kill: (signal) => child.kill(signal),
    stop: async () => {
      await child.stop();
      if (given === undefined) await rm(dir, { recursive: true, force: true });
    },
    restart: async () => {
      await child.stop();
      child = await launch(kind, dir, port);
    },
  };
}

const nats: Kind = {
  name: 'nats',
  command: (dir, port) => ({
    file: 'nats-server',
    args: ['-a', '127.0.0.1', '-p', `${port}`, '-js', '-sd', dir, '--ports_file_dir', dir],
  }),
  isReady: (line) => line.includes('Server is ready'),
  url: (port) => `nats://127.0.0.1:${port}`,
};

const redis: Kind = {
  name: 'redis',
  command: (dir, port) => ({
    file: 'redis-server',
    args: [
      '--bind',
      '127.0.0.1',
      '--port',
      `${port}`,
      '--dir',
      dir,
      '--save',
      '',
      '--appendonly',
      'yes',
      '--appendfsync',
      'everysec',
      '--maxmemory-policy',
      'noeviction',
      '--daemonize',
      'no',
    ],
  }),
  isReady: (line) => line.includes('Ready to accept connections'),
  url: (port) => `redis://127.0.0.1:${port}`,
};

/** One of the embedded servers: `node libs/<lib>/dist/main.js --data DIR --port PORT`, which prints `READY {"port":N}`. */
function embedded(name: string, lib: string, url: (port: number) => string): Kind {
  const main = join(repository, 'libs', lib, 'dist', 'main.js');
  return {
    name,
    command: (dir, port) => {
      if (!existsSync(main)) throw new Error(`libs/${lib} is not built: run "npm run build" first`);
      return { file: process.execPath, args: [main, '--data', dir, '--port', `${port}`] };
    },
    isReady: (line) => line.startsWith('READY '),
    url,
  };
}

const eventStore = embedded(
  'eventstore',
  'embedded-eventstore',
  (port) => `esdb://127.0.0.1:${port}?tls=false`,
);
const mongo = embedded('mongo', 'embedded-mongo', (port) => `mongodb://127.0.0.1:${port}`);

/** nats-server with JetStream, its store in `dir` (a temporary folder unless given). */
export const startNats = (dir?: string): Promise<Server> => start(nats, dir);

/** redis-server as production has it: append-only file on, no eviction. */
export const startRedis = (dir?: string): Promise<Server> => start(redis, dir);

/** The embedded EventStoreDB-protocol server; libs/embedded-eventstore must be built. */
export const startEventStore = (dir?: string): Promise<Server> => start(eventStore, dir);

/** The embedded MongoDB-wire server; libs/embedded-mongo must be built. */
export const startMongo = (dir?: string): Promise<Server> => start(mongo, dir);

const starters = { nats: startNats, redis: startRedis, eventStore: startEventStore, mongo: startMongo };
type ServerName = keyof typeof starters;

export type Servers<N extends ServerName> = Record<N, Server> & {
  /** Ends all of them. */
  stop(): Promise<void>;
};

/**
 * Starts several servers at once, each in a folder of its own:
 * `const servers = await startServers({ nats: true, mongo: true })`. A string instead of true is the folder to use.
 * When one does not start, the others are ended and the error is thrown.
 */
export async function startServers<const N extends ServerName>(
  wanted: Readonly<Record<N, true | string>>,
): Promise<Servers<N>> {
  const entries = Object.entries(wanted) as [N, true | string][];
  const outcomes = await Promise.allSettled(
    entries.map(([name, dir]) => starters[name](dir === true ? undefined : dir)),
  );
  const started = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
  };
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) {
    await stop();
    throw failure.reason;
  }
  const byName = Object.fromEntries(entries.map(([name], index) => [name, started[index] as Server]));
  return { ...(byName as Record<N, Server>), stop };
}
