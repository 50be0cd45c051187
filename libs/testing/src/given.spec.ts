import { describe, expect, it } from 'vitest';
import { scenario } from './given.js';

interface Counted {
  type: 'Counted';
  by: number;
}
interface State {
  total: number;
  seen: number[];
}
class Refusal extends Error {
  constructor(
    readonly code: string,
    readonly data: Record<string, unknown> = {},
  ) {
    super(code);
  }
}
const counted = (by: number): Counted => ({ type: 'Counted', by });
const counter = scenario<State, Counted>({
  initial: { total: 0, seen: [] },
  evolve: (state, event) => ({ total: state.total + event.by, seen: [...state.seen, event.by] }),
});
/** Adds in steps of at most ten; zero changes nothing; below zero is refused. */
function add(state: State, by: number): Counted[] {
  if (state.total + by < 0) throw new Refusal('counter:negative', { total: state.total });
  if (by === 0) return [];
  return by > 10 ? [counted(10), counted(by - 10)] : [counted(by)];
}
const given = counter.given([counted(3)]);

describe('what holds is accepted', () => {
  it('whole events in order', () => given.when((state) => add(state, 12)).emits([counted(10), counted(2)]));
  it('a refusal that is thrown', () => given.when((state) => add(state, -4)).refuses('counter:negative'));
  it('a refusal with its data', () =>
    given.when((state) => add(state, -4)).refuses('counter:negative', { total: 3 }));
  it('a refusal that is answered', () =>
    given.when(() => ({ code: 'counter:closed' })).refuses('counter:closed'));
  it('no change', () => given.when((state) => add(state, 0)).changesNothing());
  it('events inside a larger answer', () =>
    given.when((state) => ({ events: add(state, 1), head: state.total })).emits([counted(1)]));
  it('a state made anew for each scenario', () =>
    scenario<State, Counted>({ initial: () => ({ total: 0, seen: [] }), evolve: (state) => state })
      .given([])
      .when(() => [])
      .changesNothing());
  it('the state that events lead to', () => expect(given.state()).toEqual({ total: 3, seen: [3] }));
});

describe('what does not hold fails', () => {
  const two = given.when((state) => add(state, 12));
  const none = given.when((state) => add(state, 0));
  const refused = given.when((state) => add(state, -4));
  const canaries: [string, () => void][] = [
    ['a missing event', () => two.emits([counted(10)])],
    ['an event too many', () => two.emits([counted(10), counted(2), counted(1)])],
    ['another order', () => two.emits([counted(2), counted(10)])],
    ['a part of an event', () => two.emits([{ type: 'Counted' } as Counted, counted(2)])],
    ['a refusal where events are expected', () => refused.emits([counted(1)])],
    ['nothing where events are expected', () => none.emits([counted(1)])],
    ['an empty list of events', () => none.emits([])],
    ['events where a refusal is expected', () => two.refuses('counter:negative')],
    ['nothing where a refusal is expected', () => none.refuses('counter:negative')],
    ['another code', () => refused.refuses('counter:closed')],
    ['other data', () => refused.refuses('counter:negative', { total: 4 })],
    ['events where nothing is expected', () => two.changesNothing()],
    ['a refusal where nothing is expected', () => refused.changesNothing()],
  ];
  it.each(canaries)('%s', (_name, canary) => expect(canary).toThrow(Error));

  it('an error that is no refusal', () => {
    const broken = (): never => {
      throw Object.assign(new Error('disk'), { code: 'EIO' });
    };
    expect(() => given.when(broken).refuses('EIO')).toThrow('disk');
  });
  it('a decision that writes to the state', () => {
    expect(() => given.when((state) => (state.seen.push(1), [])).changesNothing()).toThrow(TypeError);
  });
  it('a fold that writes to the state', () => {
    const impure = scenario<State, Counted>({
      initial: { total: 0, seen: [] },
      evolve: (state, event) => Object.assign(state, { total: state.total + event.by }),
    });
    expect(() => impure.given([counted(1)])).toThrow(TypeError);
  });
  it('a decision that is not made alike twice', () => {
    let calls = 0;
    expect(() => given.when(() => [counted((calls += 1))]).emits([counted(1)])).toThrow(
      'came out differently',
    );
  });
  it('an emitted event that does not fold', () => {
    const brittle = scenario<State, Counted>({
      initial: { total: 0, seen: [] },
      evolve: () => {
        throw new Error('unknown event');
      },
    });
    expect(() =>
      brittle
        .given([])
        .when(() => [counted(1)])
        .emits([counted(1)]),
    ).toThrow('unknown event');
  });
  it('an answer that is neither events nor a refusal', () => {
    expect(() => given.when(() => undefined as never).changesNothing()).toThrow(TypeError);
    expect(() => given.when(() => Promise.resolve([]) as never).changesNothing()).toThrow('synchronous');
  });
});
