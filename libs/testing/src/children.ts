import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { childEnvironment } from './config.js';
import { endWithUs, hasEnded, prepareReaper } from './reaper.js';

/** How many of the last lines of a child's output are kept for error messages. */
const LINES_KEPT = 400;
/** How long a child may take to end after SIGTERM before it is killed. */
const GRACE_MS = 5_000;

export interface ChildOptions {
  file: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  cwd?: string;
}

/** A child process that cannot outlive this one, with its last lines of output. */
export class Child {
  readonly pid: number;
  private readonly lines: string[] = [];
  private readonly listeners = new Set<(line: string) => void>();
  private readonly process: ChildProcess;
  private readonly end: Promise<void>;

  private constructor(
    readonly options: ChildOptions,
    child: ChildProcess,
  ) {
    this.process = child;
    this.pid = child.pid as number;
    this.end = once(child, 'exit').then(() => hasEnded(this.pid));
    for (const stream of [child.stdout, child.stderr]) this.follow(stream as NodeJS.ReadableStream);
  }

  /** Starts the process. Throws when the program does not exist. */
  static async start(options: ChildOptions): Promise<Child> {
    prepareReaper();
    const process = spawn(options.file, options.args, {
      cwd: options.cwd,
      env: childEnvironment(options.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (process.pid === undefined) {
      const [error] = (await once(process, 'error')) as [Error];
      throw new Error(`${options.file} cannot be started: ${error.message}`);
    }
    endWithUs(process.pid);
    return new Child(options, process);
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** How it ended: `exit code 1`, `signal SIGKILL`; undefined while it runs. */
  get ending(): string | undefined {
    if (this.process.signalCode !== null) return `signal ${this.process.signalCode}`;
    return this.process.exitCode === null ? undefined : `exit code ${this.process.exitCode}`;
  }

  /** The last lines of standard output and standard error, together. */
  output(): string {
    return this.lines.join('\n');
  }

  /** Calls `listener` with every line from now on; the answer ends it. */
  onLine(listener: (line: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Sends the signal and resolves when the process has ended; with SIGSTOP and SIGCONT it resolves at once. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.running) return this.end;
    this.process.kill(signal);
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') return;
    await this.end;
  }

  /** SIGTERM, and SIGKILL when the process is still there after five seconds. Resolves when it has ended. */
  async stop(): Promise<void> {
    if (!this.running) return this.end;
    this.process.kill('SIGTERM');
    const patience = new AbortController();
    const late = sleep(GRACE_MS, 'late', { signal: patience.signal }).catch(() => 'ended');
    const first = await Promise.race([this.end, late]);
    patience.abort();
    if (first === 'late') await this.kill('SIGKILL');
  }

  /** Resolves when the process has ended. */
  ended(): Promise<void> {
    return this.end;
  }

  private follow(stream: NodeJS.ReadableStream): void {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() as string;
      for (const line of parts) this.take(line);
    });
    stream.on('end', () => {
      if (rest !== '') this.take(rest);
    });
    stream.on('error', () => undefined);
  }

  private take(line: string): void {
    this.lines.push(line);
    if (this.lines.length > LINES_KEPT) this.lines.shift();
    for (const listener of this.listeners) listener(line);
  }
}
