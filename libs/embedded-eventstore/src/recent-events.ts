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

  find(id: string): RecentEvent | undefined {
    return this.#events.get(id);
  }

  add(id: string, stream: number, rev: number): void {
    this.#events.set(id, { stream, rev });
    if (this.#events.size <= CAPACITY) return;
    const [oldest] = this.#events.keys();
    if (oldest !== undefined) this.#events.delete(oldest);
  }

  /** Forgets everything, after a transaction was rolled back. */
  clear(): void {
    this.#events.clear();
  }
}
