import { serverError } from './errors.js';

/** How long work may hold the event loop before it lets other connections in, in milliseconds. */
const SLICE_MS = 5;

/** Keeps long work from starving other connections, and ends it when the client's `maxTimeMS` is over. */
export class Pacer {
  private sliceStart = performance.now();
  private readonly deadline: number;

  /** @param maxTimeMs the client's limit in milliseconds; 0 or undefined means none */
  constructor(maxTimeMs?: number) {
    this.deadline = maxTimeMs ? this.sliceStart + maxTimeMs : Infinity;
  }

  /** True when it is time to call `pause`. */
  get due(): boolean {
    return performance.now() - this.sliceStart > SLICE_MS;
  }

  /**
   * Lets other work run.
   * @throws code 50 when the client's time limit is over
   */
  async pause(): Promise<void> {
    if (performance.now() > this.deadline) throw serverError(50, 'operation exceeded time limit');
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.sliceStart = performance.now();
  }
}

/** A sequence in which `undefined` marks a place where the work may be interrupted. */
export type Paced<T> = Generator<T | undefined, void, undefined>;

/** Takes items until the sequence ends or `take` returns false. */
export async function drain<T>(
  items: Paced<T>,
  pacer: Pacer,
  take: (item: T) => boolean | void,
): Promise<void> {
  let sinceCheck = 0;
  for (const item of items) {
    if (item !== undefined && take(item) === false) return;
    if ((item === undefined || ++sinceCheck >= 32) && pacer.due) await pacer.pause();
    if (sinceCheck >= 32) sinceCheck = 0;
  }
}
