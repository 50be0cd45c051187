import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Call } from './call.js';
import { nextCommit } from './commit-wait.js';
import type { EventFilter } from './filter.js';
import type { EncodeEvent } from './encode-events.js';
import { CAUGHT_UP, FELL_BEHIND, encodeCheckpoint, encodeConfirmation } from './recorded.js';
import { Scan, type ScanPage } from './scan.js';
import { PAGE } from './store.js';
import type { Writer } from './writer.js';

/** Which events of the log a reader wants, and in which form. */
export interface LogView {
  filter?: EventFilter;
  encode: EncodeEvent;
}

/**
 * Serves a subscription to the log from behind `from` until the call is closed: history from the database, then
 * live events from memory. A subscriber so slow that memory no longer holds its next event is told that it fell
 * behind and reads history again.
 */
export async function subscribeToAll(call: Call, writer: Writer, from: number, view: LogView): Promise<void> {
  const { filter } = view;
  const checkpoints = filter && new Checkpoints(from, filter.checkpointInterval, view.encode);
  const encode = (page: ScanPage): Buffer[] =>
    checkpoints ? checkpoints.interleave(page) : page.events.map(view.encode);
  let position = from;
  let live = false;
  await call.send([encodeConfirmation(randomUUID())]);
  while (!call.closed) {
    if (live && position >= writer.tail.last) {
      await nextCommit(call, writer);
    } else if (live && writer.tail.holds(position + 1)) {
      const page = livePage(writer, position, filter);
      position = page.considered;
      await call.send(encode(page));
    } else {
      if (live) await call.send([FELL_BEHIND]);
      position = await catchUp(call, writer, position, filter, encode);
      live = position >= writer.tail.last && !call.closed;
      if (live) await call.send([CAUGHT_UP]);
    }
  }
}

/** Sends history from behind `from`; returns the position up to which everything has been sent. */
async function catchUp(
  call: Call,
  writer: Writer,
  from: number,
  filter: EventFilter | undefined,
  encode: (page: ScanPage) => Buffer[],
): Promise<number> {
  const scan = new Scan(writer.store, from, writer.tail.last, filter);
  let position = from;
  while (!scan.done && !call.closed) {
    const page = scan.next();
    position = page.considered;
    const full = call.send(encode(page));
    if (full) await full;
    else await nextTurn();
  }
  return position;
}

function livePage(writer: Writer, from: number, filter: EventFilter | undefined): ScanPage {
  const events = writer.tail.from(from + 1, PAGE.rows);
  return {
    events: filter ? events.filter((event) => filter.matches(event)) : events,
    considered: events.at(-1)?.pos ?? from,
  };
}

/**
 * Puts checkpoints between the events of a filtered subscription: one for every `interval` considered events, but
 * only the last of those that no event separates. A checkpoint at position p follows all matching events up to p,
 * so resuming from it misses nothing.
 */
export class Checkpoints {
  #considered: number;
  #since = 0;

  constructor(
    from: number,
    private readonly interval: number,
    private readonly encode: EncodeEvent,
  ) {
    this.#considered = from;
  }

  /** The page's events and the checkpoints that fall into it, in order. */
  interleave(page: ScanPage): Buffer[] {
    const messages: Buffer[] = [];
    for (const event of page.events) {
      this.#advance(event.pos - 1, messages);
      messages.push(this.encode(event));
      this.#advance(event.pos, messages);
    }
    this.#advance(page.considered, messages);
    return messages;
  }

  /** Considers everything up to `to`; positions are dense, so their difference counts events. */
  #advance(to: number, messages: Buffer[]): void {
    const since = this.#since + to - this.#considered;
    this.#considered = to;
    this.#since = since % this.interval;
    if (since >= this.interval) messages.push(encodeCheckpoint(to - this.#since));
  }
}
