import type { ContactEvent } from '@muster/contracts/contact';
import { scenario } from '@muster/testing/given';
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
  type Register,
} from './contact.js';

const contactId = '01890a5d-ac96-774b-bcce-b302099a8057';
const basis = { source: 'form', at: '2026-01-01T00:00:00.000Z' };
const occasion = { at: '2026-01-02T00:00:00.000Z', source: 'api' };
const phone = { kind: 'phone' as const, key: 'a'.repeat(64), value: '+14155550100' };
const otherPhone = { kind: 'phone' as const, key: 'b'.repeat(64), value: '+14155550101' };
const email = { kind: 'email' as const, key: 'c'.repeat(64), value: 'ann@example.com' };

const { given } = scenario<ContactState, ContactEvent>({
  initial: NO_CONTACT,
  evolve: (state, event) => evolve(state, event, occasion),
});
const register =
  (change: ContactChange, more: Partial<Register> = {}) =>
  (state: ContactState) =>
    registerContact(state, { contactId, change, basis, update: 'overwrite', required: [], ...more });
const change =
  (to: ContactChange, required: string[] = []) =>
  (state: ContactState) =>
    changeContact(state, { change: to, basis, required });

const registered: ContactEvent = {
  type: 'ContactRegistered',
  data: {
    contactId,
    details: [{ kind: 'phone', key: phone.key, primary: true }],
    basis,
    values: { [phone.key]: phone.value },
    firstName: 'Ann',
    fields: { plan: 'gold' },
  },
};
const deleted: ContactEvent = {
  type: 'ContactDeleted',
  data: { details: [{ kind: 'phone', key: phone.key, primary: true }] },
};

describe('registering', () => {
  it('creates a contact with its details and one basis for all of them', () => {
    given([])
      .when(register({ phone, firstName: 'Ann', fields: { plan: 'gold', age: null } }))
      .emits([registered]);
  });

  it('creates one without a basis where the policy asks for evidence', () => {
    given([])
      .when(register({ phone }, { basis: undefined }))
      .emits([
        {
          type: 'ContactRegistered',
          data: {
            contactId,
            details: [{ kind: 'phone', key: phone.key, primary: true }],
            values: { [phone.key]: phone.value },
          },
        },
      ]);
  });

  it('refuses what identifies nobody', () => {
    given([])
      .when(register({ firstName: 'Ann' }))
      .refuses('contact:identifier_required');
    given([])
      .when(register({ phone: null, email: null, externalId: null }))
      .refuses('contact:identifier_required');
  });

  it('refuses a new contact without a required field, naming it', () => {
    given([])
      .when(register({ phone, fields: { city: 'Haifa' } }, { required: ['city', 'plan'] }))
      .refuses('contact:required', { path: 'fields.plan' });
  });

  it('changes nothing when everything is as it was', () => {
    given([registered])
      .when(register({ phone, firstName: 'Ann', fields: { plan: 'gold' } }))
      .changesNothing();
  });

  it('brings an existing contact to what is said, and leaves what is not', () => {
    given([registered])
      .when(register({ phone, lastName: 'Lee', email, fields: { plan: 'vip' } }))
      .emits([
        {
          type: 'DetailAdded',
          data: { kind: 'email', key: email.key, primary: true, value: email.value, basis },
        },
        { type: 'ContactRenamed', data: { lastName: 'Lee' } },
        { type: 'ContactFieldsChanged', data: { fields: { plan: 'vip' } } },
      ]);
  });

  it('fills only what is missing when asked to fill', () => {
    given([registered])
      .when(
        register(
          { phone: otherPhone, firstName: 'Eve', lastName: 'Lee', fields: { plan: 'vip', age: 5 } },
          { update: 'fill' },
        ),
      )
      .emits([
        { type: 'ContactRenamed', data: { lastName: 'Lee' } },
        { type: 'ContactFieldsChanged', data: { fields: { age: 5 } } },
      ]);
  });

  it('changes nothing of an existing contact when asked never to', () => {
    given([registered])
      .when(register({ phone, firstName: 'Eve' }, { update: 'never' }))
      .changesNothing();
  });

  it('never brings a deleted contact back', () => {
    given([registered, deleted]).when(register({ phone })).refuses('contact:not_found');
  });
});

