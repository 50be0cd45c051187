import type { Log } from './log.js';

/** Connections that must outlive every shutdown hook: closed one after another, in the order in which they were added. */
export class Closing {
  private readonly steps: { name: string; close: () => Promise<void> }[] = [];

  constructor(private readonly log: Log) {}

  add(name: string, close: () => Promise<void>): void {
    this.steps.push({ name, close });
  }

  /** One that fails is logged and does not keep the others open. */
  async close(): Promise<void> {
    for (const { name, close } of this.steps.splice(0)) {
      try {
        await close();
      } catch (error) {
        this.log.error('not closed in order', error, { connection: name });
      }
    }
  }
}
