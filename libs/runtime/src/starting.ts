import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from './log.js';
import type { Readiness } from './readiness.js';

const RETRY_MS = 500;

/**
 * Does what a replica must have done before it may be used, such as making indexes or loading a memory, without holding up the
 * start: the stores may not be up yet. Repeats until it succeeds or the service stops, and is not ready before.
 */
export function startWhenReachable(
  readiness: Readiness,
  log: Log,
  name: string,
  start: () => Promise<unknown>,
): void {
  let isDone = false;
  readiness.register(name, () => isDone);
  void (async () => {
    while (!readiness.draining.aborted) {
      try {
        await start();
        isDone = true;
        return;
      } catch (error) {
        log.error('a part could not start yet', error, { part: name });
        await sleep(RETRY_MS, undefined, { signal: readiness.draining }).catch(() => undefined);
      }
    }
  })();
}
