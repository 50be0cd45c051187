import { Refusal } from '@muster/contracts/errors';
import { emailIdentifier, externalIdentifier, type ContactState } from './domain/contact.js';
import type { ReadInput } from './domain/input.js';

/** A contact that one of the given identifiers points to. */
export interface Candidate {
  id: string;
  state: ContactState;
}

/** What the look-ups found: who has claimed which phone key, and who has which identifier. */
export interface Found {
  claimed: ReadonlyMap<string, string>;
  identified: ReadonlyMap<string, readonly Candidate[]>;
}

export type Match =
  { kind: 'phone'; contactId: string; key: string } | { kind: 'other'; contactId: string } | null;

/** Identifiers beside the phone by which a contact may be found. */
export function identifiersOf({ change }: ReadInput): string[] {
  return [
    ...(change.externalId ? [externalIdentifier(change.externalId)] : []),
    ...(change.email ? [emailIdentifier(change.email.key)] : []),
  ];
}

/**
 * The contact that a request is about: by phone, else by external id, else by e-mail. A shared e-mail never takes a
 * contact away from its phone: a new number with a known e-mail is a new contact, unless the known one has no phone.
 * @throws Refusal `contact:ambiguous` when two identifiers point to different contacts
 */
export function matchContact(input: ReadInput, found: Found): Match {
  const { change } = input;
  const key = input.phoneKeys.find((one) => found.claimed.has(one));
  const external = change.externalId ? candidates(found, externalIdentifier(change.externalId)) : [];
  const email = change.email ? candidates(found, emailIdentifier(change.email.key)) : [];
  if (key !== undefined) {
    const contactId = found.claimed.get(key) as string;
    agree(contactId, [external, email]);
    return { kind: 'phone', contactId, key };
  }
  if (external.length > 0) {
    const contactId = only(external);
    agree(contactId, [email]);
    return { kind: 'other', contactId };
  }
  const reachable = change.phone ? email.filter(({ state }) => !hasPhone(state)) : email;
  return reachable.length === 0 ? null : { kind: 'other', contactId: only(reachable) };
}

const candidates = (found: Found, identifier: string): readonly Candidate[] =>
  found.identified.get(identifier) ?? [];

const hasPhone = (state: ContactState): boolean => state.details.some((detail) => detail.kind === 'phone');

function agree(contactId: string, others: readonly (readonly Candidate[])[]): void {
  const differs = others.some((list) => list.length > 0 && !list.some(({ id }) => id === contactId));
  if (differs) throw new Refusal('contact:ambiguous');
}

function only(list: readonly Candidate[]): string {
  if (list.length > 1) throw new Refusal('contact:ambiguous');
  return (list[0] as Candidate).id;
}
