import { setTimeout as sleep } from 'node:timers/promises';

const CHECK_MS = 2_000;
const POLL_MS = 50;

export type ReadinessCheck = () => boolean | Promise<boolean>;

/**
 * Whether this replica may be used. Everything that must have happened before, or must hold, registers a
 * check.
 */
export class Readiness {
  private readonly checks = new Map<string, ReadinessCheck>();
  private readonly leaving = new AbortController();
  private isServing: () => boolean = () => false;

  /**
   * A check that throws or takes longer than two seconds counts as not ready. A second one under a name
   * replaces the first.
   */
  register(name: string, check: ReadinessCheck): void {
    this.checks.set(name, check);
  }

  /** Aborted when the service begins to stop: streams that would stay open for ever end on it. */
  get draining(): AbortSignal {
    return this.leaving.signal;
  }

  /** From now on, not ready for good. */
  drain(): void {
    this.leaving.abort();
  }

  /** The queue group has been joined: called once by the bootstrap, with what tells whether that still holds. */
  opened(isServing: () => boolean): void {
    this.isServing = isServing;
  }

  /** The names of what is not ready, empty when this replica may be used. */
  async missing(): Promise<string[]> {
    const names = await this.failing();
    if (!this.isServing()) names.push('requests');
    if (this.leaving.signal.aborted) names.push('draining');
    return names;
  }

  /**
   * Resolves when every registered check has held at the same time; false when the service was told to stop
   * before.
   */
  async untilReady(): Promise<boolean> {
    while (!this.leaving.signal.aborted) {
      if ((await this.failing()).length === 0) return true;
      await sleep(POLL_MS);
    }
    return false;
  }

  private async failing(): Promise<string[]> {
    const results = await Promise.all(
      [...this.checks].map(async ([name, check]) => ((await holds(check)) ? [] : [name])),
    );
    return results.flat();
  }
}

async function holds(check: ReadinessCheck): Promise<boolean> {
  const patience = new AbortController();
  try {
    const late = sleep(CHECK_MS, false, { signal: patience.signal, ref: false }).catch(() => false);
    return await Promise.race([Promise.resolve(check()), late]);
  } catch {
    return false;
  } finally {
    patience.abort();
  }
}
