/** A clock that stands still until a test moves it. */
export interface FixedClock {
  /** Milliseconds since 1970. */
  now(): number;
  date(): Date;
  /** ISO 8601 in UTC with milliseconds. */
  iso(): string;
  advance(by: { days?: number; hours?: number; minutes?: number; seconds?: number; ms?: number }): void;
  /** Sets the clock, backwards too. `at` is ISO 8601. */
  set(at: string): void;
}

/** A world in which nothing happens by chance: time and ids are the same in every run. */
export interface Universe {
  readonly clock: FixedClock;
  /** The next id: a UUID of version 4 by its form, numbered from 1. */
  id(): string;
  /** Whole numbers from 0 up to, but without, `below`; the same sequence for the same seed. */
  random(below: number): number;
}

const DAY_MS = 86_400_000;

/** A clock that starts at `at` (ISO 8601). */
export function fixedClock(at = '2026-01-15T12:00:00.000Z'): FixedClock {
  let now = instant(at);
  return {
    now: () => now,
    date: () => new Date(now),
    iso: () => new Date(now).toISOString(),
    advance: ({ days = 0, hours = 0, minutes = 0, seconds = 0, ms = 0 }) => {
      now += days * DAY_MS + hours * 3_600_000 + minutes * 60_000 + seconds * 1_000 + ms;
    },
    set: (to) => {
      now = instant(to);
    },
  };
}

function instant(iso: string): number {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) throw new RangeError(`${iso} is not an instant`);
  return ms;
}

/** The id numbered `n`, for tests that name ids themselves: `00000000-0000-4000-8000-000000000007`. */
export function idNumber(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
}

/** Mulberry32: 32 bits of state, enough for test data and the same on every platform. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A universe of its own for one test; two with the same options run alike. */
export function universe(options: { at?: string; seed?: number } = {}): Universe {
  let ids = 0;
  const draw = mulberry32(options.seed ?? 1);
  return {
    clock: fixedClock(options.at),
    id: () => idNumber((ids += 1)),
    random: (below) => Math.floor(draw() * below),
  };
}
