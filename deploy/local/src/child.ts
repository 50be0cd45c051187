import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Guard } from './guard.js';
import type { ProcessSpec } from './plan.js';
import { whyNotReady } from './ready.js';

const READY_MS = 90_000;
const POLL_MS = 100;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 15_000;
/** A process that ran this long is restarted without delay, as if it had never crashed. */
const SETTLED_MS = 60_000;
const LINES_SHOWN = 20;

/** How long to wait before the nth restart in a row, n from 0; doubles up to fifteen seconds. */
export function backOff(crashes: number): number {
  return Math.min(BACKOFF_FIRST_MS * 2 ** crashes, BACKOFF_MAX_MS);
}

export interface Surroundings {
  guard: Guard;
  /** Where the output of the process goes; appended to. */
  logFile: string;
  inherited: Readonly<Record<string, string>>;
  say(line: string): void;
}

/** One process of the stack: started, waited for, started again when it crashes, and stopped. */
export class StackChild {
  private process: ChildProcess | undefined;
  private wanted = false;
  private crashes = 0;
  private startedAt = 0;
  private readonly cancelRestart = new AbortController();

  constructor(
    readonly spec: ProcessSpec,
    private readonly around: Surroundings,
  ) {}

  get pid(): number | undefined {
    return this.running ? this.process?.pid : undefined;
  }

  get running(): boolean {
    return (
      this.process?.pid !== undefined && this.process.exitCode === null && this.process.signalCode === null
    );
  }

  /** Starts it and resolves when it is ready. Throws with the end of its log when it ends or does not get ready. */
  async start(): Promise<void> {
    this.wanted = true;
    this.launch();
    const end = performance.now() + READY_MS;
    for (;;) {
      const missing = await whyNotReady(this.spec.ready);
      if (!this.wanted) throw new Error(`${this.spec.name} was stopped before it was ready`);
      if (!this.running) throw this.failure(`${this.spec.name} ended (${this.ending()}) before it was ready`);
      if (missing === undefined) return;
      if (performance.now() > end) throw this.failure(`${this.spec.name} is not ready: ${missing}`);
      await sleep(POLL_MS);
    }
  }

  /** From now on an end that nobody asked for is answered by a restart. */
  keepRunning(): void {
    this.process?.once('exit', () => void this.restart());
    if (!this.running) void this.restart();
  }

  /** SIGTERM to the process, and SIGKILL to its whole group after `graceMs`. Resolves when it has ended. */
  async stop(graceMs: number): Promise<void> {
    this.wanted = false;
    this.cancelRestart.abort();
    const child = this.process;
    if (!child || !this.running) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const patience = new AbortController();
    const late = sleep(graceMs, 'late', { signal: patience.signal }).catch(() => undefined);
    if ((await Promise.race([ended, late])) === 'late') {
      this.around.say(`${this.spec.name} did not end within ${graceMs / 1000} s and is killed`);
      this.kill();
      await ended;
    }
    patience.abort();
  }

  /** Kills the process and everything it started, at once. */
  kill(): void {
    this.wanted = false;
    this.cancelRestart.abort();
    const pid = this.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      this.process?.kill('SIGKILL');
    }
  }

  private launch(): void {
    const { spec, around } = this;
    const log = openSync(around.logFile, 'a', 0o600);
    try {
      const child = spawn(spec.file, spec.args, {
        env: { ...around.inherited, ...spec.env },
        stdio: ['ignore', log, log],
        detached: true,
      });
      child.on('error', (error) => around.say(`${spec.name} cannot be started: ${error.message}`));
      this.process = child;
      this.startedAt = performance.now();
      const { pid } = child;
      if (pid === undefined) return;
      around.guard.watch(pid);
      child.once('exit', () => around.guard.forget(pid));
    } finally {
      closeSync(log);
    }
  }

  private async restart(): Promise<void> {
    if (!this.wanted) return;
    if (performance.now() - this.startedAt > SETTLED_MS) this.crashes = 0;
    const wait = backOff(this.crashes);
    this.crashes += 1;
    const { name } = this.spec;
    this.around.say(
      `${name} ended (${this.ending()}); starting it again in ${wait / 1000} s. Log: ${this.around.logFile}`,
    );
    const cancelled = await sleep(wait, false, { signal: this.cancelRestart.signal }).catch(() => true);
    if (cancelled || !this.wanted) return;
    this.launch();
    this.process?.once('exit', () => void this.restart());
    void this.announce();
  }

  private async announce(): Promise<void> {
    const child = this.process;
    while (this.running && this.wanted && this.process === child) {
      if ((await whyNotReady(this.spec.ready)) === undefined) {
        this.around.say(`${this.spec.name} runs again`);
        return;
      }
      await sleep(POLL_MS);
    }
  }

  private ending(): string {
    if (this.process?.pid === undefined) return 'could not be started';
    const { signalCode, exitCode } = this.process;
    return signalCode === null ? `exit code ${exitCode}` : `signal ${signalCode}`;
  }

  private failure(message: string): Error {
    const { logFile } = this.around;
    const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LINES_SHOWN);
    return new Error([`${message}. The end of ${logFile}:`, ...lines.map((line) => `  ${line}`)].join('\n'));
  }
}
