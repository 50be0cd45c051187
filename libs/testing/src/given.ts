import { AssertionError, deepStrictEqual } from 'node:assert/strict';

/** What a decide function answers: events, or an object that carries them. Refusals are thrown (or answered). */
export type Decision<E> = readonly E[] | { readonly events: readonly E[] } | { readonly code: string };

export interface Decider<S, E> {
  /** The state before any event; a function when it cannot be shared between scenarios. */
  initial: S | (() => S);
  evolve(state: S, event: E): S;
}

/** What may be said about a decision: exactly one of the three. */
export interface Then<E> {
  /** These whole events, in this order, and no others. */
  emits(expected: readonly E[]): void;
  /** A refusal with this code and, when given, with exactly these data. */
  refuses(code: string, data?: unknown): void;
  /** No event and no refusal. */
  changesNothing(): void;
}

export interface Given<S, E> {
  when(decide: (state: S) => Decision<E>): Then<E>;
  /** The state that the given events lead to, for looking at folds. */
  state(): S;
}

interface Refused {
  code: string;
  data?: unknown;
}

type Outcome<E> = { events: readonly E[] } | { refusal: Refused };

/** A refusal is known by its `code`, whether it was thrown or answered; Node's own errors (ENOENT …) are none. */
function asRefusal(value: unknown): Refused | undefined {
  if (typeof value !== 'object' || value === null || !('code' in value)) return undefined;
  const { code } = value;
  return typeof code === 'string' && code.includes(':') ? (value as Refused) : undefined;
}

/** Freezes plain objects and arrays throughout, so that a decision or a fold that writes to its input throws. */
function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value))
    return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
  return value;
}

function decideOnce<S, E>(state: S, decide: (state: S) => Decision<E>): Outcome<E> {
  try {
    const decision = decide(state);
    if (decision instanceof Promise) throw new TypeError('a decide function is synchronous');
    const refusal = asRefusal(decision);
    if (refusal) return { refusal };
    const events = Array.isArray(decision) ? decision : (decision as { events: readonly E[] }).events;
    if (!Array.isArray(events)) throw new TypeError('a decide function answers events or refuses');
    return { events };
  } catch (thrown) {
    const refusal = asRefusal(thrown);
    if (refusal) return { refusal };
    throw thrown;
  }
}

/** Decides twice: a decision that depends on anything but its input shows itself here. */
function decideAlike<S, E>(state: S, decide: (state: S) => Decision<E>): Outcome<E> {
  const [first, second] = [decideOnce(state, decide), decideOnce(state, decide)];
  const plain = (outcome: Outcome<E>): unknown =>
    'refusal' in outcome ? { code: outcome.refusal.code, data: outcome.refusal.data } : outcome.events;
  deepStrictEqual(plain(second), plain(first), 'the same decision on the same state came out differently');
  return first;
}

function fail(message: string, actual: unknown, expected: unknown): never {
  throw new AssertionError({ message, actual, expected, operator: 'deepStrictEqual' });
}

function describe(outcome: Outcome<unknown>): string {
  if ('refusal' in outcome) return `it refused with ${outcome.refusal.code}`;
  return outcome.events.length === 0 ? 'it changed nothing' : `it emitted ${outcome.events.length} event(s)`;
}

function thens<S, E>(decider: Decider<S, E>, state: S, outcome: Outcome<E>): Then<E> {
  return {
    emits(expected) {
      if (expected.length === 0) throw new TypeError('use changesNothing() when no event is expected');
      if ('refusal' in outcome)
        return fail(`expected events, but ${describe(outcome)}`, outcome.refusal, expected);
      deepStrictEqual(outcome.events, expected);
      outcome.events.reduce<S>((folded, event) => freeze(decider.evolve(folded, event)), state);
    },
    refuses(code, ...data) {
      if (!('refusal' in outcome))
        return fail(`expected ${code}, but ${describe(outcome)}`, outcome.events, code);
      deepStrictEqual(outcome.refusal.code, code);
      if (data.length > 0) deepStrictEqual(outcome.refusal.data, data[0]);
    },
    changesNothing() {
      if ('refusal' in outcome)
        return fail(`expected no change, but ${describe(outcome)}`, outcome.refusal, []);
      deepStrictEqual(outcome.events, []);
    },
  };
}

/**
 * Given/when/then for a decider:
 * `scenario({ initial, evolve }).given([event]).when((state) => decide(state, command)).emits([event])`.
 *
 * State is frozen before it is handed out and every decision is made twice, so that a fold or a decision that is not
 * pure fails here. The events that were emitted must also fold.
 */
export function scenario<S, E>(decider: Decider<S, E>): { given(events: readonly E[]): Given<S, E> } {
  return {
    given(events) {
      const { initial } = decider;
      const start = typeof initial === 'function' ? (initial as () => S)() : initial;
      const state = events.reduce<S>(
        (folded, event) => freeze(decider.evolve(folded, freeze(event))),
        freeze(start),
      );
      return {
        when: (decide) => thens(decider, state, decideAlike(state, decide)),
        state: () => state,
      };
    },
  };
}
