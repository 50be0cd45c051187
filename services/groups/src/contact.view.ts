import type { Contact } from '@muster/contracts/contact';
import type { DetailStatus } from '@muster/contracts/detail';
import type { MemberDocument } from './audience.model.js';

const orNull = (text: string | undefined): string | null => (text === undefined || text === '' ? null : text);

/** A member as the API shows a contact. A value that was erased is left out. */
export function contactOf(member: MemberDocument, isLiveGroup: (groupId: string) => boolean): Contact {
  const phones = member.phones.filter((phone) => phone.value !== '');
  const emails = member.emails.filter((email) => email.value !== '');
  const chosen = (details: readonly { primary: boolean; value: string }[]): string | null =>
    details.find((detail) => detail.primary)?.value ?? null;
  return {
    id: member.contactId,
    revision: member.revision,
    firstName: orNull(member.firstName),
    lastName: orNull(member.lastName),
    externalId: orNull(member.externalId),
    phone: chosen(phones),
    email: chosen(emails),
    phones: phones.map(({ value, key, type, country, primary, status }) => ({
      value,
      key,
      primary,
      status: status as DetailStatus,
      ...(type ? { type } : {}),
      ...(country ? { country } : {}),
    })),
    emails: emails.map(({ value, key, primary, status }) => ({
      value,
      key,
      primary,
      status: status as DetailStatus,
    })),
    fields: member.fields,
    groups: member.groups.filter(isLiveGroup),
    status: member.status as DetailStatus,
    optedInAt: orNull(member.optedInAt),
    optedOutAt: orNull(member.optedOutAt),
    source: member.source,
    createdAt: member.createdAt,
    updatedAt: member.updatedAt,
  };
}
