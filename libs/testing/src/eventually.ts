import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Repeats `attempt` until it neither throws nor answers false, and returns its answer. After `timeoutMs` the last
 * failure is thrown, so that a test shows what was still wrong and not merely that time ran out.
 */
export async function eventually<T>(attempt: () => T | Promise<T>, timeoutMs = 10_000): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (let pause = 5; ; pause = Math.min(pause * 1.5, 200)) {
    try {
      const answer = await attempt();
      if (answer !== false) return answer;
      if (performance.now() > end) throw new Error(`still false after ${timeoutMs} ms`);
    } catch (failure) {
      if (performance.now() > end) throw failure;
    }
    await sleep(pause);
  }
}
