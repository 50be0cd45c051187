import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createFilter } from './filter.js';
import { streams } from './generated.js';
import { createdField, encodeReadEvent, streamNameOf, systemEvent } from './recorded.js';
import { Scan } from './scan.js';
import { openDatabase } from './schema.js';
import { Store, type StoredEvent } from './store.js';
import { Checkpoints } from './subscribe-to-all.js';
import { Tail } from './tail.js';

const dir = mkdtempSync(join(tmpdir(), 'embedded-eventstore-'));
const store = new Store(openDatabase(dir));
afterAll(() => {
  store.db.close();
  rmSync(dir, { recursive: true });
});

const NAMES = ['a-1', 'a-2', 'ab-1', 'ab', 'a', 'b-1', '$$a-1', '-x', 'a-1-2'];
const log: StoredEvent[] = [];
store.db.transaction(() => {
  const field = createdField(Date.now());
  for (let pos = 1; pos <= 700; pos++) {
    // The square makes some streams dense and others rare.
    const name = NAMES[Math.floor(((pos * pos * 31) % 997) / 997 ** 0.5) % NAMES.length]!;
    const stream = store.findOrCreate(name);
    log.push(
      store.insert(stream, systemEvent('$User', `"${randomUUID()}"`), {
        pos,
        rev: stream.last + 1,
        ms: Date.now(),
        createdField: field,
      }),
    );
  }
})();

function prefixFilter(prefixes: string[], interval = 1) {
  const expression = new streams.ReadReq.Options.FilterOptions.Expression();
  expression.setPrefixList(prefixes);
  const options = new streams.ReadReq.Options.FilterOptions();
  options.setStreamIdentifier(expression);
  options.setMax(interval);
  options.setCheckpointintervalmultiplier(1);
  return createFilter(options, store);
}

const prefixes = fc.uniqueArray(
  fc.constantFrom('a', 'a-', 'a-1', 'ab', 'ab-', 'b', '-', '$', '$$a-', 'none-', 'b-1'),
  {
    minLength: 1,
    maxLength: 4,
  },
);
const limits = fc.record({
  rows: fc.integer({ min: 1, max: 40 }),
  bytes: fc.integer({ min: 1, max: 20_000 }),
});

describe('a scan by categories', () => {
  it('finds what looking at every event finds, and considers every position once', () => {
    fc.assert(
      fc.property(prefixes, fc.nat(700), fc.nat(700), limits, (wanted, from, to, limit) => {
        const scan = new Scan(store, from, to, prefixFilter(wanted), limit);
        const found: number[] = [];
        let considered = from;
        while (!scan.done) {
          const page = scan.next();
          expect(page.considered).toBeGreaterThan(considered);
          expect(page.events.every(({ pos }) => pos > considered && pos <= page.considered)).toBe(true);
          considered = page.considered;
          found.push(...page.events.map(({ pos }) => pos));
        }
        const expected = log
          .filter(({ pos }) => pos > from && pos <= to)
          .filter(({ body }) => wanted.some((prefix) => streamNameOf(body).startsWith(prefix)));
        expect(found).toEqual(expected.map(({ pos }) => pos));
        expect(considered).toBe(Math.max(from, to));
      }),
    );
  });

  it('has rare and frequent streams to choose from', () => {
    const counts = NAMES.map((name) => log.filter(({ body }) => streamNameOf(body) === name).length);
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });
});

/** The position that a response carries, as an event or as a checkpoint. */
function placesOf(message: Buffer): { event?: number; checkpoint?: number } {
  const response = streams.ReadResp.deserializeBinary(message);
  const checkpoint = response.getCheckpoint();
  return checkpoint
    ? { checkpoint: Number(checkpoint.getCommitPosition()) }
    : { event: Number(response.getEvent()!.getCommitPosition()) };
}

describe('checkpoints', () => {
  it('come after every event they cover, and at least once in every interval of what was considered', () => {
    const pages = fc.array(fc.tuple(fc.integer({ min: 1, max: 90 }), fc.nat(4)), { maxLength: 8 });
    fc.assert(
      fc.property(pages, fc.integer({ min: 1, max: 50 }), fc.nat(50), (steps, interval, from) => {
        const checkpoints = new Checkpoints(from, interval, encodeReadEvent);
        let considered = from;
        let covered = from;
        let delivered = from;
        for (const [length, keep] of steps) {
          const next = Math.min(considered + length, 700);
          const events = log.filter(({ pos }) => pos > considered && pos <= next && pos % 5 < keep);
          for (const message of checkpoints.interleave({ events, considered: next })) {
            const { event, checkpoint } = placesOf(message);
            // What comes is new: neither an event nor a checkpoint is covered by an earlier checkpoint.
            expect(event ?? checkpoint).toBeGreaterThan(covered);
            expect(event ?? delivered + 1).toBeGreaterThan(delivered);
            expect(checkpoint ?? delivered).toBeGreaterThanOrEqual(delivered);
            expect(((checkpoint ?? from) - from) % interval).toBe(0);
            expect(event ?? checkpoint).toBeLessThanOrEqual(next);
            delivered = event ?? delivered;
            covered = checkpoint ?? covered;
          }
          considered = next;
          expect(considered - covered).toBeLessThan(interval);
        }
      }),
    );
  });
});

describe('the newest events in memory', () => {
  it('are a tail of the log without gaps, and what is not held is said to be not held', () => {
    const tail = new Tail(0);
    expect([tail.holds(1), tail.from(1, 10)]).toEqual([true, []]);
    const event = (pos: number, size: number): StoredEvent => ({
      pos,
      rev: 0,
      type: 1,
      created: 0,
      body: Buffer.alloc(size),
    });
    for (let pos = 1; pos <= 20_000; pos++) tail.add([event(pos, 10)]);
    expect([tail.last, tail.holds(20_001), tail.holds(20_000), tail.holds(1)]).toEqual([
      20_000,
      true,
      true,
      false,
    ]);
    const first = Array.from({ length: 20_000 }, (_, n) => n + 1).find((pos) => tail.holds(pos))!;
    expect(tail.from(first, 20_000).map(({ pos }) => pos)).toEqual(
      Array.from({ length: 20_001 - first }, (_, n) => first + n),
    );
    expect(tail.from(19_999, 1).map(({ pos }) => pos)).toEqual([19_999]);
    for (let pos = 20_001; pos <= 20_050; pos++) tail.add([event(pos, 1024 * 1024)]);
    expect([tail.holds(20_000), tail.holds(20_040)]).toEqual([false, true]);
  });
});
