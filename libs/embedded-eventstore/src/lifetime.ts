import { fstatSync } from 'node:fs';

const PARENT_POLL_MS = 500;

/**
 * Calls `stop` once when this process should end: on SIGTERM or SIGINT, or when the process that started it is
 * gone. The kernel closes our stdin and IPC channel even when the parent is killed; a parent that gave us neither
 * is noticed by its process id.
 */
export function onEndOfLife(stop: () => void): void {
  let stopped = false;
  const once = (): void => {
    if (stopped) return;
    stopped = true;
    stop();
  };
  process.on('SIGTERM', once);
  process.on('SIGINT', once);
  process.on('disconnect', once);
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && once(), PARENT_POLL_MS).unref();
  if (!stdinIsPipe()) return;
  process.stdin.on('end', once);
  process.stdin.on('close', once);
  process.stdin.on('error', once);
  process.stdin.resume();
}

/** Only a pipe tells that the parent is gone; /dev/null ends at once and a terminal is the user's. */
function stdinIsPipe(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isSocket();
  } catch {
    return false;
  }
}
