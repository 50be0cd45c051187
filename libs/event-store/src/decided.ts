import { eventDefinition } from '@muster/contracts/all-events';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import type { NewEvent } from './facts.js';
import type { Head } from './heads.js';

/** What a fold may know of an event beside its data. */
export interface EventContext {
  id: string;
  revision: number;
  position: number;
  meta: Envelope;
}

export interface Decided<S, E extends NewEvent> {
  /** The head now; a command that follows on the same aggregate may start from it. */
  head: Head<S>;
  state: S;
  revision: number;
  position: number;
  /** `repeated`: this very command was done before, and nothing was done now. */
  outcome: 'applied' | 'nothing' | 'repeated';
  /** Types of the events that the command led to, then or now. */
  types: string[];
  events: E[];
}

export interface ExecuteOptions<S> {
  /** The head as the caller has just seen it: not looked up again, and never believed when nothing would follow from it. */
  known?: Head<S>;
  /**
   * The caller is about to make the head current itself before it answers, with another command on the same aggregate or
   * by `settle`. Where it does not come to that, the head is repaired as after a crash.
   */
  headFollows?: boolean;
  /** Called after a conflict, before deciding again: what was looked up outside the stream may have changed too. */
  onConflict?: () => Promise<void>;
}

export interface BulkItem<S, E extends NewEvent> extends ExecuteOptions<S> {
  envelope: Envelope;
  id: string;
  decide: (state: S) => E[];
}

export type DoneRecord = { types: string[]; position: number };

export function hasPersonal(event: NewEvent): boolean {
  const personal = eventDefinition(event.type)?.personal ?? [];
  return personal.some((name) => (event.data as Record<string, unknown>)[name] !== undefined);
}

export function applied<S, E extends NewEvent>(head: Head<S>, events: E[]): Decided<S, E> {
  const types = events.map((event) => event.type);
  return {
    head,
    state: head.state,
    revision: head.revision,
    position: head.position,
    outcome: 'applied',
    types,
    events,
  };
}

export function nothing<S, E extends NewEvent>(head: Head<S>): Decided<S, E> {
  const position = Math.max(head.position, 0);
  const { state, revision } = head;
  return { head, state, revision, position, outcome: 'nothing', types: [], events: [] };
}

export function repeated<S, E extends NewEvent>(head: Head<S>, done: DoneRecord): Decided<S, E> {
  const { types, position } = done;
  const { state, revision } = head;
  return { head, state, revision, position, outcome: 'repeated', types, events: [] };
}

/** @throws whatever is no refusal */
export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  throw error;
}

/** Indexes of items in waves, so that no wave names an aggregate twice. */
export function waves<S, E extends NewEvent>(items: readonly BulkItem<S, E>[]): number[][] {
  const count = new Map<string, number>();
  const result: number[][] = [];
  items.forEach((item, index) => {
    const wave = count.get(item.id) ?? 0;
    count.set(item.id, wave + 1);
    (result[wave] ??= []).push(index);
  });
  return result;
}

/** Runs at most `limit` at once; the first failure is thrown after all that were begun have ended. */
export async function eachLimited<T>(
  items: readonly T[],
  limit: number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next] as T;
      next += 1;
      await run(item);
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, worker));
  const failed = ended.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
