import { fstatSync } from 'node:fs';

/** How often the parent is looked for, in milliseconds. */
const POLL_MS = 500;

/**
 * Calls back once when the process that started this one has gone, however it went: a pipe on standard
 * input ends
 * with it, and an orphan gets another parent.
 */
export function whenParentEnds(callback: () => void): void {
  const parent = process.ppid;
  let called = false;
  const once = (): void => {
    if (called) return;
    called = true;
    clearInterval(poll);
    callback();
  };
  const poll = setInterval(() => {
    if (process.ppid !== parent) once();
  }, POLL_MS);
  poll.unref();
  if (!stdinIsPipe()) return;
  process.stdin.on('end', once);
  process.stdin.on('error', once);
  process.stdin.resume();
  process.stdin.unref?.();
}

/** Only a pipe tells that its other end has gone; a terminal or /dev/null would end at once or never. */
function stdinIsPipe(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isSocket();
  } catch {
    return false;
  }
}
