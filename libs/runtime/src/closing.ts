import type { Log } from './log.js';
import { settled } from './settled.js';

const STEP_MS = 1_000;

/**
 * Connections that must outlive every shutdown hook: closed one after another, in the order in which they
 * were added.
 */
export class Closing {
  private readonly steps: { name: string; close: () => Promise<void> }[] = [];

  constructor(private readonly log: Log) {}

  add(name: string, close: () => Promise<void>): void {
    this.steps.push({ name, close });
  }

  /**
   * One that fails, or does not settle in `limitMs` milliseconds, is logged and does not keep the others
   * open.
   */
  async close(limitMs = STEP_MS): Promise<void> {
    for (const { name, close } of this.steps.splice(0)) {
      try {
        const isClosed = await settled(close(), AbortSignal.timeout(limitMs));
        if (!isClosed) this.log.warn('not closed in time', { connection: name });
      } catch (error) {
        this.log.error('not closed in order', error, { connection: name });
      }
    }
  }
}
