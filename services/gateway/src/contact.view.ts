import type { ConsentView } from '@muster/contracts/consent';
import type { Contact, ContactRecord } from '@muster/contracts/contact';
import type { DetailStatus } from '@muster/contracts/detail';
import type { Instant } from '@muster/contracts/envelope';
import type { getMemberships } from '@muster/contracts/group';
import type { Id } from '@muster/contracts/ids';
import type { z } from 'zod';

export type Membership = z.infer<(typeof getMemberships)['output']>['items'][number];

/** What is known of a contact by its three owners. */
export interface Parts {
  record: ContactRecord;
  /** Undefined where the groups service has not seen the contact yet. */
  membership: Membership | undefined;
  consents: readonly ConsentView[];
  /**
   * The moment of a write that was a basis for the details it added: they may be texted though nobody but the contacts
   * service has seen them yet. Null for reads, and where the policy asks for evidence and none was given.
   */
  basisAt: Instant | null;
  /** Groups that were joined in the same call. */
  joined: readonly Id[];
}

/** From the best to the worst; the status of a contact is the best of its details. */
const BEST_FIRST: readonly DetailStatus[] = ['active', 'no_consent', 'unreachable', 'opted_out', 'blocked'];

/** The contact as the API shows it. What the ledger forbids always wins, however far the others are. */
export function mergeContact(parts: Parts): Contact {
  const { record, membership, joined } = parts;
  const consents = new Map(parts.consents.map((consent) => [consent.detailKey, consent]));
  const statusOf = (key: string): DetailStatus =>
    detailStatus(consents.get(key), membership?.statuses[key], parts);
  const phones = record.phones.map((phone) => ({ ...phone, status: statusOf(phone.key) }));
  const emails = record.emails.map((email) => ({ ...email, status: statusOf(email.key) }));
  const statuses = [...phones, ...emails].map((detail) => detail.status);
  const status = BEST_FIRST.find((each) => statuses.includes(each)) ?? 'no_consent';
  const keys = [...phones, ...emails].map((detail) => detail.key);
  return {
    ...record,
    phones,
    emails,
    status,
    groups: [...new Set([...(membership?.groups ?? []), ...joined])],
    optedInAt: membership?.optedInAt ?? (status === 'active' ? parts.basisAt : null),
    optedOutAt: optedOutAt(
      keys.flatMap((key) => consents.get(key) ?? []),
      membership,
    ),
  };
}

/**
 * A consent view of `no_consent` only says that compliance knows of no basis yet: it may lag behind a contact that was
 * just created, so the groups service, which follows the same facts, or the write itself may know better.
 */
function detailStatus(
  consent: ConsentView | undefined,
  seen: DetailStatus | undefined,
  { basisAt }: Pick<Parts, 'basisAt'>,
): DetailStatus {
  if (consent?.blocked) return 'blocked';
  if (consent?.status === 'revoked') return 'opted_out';
  if (consent?.reason === 'unreachable') return 'unreachable';
  if (consent?.sendable) return 'active';
  if (consent && consent.reason !== 'no_consent') return 'no_consent';
  if (seen === 'active') return 'active';
  return seen === undefined && basisAt !== null ? 'active' : 'no_consent';
}

/** The latest revocation in force: from the ledger where it has one, else as the groups service saw it. */
function optedOutAt(consents: readonly ConsentView[], membership: Membership | undefined): Instant | null {
  const revoked = consents.filter((consent) => consent.status === 'revoked' && consent.since !== null);
  if (revoked.length === 0) return consents.length === 0 ? (membership?.optedOutAt ?? null) : null;
  return (
    revoked
      .map((consent) => consent.since as Instant)
      .sort()
      .at(-1) ?? null
  );
}
