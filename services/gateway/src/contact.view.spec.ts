import type { ConsentView } from '@muster/contracts/consent';
import type { ContactRecord } from '@muster/contracts/contact';
import { idNumber } from '@muster/testing/universe';
import { describe, expect, it } from 'vitest';
import { mergeContact, type Membership, type Parts } from './contact.view.js';

const PHONE = 'ab'.repeat(32);
const EMAIL = 'cd'.repeat(32);
const AT = '2026-01-15T12:00:00.000Z';
const LATER = '2026-01-16T12:00:00.000Z';

const record: ContactRecord = {
  id: idNumber(1),
  revision: 3,
  firstName: 'Ann',
  lastName: null,
  externalId: null,
  phone: '+15555550100',
  email: 'ann@example.com',
  fields: {},
  source: 'api',
  createdAt: AT,
  updatedAt: AT,
  phones: [{ value: '+15555550100', key: PHONE, primary: true }],
  emails: [{ value: 'ann@example.com', key: EMAIL, primary: true }],
};
const consent = (detailKey: string, view: Partial<ConsentView>): ConsentView => ({
  detail: null,
  detailKey,
  status: 'none',
  blocked: false,
  sendable: false,
  reason: 'no_consent',
  since: null,
  origin: null,
  initiative: null,
  ...view,
});
const of = (phone: Partial<ConsentView>, email: Partial<ConsentView>): Map<string, ConsentView> =>
  new Map([
    [PHONE, consent(PHONE, phone)],
    [EMAIL, consent(EMAIL, email)],
  ]);
const unknown = of({}, {});
const revoked: Partial<ConsentView> = { status: 'revoked', reason: 'opted_out', since: LATER };
const membership = (part: Partial<Membership>): Membership => ({
  contactId: idNumber(1),
  groups: [idNumber(7)],
  status: 'active',
  optedInAt: AT,
  optedOutAt: null,
  statuses: { [PHONE]: 'active', [EMAIL]: 'active' },
  details: [],
  ...part,
});
const merge = (parts: Partial<Parts>): ReturnType<typeof mergeContact> =>
  mergeContact({
    record,
    membership: membership({}),
    consents: unknown,
    basisAt: null,
    joined: [],
    ...parts,
  });

describe('a contact put together from its owners', () => {
  it('takes groups and dates from the groups service', () => {
    expect(merge({})).toMatchObject({
      groups: [idNumber(7)],
      optedInAt: AT,
      optedOutAt: null,
      status: 'active',
    });
  });

  it('lets a revocation win over a groups service that has not seen it', () => {
    const contact = merge({ consents: of(revoked, revoked) });
    expect(contact).toMatchObject({ status: 'opted_out', optedOutAt: LATER });
    expect(contact.phones[0]?.status).toBe('opted_out');
  });

  it('is as good as the best of its details', () => {
    const contact = merge({
      consents: of(revoked, { sendable: true, reason: null }),
    });
    expect(contact.status).toBe('active');
    expect(contact.emails[0]?.status).toBe('active');
    expect(contact.phones[0]?.status).toBe('opted_out');
  });

  it('calls a granted detail active that this contact holds though compliance has not seen it', () => {
    const contact = merge({ membership: undefined, consents: of({ status: 'granted' }, {}) });
    expect(contact.phones[0]?.status).toBe('active');
    expect(contact.emails[0]?.status).toBe('no_consent');
  });

  it('ranks an unreachable detail before one without consent, as lists do', () => {
    expect(merge({ membership: undefined, consents: of({ reason: 'unreachable' }, {}) }).status).toBe(
      'unreachable',
    );
  });

  it('shows a block before a revocation', () => {
    const contact = merge({ consents: of({ ...revoked, blocked: true }, {}) });
    expect(contact.phones[0]?.status).toBe('blocked');
  });

  it('never calls a detail active that is held back for another reason than a missing basis', () => {
    const held = { reason: 'held_for_review' };
    const contact = merge({
      consents: of(held, { reason: 'provider_suppressed' }),
    });
    expect(contact.status).toBe('no_consent');
  });

  it('knows the basis of the write it answers before anybody else has seen it', () => {
    const contact = merge({ membership: undefined, basisAt: AT, joined: [idNumber(9)] });
    expect(contact).toMatchObject({ status: 'active', optedInAt: AT, groups: [idNumber(9)] });
  });

  it('takes no basis from a write where the policy asks for evidence', () => {
    expect(merge({ membership: undefined, basisAt: null }).status).toBe('no_consent');
  });

  it('does not call a revoked number active because it was added again', () => {
    const contact = merge({
      membership: undefined,
      basisAt: AT,
      consents: of(revoked, {}),
    });
    expect(contact.phones[0]?.status).toBe('opted_out');
  });

  it('keeps what the groups service says of a detail that it knows, whatever the write was', () => {
    const known = membership({
      statuses: { [PHONE]: 'no_consent', [EMAIL]: 'no_consent' },
      status: 'no_consent',
    });
    expect(merge({ membership: known, basisAt: AT }).status).toBe('no_consent');
  });

  it('has a status without any detail', () => {
    const bare = { ...record, phones: [], emails: [], phone: null, email: null };
    expect(merge({ record: bare, membership: undefined, consents: new Map() }).status).toBe('no_consent');
  });
});
