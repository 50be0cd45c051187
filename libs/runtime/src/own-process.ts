import type { Log } from './log.js';

const PARENT_POLL_MS = 500;
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

interface Owner {
  /** The process that this one must not outlive. */
  parent: number | undefined;
  log: Log;
  /** How long an orderly stop may take before the process ends without it, in milliseconds. */
  limitMs: number;
  stop(): Promise<void>;
}

/**
 * Ties the process to the service: it stops on SIGTERM, SIGINT and the end of its parent, with code 0 when
 * it stopped in order and 1 when that took too long, and it ends with a log line, not with Node's own
 * words, when something was thrown that nobody caught. The answer unties it.
 */
export function ownProcess(owner: Owner): () => void {
  let stopping = false;
  const stop = (reason: string): void => {
    if (stopping) return;
    stopping = true;
    owner.log.info('stopping', { reason });
    setTimeout(() => {
      owner.log.error('did not stop in time');
      process.exit(1);
    }, owner.limitMs).unref();
    owner.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  const crash = (error: unknown): void => {
    owner.log.error('crashed', error);
    process.exit(1);
  };
  const listeners = SIGNALS.map((signal) => ({ signal, listener: () => stop(signal) }));
  for (const { signal, listener } of listeners) process.on(signal, listener);
  process.on('uncaughtException', crash);
  const watch = watchParent(owner.parent, () => stop('parent'));
  return () => {
    for (const { signal, listener } of listeners) process.off(signal, listener);
    process.off('uncaughtException', crash);
    clearInterval(watch);
  };
}

/**
 * Calls back once the parent is gone: its number is free, or this process has been given to another parent.
 */
function watchParent(parent: number | undefined, gone: () => void): NodeJS.Timeout | undefined {
  if (parent === undefined) return undefined;
  const isOurs = process.ppid === parent;
  return setInterval(() => {
    if ((isOurs && process.ppid !== parent) || !exists(parent)) gone();
  }, PARENT_POLL_MS).unref();
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
