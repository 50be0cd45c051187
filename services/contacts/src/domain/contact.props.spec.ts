import type { ContactEvent } from '@muster/contracts/contact';
import { Refusal } from '@muster/contracts/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  changeContact,
  deleteContact,
  evolve,
  fenceDetail,
  NO_CONTACT,
  registerContact,
  type ContactChange,
  type ContactState,
} from './contact.js';

const occasion = { at: '2026-01-02T00:00:00.000Z', source: 'api' };
const detail = (kind: 'phone' | 'email') =>
  fc.constantFrom('a', 'b', 'c').map((letter) => ({ kind, key: `${kind} ${letter}`, value: letter }));
const nullable = <T>(values: fc.Arbitrary<T>) =>
  fc.option(fc.option(values, { nil: null }), { nil: undefined });
const change: fc.Arbitrary<ContactChange> = fc.record({
  phone: nullable(detail('phone')),
  email: nullable(detail('email')),
  firstName: nullable(fc.constantFrom('A', 'B')),
  lastName: nullable(fc.constantFrom('A', 'B')),
  externalId: nullable(fc.constantFrom('1', '2')),
  fields: fc.option(fc.dictionary(fc.constantFrom('x', 'y'), fc.option(fc.integer())), { nil: undefined }),
});
type Act = (state: ContactState) => ContactEvent[];
const named = (name: string, to: unknown, one: Act): Act =>
  Object.assign(one, { [fc.toStringMethod]: () => `${name} ${JSON.stringify(to)}` });
const act: fc.Arbitrary<Act> = fc.oneof(
  fc
    .tuple(change, fc.constantFrom('overwrite' as const, 'fill' as const, 'never' as const))
    .map(([to, update]) =>
      named(`register ${update}`, to, (state) =>
        registerContact(state, { contactId: 'c', change: to, basis: undefined, update, required: [] }),
      ),
    ),
  change.map((to) =>
    named('change', to, (state) => changeContact(state, { change: to, basis: undefined, required: [] })),
  ),
  fc.constant<Act>(deleteContact),
);

function perform(state: ContactState, one: Act): ContactState {
  try {
    return one(state).reduce((folded, event) => evolve(folded, event, occasion), state);
  } catch (error) {
    if (error instanceof Refusal) return state;
    throw error;
  }
}
const run = (acts: readonly Act[]): ContactState => acts.reduce(perform, NO_CONTACT);

describe('laws of contacts', () => {
  it('a command applied twice does nothing the second time', () => {
    fc.assert(
      fc.property(fc.array(act), act, (before, last) => {
        const state = run([...before, last]);
        expect(perform(state, last)).toEqual(state);
      }),
    );
  });

  it('a contact has at most one primary detail of each kind, and one if it has any', () => {
    fc.assert(
      fc.property(fc.array(act), (acts) => {
        const { details } = run(acts);
        for (const kind of ['phone', 'email'] as const) {
          const same = details.filter((one) => one.kind === kind);
          expect(same.filter((one) => one.primary)).toHaveLength(same.length > 0 ? 1 : 0);
          expect(new Set(same.map((one) => one.key)).size).toBe(same.length);
        }
      }),
    );
  });

  it('a fence never gives a contact anything, and a deleted one stays empty for ever', () => {
    fc.assert(
      fc.property(fc.array(act), fc.array(act), (before, after) => {
        const state = run(before);
        const fenced = perform(state, (known) => fenceDetail(known, 'phone', 'z'.repeat(64)));
        expect(fenced.details).toEqual(state.details);
        if (state.life === 'none') return;
        const gone = after.reduce(perform, perform(state, deleteContact));
        expect(gone).toMatchObject({ life: 'deleted', details: [], firstName: null, fields: {} });
      }),
    );
  });
});
