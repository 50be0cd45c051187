import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from './children.js';
import { eventually } from './eventually.js';
import { freePort } from './ports.js';
import { repository } from './servers.js';

const READY_MS = 60_000;

export interface ServiceOptions {
  /** The script to run; by default `services/<name>/dist/main.js`. */
  entry?: string;
  /** HTTP port; a free one by default. */
  port?: number;
  /** Where a 200 says that the service may be used. */
  readyPath?: string;
  readyMs?: number;
  /** Called with every line that the process prints, after a restart too; `output()` keeps only the last ones. */
  onLine?: (line: string) => void;
}

/** A service of ours as a real process, to be killed and started again by fault tests. */
export interface Service {
  readonly name: string;
  readonly port: number;
  /** Its HTTP address, without a slash at the end. */
  readonly url: string;
  readonly pid: number;
  readonly running: boolean;
  output(): string;
  /** Ends it at once (SIGKILL unless told otherwise); resolves when the process is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** SIGTERM and, after five seconds, SIGKILL. */
  stop(): Promise<void>;
  /** Starts it again on the same port and waits until it is ready; `env` replaces single variables. */
  restart(env?: Readonly<Record<string, string>>): Promise<void>;
}

async function untilReady(name: string, child: Child, address: string, readyMs: number): Promise<void> {
  try {
    await eventually(async () => {
      if (!child.running) return true;
      const answer = await fetch(address, { signal: AbortSignal.timeout(5_000) });
      await answer.arrayBuffer();
      if (answer.status !== 200) throw new Error(`${address} answers ${answer.status}`);
      return true;
    }, readyMs);
  } catch (failure) {
    await child.kill();
    throw new Error(`${name} is not ready: ${String(failure)}\n${child.output()}`, { cause: failure });
  }
  if (!child.running) throw new Error(`${name} ended (${child.ending}):\n${child.output()}`);
}

/**
 * Starts `node services/<name>/dist/main.js` with HTTP_HOST, HTTP_PORT and `env`, and resolves when its readiness check
 * answers 200. Throws with the last lines of its output when it ends or does not become ready.
 */
export async function startService(
  name: string,
  env: Readonly<Record<string, string>>,
  options: ServiceOptions = {},
): Promise<Service> {
  const entry = options.entry ?? join(repository, 'services', name, 'dist', 'main.js');
  if (!existsSync(entry)) throw new Error(`${name} is not built: run "npm run build" first`);
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  let variables: Record<string, string> = { HTTP_HOST: '127.0.0.1', HTTP_PORT: `${port}`, ...env };
  const launch = async (): Promise<Child> => {
    const started = await Child.start({ file: process.execPath, args: [entry], env: variables });
    if (options.onLine) started.onLine(options.onLine);
    await untilReady(
      name,
      started,
      url + (options.readyPath ?? '/health/ready'),
      options.readyMs ?? READY_MS,
    );
    return started;
  };
  let child = await launch();
  return {
    name,
    port,
    url,
    get pid() {
      return child.pid;
    },
    get running() {
      return child.running;
    },
    output: () => child.output(),
    kill: (signal) => child.kill(signal),
    stop: () => child.stop(),
    restart: async (changed = {}) => {
      await child.stop();
      variables = { ...variables, ...changed };
      child = await launch();
    },
  };
}
