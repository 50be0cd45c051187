import type { EventFilter } from './filter.js';
import { PAGE, type PageLimit, type Store, type StoredEvent } from './store.js';

/** A page of matching events, and the position up to which everything has been considered. */
export interface ScanPage {
  events: StoredEvent[];
  considered: number;
}

/**
 * Reads the log forwards from behind `from` up to and including `to`, which must not be beyond its end. A filter
 * by stream name prefix reads only the categories concerned, so that rare events are found without a scan.
 */
export class Scan {
  #considered: number;
  readonly #merge: CategoryMerge | undefined;

  constructor(
    private readonly store: Store,
    from: number,
    private readonly to: number,
    private readonly filter?: EventFilter,
    private readonly limit: PageLimit = PAGE,
  ) {
    this.#considered = from;
    const categories = filter?.categories();
    this.#merge = categories && new CategoryMerge(store, categories, from + 1, to);
  }

  get done(): boolean {
    return this.#considered >= this.to;
  }

  /** The next page; it may be empty although the end is not reached. */
  next(): ScanPage {
    return this.#merge ? this.#nextMerged(this.#merge) : this.#nextOfAll();
  }

  #nextOfAll(): ScanPage {
    const rows = this.store.readAll(this.#considered + 1, false, this.limit);
    const events = rows.filter((event) => event.pos <= this.to && (this.filter?.matches(event) ?? true));
    this.#considered = Math.min(rows.at(-1)?.pos ?? this.to, this.to);
    return { events, considered: this.#considered };
  }

  #nextMerged(merge: CategoryMerge): ScanPage {
    const events: StoredEvent[] = [];
    let bytes = 0;
    this.#considered = this.to;
    for (let taken = 1; ; taken++) {
      const event = merge.next();
      if (!event) break;
      bytes += event.body.length;
      if (this.filter?.matches(event)) events.push(event);
      if (taken < this.limit.rows && bytes < this.limit.bytes) continue;
      this.#considered = event.pos;
      break;
    }
    return { events, considered: this.#considered };
  }
}

/** One category's part of the merge: some rows read ahead. */
interface Lane {
  category: number;
  rows: StoredEvent[];
  at: number;
  next: number;
}

const LANE: PageLimit = { rows: 64, bytes: 256 * 1024 };

/** Merges categories by position, each read ahead a little. */
class CategoryMerge {
  readonly #lanes: Lane[];

  constructor(
    private readonly store: Store,
    categories: readonly number[],
    from: number,
    private readonly to: number,
  ) {
    const limit = categories.length === 1 ? PAGE : LANE;
    this.#lanes = categories.map((category) => ({ category, rows: [], at: 0, next: from }));
    this.#limit = limit;
  }

  readonly #limit: PageLimit;

  /** The oldest event that was not taken yet, or undefined at the end. */
  next(): StoredEvent | undefined {
    let oldest: Lane | undefined;
    for (const lane of this.#lanes) {
      if (lane.at === lane.rows.length) this.#fill(lane);
      const event = lane.rows[lane.at];
      if (event && (!oldest || event.pos < oldest.rows[oldest.at]!.pos)) oldest = lane;
    }
    return oldest?.rows[oldest.at++];
  }

  #fill(lane: Lane): void {
    if (lane.next > this.to) return;
    lane.rows = this.store.readCategory(lane.category, lane.next, this.to, this.#limit);
    lane.at = 0;
    lane.next = (lane.rows.at(-1)?.pos ?? this.to) + 1;
  }
}