describe('changing', () => {
  it('gives a changed number only the basis of this change, and lets the old one go', () => {
    given([registered])
      .when(change({ phone: otherPhone }))
      .emits([
        {
          type: 'DetailAdded',
          data: { kind: 'phone', key: otherPhone.key, primary: true, value: otherPhone.value, basis },
        },
        { type: 'DetailReleased', data: { kind: 'phone', key: phone.key } },
      ]);
  });

  it('takes values away', () => {
    given([registered])
      .when(change({ phone: null, firstName: null, fields: { plan: null } }))
      .emits([
        { type: 'DetailReleased', data: { kind: 'phone', key: phone.key } },
        { type: 'ContactRenamed', data: { firstName: null } },
        { type: 'ContactFieldsChanged', data: { fields: { plan: null } } },
      ]);
  });

  it('refuses to take a required field away', () => {
    given([registered])
      .when(change({ fields: { plan: null } }, ['plan']))
      .refuses('contact:required', { path: 'fields.plan' });
  });

  it('changes nothing when nothing differs', () => {
    given([registered])
      .when(change({ phone, firstName: 'Ann' }))
      .changesNothing();
  });

  it('refuses a contact that is not there', () => {
    given([])
      .when(change({ firstName: 'Ann' }))
      .refuses('contact:not_found');
    given([registered, deleted])
      .when(change({ firstName: 'Ann' }))
      .refuses('contact:not_found');
  });
});

describe('deleting', () => {
  it('names every detail, so that whoever keeps them knows who held them', () => {
    given([registered]).when(deleteContact).emits([deleted]);
  });

  it('changes nothing the second time', () => {
    given([registered, deleted]).when(deleteContact).changesNothing();
  });

  it('refuses what never was', () => {
    given([]).when(deleteContact).refuses('contact:not_found');
  });

  it('leaves nothing of the person in the state', () => {
    const text = JSON.stringify(given([registered, deleted]).state());
    for (const personal of ['Ann', phone.value, 'gold', phone.key]) expect(text).not.toContain(personal);
  });
});

describe('fencing', () => {
  it('puts an event before whoever would add the number or create the contact', () => {
    const fence: ContactEvent = { type: 'DetailReleased', data: { kind: 'phone', key: otherPhone.key } };
    given([registered])
      .when((state) => fenceDetail(state, 'phone', otherPhone.key))
      .emits([fence]);
    given([])
      .when((state) => fenceDetail(state, 'phone', otherPhone.key))
      .emits([fence]);
  });

  it('needs none on a deleted contact, which adds nothing any more', () => {
    given([registered, deleted])
      .when((state) => fenceDetail(state, 'phone', phone.key))
      .changesNothing();
  });

  it('leaves a contact that can still be created afterwards', () => {
    given([{ type: 'DetailReleased', data: { kind: 'phone', key: phone.key } }])
      .when(register({ phone, firstName: 'Ann', fields: { plan: 'gold' } }))
      .emits([registered]);
  });
});

describe('the fold', () => {
  it('makes the oldest detail primary when the primary one goes', () => {
    const state = given([
      registered,
      {
        type: 'DetailAdded',
        data: { kind: 'phone', key: otherPhone.key, primary: true, value: otherPhone.value },
      },
      { type: 'DetailReleased', data: { kind: 'phone', key: otherPhone.key } },
    ]).state();
    expect(state.details).toEqual([{ ...phone, primary: true }]);
  });

  it('survives an erased contact: no values, nothing thrown', () => {
    const state = given([
      {
        type: 'ContactRegistered',
        data: { contactId, details: [{ kind: 'phone', key: phone.key, primary: true }] },
      },
      { type: 'ContactRenamed', data: {} },
      { type: 'ContactFieldsChanged', data: {} },
    ]).state();
    expect(state).toMatchObject({ life: 'live', firstName: null, details: [{ value: null }] });
  });

  it('keeps e-mails and the external id as identifiers, and no phone', () => {
    const full = given([
      {
        ...registered,
        data: {
          ...registered.data,
          externalId: 'X1',
          details: [{ kind: 'email', key: email.key, primary: true }],
        },
      } as ContactEvent,
    ]).state();
    expect(full.identifiers).toEqual([`email:${email.key}`, 'external:X1']);
  });
});
