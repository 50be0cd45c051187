import type { StoredEvent } from './store.js';

const MAX_EVENTS = 4096;
const MAX_BYTES = 16 * 1024 * 1024;

/** The newest events of the log in memory, from which live subscriptions are served. */
export class Tail {
  #events: StoredEvent[] = [];
  #bytes = 0;

  /** `head` is the position of the newest event of the log. */
  constructor(private head: number) {}

  /** Position of the newest committed event. */
  get last(): number {
    return this.head;
  }

  /** Adds committed events in order of position. */
  add(events: readonly StoredEvent[]): void {
    for (const event of events) {
      this.#events.push(event);
      this.#bytes += event.body.length;
      this.head = event.pos;
    }
    this.#trim();
  }

  /** Drops the oldest events in large steps, so that adding stays cheap. */
  #trim(): void {
    if (this.#events.length <= 2 * MAX_EVENTS && this.#bytes <= 2 * MAX_BYTES) return;
    let from = this.#events.length;
    let bytes = 0;
    while (from > 0 && this.#events.length - from < MAX_EVENTS && bytes < MAX_BYTES) {
      from--;
      bytes += this.#events[from]!.body.length;
    }
    this.#events = this.#events.slice(from);
    this.#bytes = bytes;
  }

  /** Whether the events from position `from` on are all in memory. */
  holds(from: number): boolean {
    return from > this.head || (this.#events[0]?.pos ?? Infinity) <= from;
  }

  /** Events from position `from` on, which must be held. */
  from(from: number, limit: number): StoredEvent[] {
    const first = this.#events[0];
    return first ? this.#events.slice(from - first.pos, from - first.pos + limit) : [];
  }
}
