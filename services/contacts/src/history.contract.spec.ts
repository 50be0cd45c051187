import type { ContactEvent } from '@muster/contracts/contact';
import type { FieldEvent } from '@muster/contracts/field';
import type { Fact } from '@muster/event-store/facts';
import { golden } from '@muster/event-store/test-history';
import { describe, expect, it } from 'vitest';
import * as contact from './domain/contact.js';
import * as field from './domain/field.js';

const PHONE = '1a'.repeat(32);
const EMAIL = '3c'.repeat(32);

function foldContact(facts: readonly Fact<ContactEvent>[]): contact.ContactState {
  return facts.reduce(
    (state, fact) =>
      contact.evolve(state, fact as unknown as ContactEvent, {
        at: fact.meta.at,
        source: fact.meta.source.kind,
      }),
    contact.NO_CONTACT,
  );
}

describe('the golden history of contacts', () => {
  it('folds to the contact as it was before it was deleted', async () => {
    const facts = await golden<ContactEvent>('contact');
    expect(foldContact(facts.slice(0, -1))).toEqual({
      contactId: '01990a5d-ac00-7000-8000-000000000100',
      life: 'live',
      firstName: 'Anna',
      lastName: null,
      externalId: 'crm-8',
      fields: { plan: 'vip' },
      details: [
        { kind: 'phone', key: PHONE, primary: true, value: '+15555550100' },
        { kind: 'email', key: EMAIL, primary: true, value: 'ann@example.com' },
      ],
      source: 'api',
      createdAt: '2026-11-22T09:00:09.000Z',
      updatedAt: '2026-11-22T09:00:14.000Z',
      identifiers: [contact.emailIdentifier(EMAIL), contact.externalIdentifier('crm-8')],
    });
  });

  it('folds to nothing but the fact that there was one, after the deletion', async () => {
    expect(foldContact(await golden<ContactEvent>('contact'))).toEqual({
      ...contact.NO_CONTACT,
      contactId: '01990a5d-ac00-7000-8000-000000000100',
      life: 'deleted',
      createdAt: '2026-11-22T09:00:09.000Z',
      updatedAt: '2026-11-22T09:00:15.000Z',
    });
  });
});

describe('the golden history of fields', () => {
  it('folds to the fields in the order of their making', async () => {
    const facts = await golden<FieldEvent>('fields');
    const state = facts.reduce(
      (folded, fact) => field.evolve(folded, fact as unknown as FieldEvent),
      field.NO_FIELDS,
    );
    expect(state.fields).toEqual([
      {
        key: 'plan',
        name: 'Plan',
        type: 'choice',
        choices: ['free', 'gold', 'vip'],
        required: false,
        default: false,
      },
      { key: 'age', name: 'Age', type: 'number', required: true, default: false },
    ]);
  });
});
