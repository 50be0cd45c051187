/** Where a recent event id was written. */
export interface RecentEvent {
  stream: number;
  rev: number;
}

const CAPACITY = 65_536;

/**
 * The ids of recent appends, by which a repeated append with `any` is recognised. As on the real server they are
 * bounded and in memory only: after a restart a repeat with `any` appends again.
 */
export class RecentEvents {
  readonly #events = new Map<string, RecentEvent>();
  /**
   * The same ids in a ring, the oldest at `#next` once it is full. The map knows the order as well, but looks for its
   * first entry past the places of all that were deleted since it was last laid out anew: tens of thousands.
   */
  #ring: string[] = [];
  #next = 0;

  constructor(private readonly capacity = CAPACITY) {}

  find(id: string): RecentEvent | undefined {
    return this.#events.get(id);
  }

  add(id: string, stream: number, rev: number): void {
    const count = this.#events.size;
    this.#events.set(id, { stream, rev });
    if (this.#events.size === count) return;
    const oldest = this.#ring[this.#next];
    if (oldest !== undefined) this.#events.delete(oldest);
    this.#ring[this.#next] = id;
    this.#next = (this.#next + 1) % this.capacity;
  }

  /** Forgets everything, after a transaction was rolled back. */
  clear(): void {
    this.#events.clear();
    this.#ring = [];
    this.#next = 0;
  }
}
