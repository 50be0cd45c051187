import type { ConsentView } from '@muster/contracts/consent';
import type { Contact, ContactRecord } from '@muster/contracts/contact';
import type { DetailStatus } from '@muster/contracts/detail';
import type { Instant } from '@muster/contracts/envelope';
import type { getMemberships } from '@muster/contracts/group';
import type { DetailKey, Id } from '@muster/contracts/ids';
import type { z } from 'zod';

export type Membership = z.infer<(typeof getMemberships)['output']>['items'][number];

/** What is known of a contact by its three owners. */
export interface Parts {
  record: ContactRecord;
  /** Undefined where the groups service has not seen the contact yet. */
  membership: Membership | undefined;
  /** What the ledger says of each detail, by the key that the contact has it under. */
  consents: ReadonlyMap<DetailKey, ConsentView>;
  /**
   * The moment of a write that was a basis for the details it added: they may be texted though nobody but the contacts
   * service has seen them yet. Null for reads, and where the policy asks for evidence and none was given.
   */
  basisAt: Instant | null;
  /** Groups that were joined in the same call. */
  joined: readonly Id[];
}

/** From the best to the worst; the status of a contact is the best of its details, here as in lists. */
const BEST_FIRST: readonly DetailStatus[] = ['active', 'unreachable', 'no_consent', 'opted_out', 'blocked'];

/** The contact as the API shows it. What the ledger forbids always wins, however far the others are. */
export function mergeContact(parts: Parts): Contact {
  const { record, membership, consents, joined } = parts;
  const statusOf = (key: string): DetailStatus =>
    detailStatus(consents.get(key), membership?.statuses[key], parts);
  const phones = record.phones.map((phone) => ({ ...phone, status: statusOf(phone.key) }));
  const emails = record.emails.map((email) => ({ ...email, status: statusOf(email.key) }));
  const statuses = [...phones, ...emails].map((detail) => detail.status);
  const status = BEST_FIRST.find((each) => statuses.includes(each)) ?? 'no_consent';
  return {
    ...record,
    phones,
    emails,
    status,
    groups: [...new Set([...(membership?.groups ?? []), ...joined])],
    optedInAt: membership?.optedInAt ?? (status === 'active' ? parts.basisAt : null),
    optedOutAt: optedOutAt([...consents.values()], membership),
  };
}

/**
 * A consent view of `no_consent` only says that compliance knows of no holder or no basis yet: it may lag behind a
 * contact that was just created, so the groups service, which follows the same facts, or the write itself may know
 * better. That this contact holds the detail is certain.
 */
function detailStatus(
  consent: ConsentView | undefined,
  seen: DetailStatus | undefined,
  { basisAt }: Pick<Parts, 'basisAt'>,
): DetailStatus {
  if (consent?.blocked) return 'blocked';
  if (consent?.status === 'revoked') return 'opted_out';
  if (consent?.reason === 'unreachable') return 'unreachable';
  if (consent?.sendable || (consent?.status === 'granted' && consent.reason === 'no_consent'))
    return 'active';
  if (consent && consent.reason !== 'no_consent') return 'no_consent';
  if (seen === 'active') return 'active';
  return seen === undefined && basisAt !== null ? 'active' : 'no_consent';
}

/** The latest revocation: from the ledger where one is in force, else the last one that the groups service saw. */
function optedOutAt(consents: readonly ConsentView[], membership: Membership | undefined): Instant | null {
  const inForce = consents.flatMap(({ status, since }) =>
    status === 'revoked' && since !== null ? [since] : [],
  );
  return inForce.sort().at(-1) ?? membership?.optedOutAt ?? null;
}
