import { searchDigits } from '@muster/phone/digits';
import type { E164 } from '@muster/phone/phone';
import { fold } from './fold.js';
import type { RuleValue } from './rule.js';

/** Status of a detail; of a contact, the best of its details. */
export type MemberStatus = 'active' | 'opted_out' | 'blocked' | 'no_consent' | 'unreachable';

export interface MemberPhone {
  /** E.164. */
  value: string;
  /** Detail key. */
  key: string;
  primary: boolean;
  status: string;
  /** ISO 3166-1 alpha-2. */
  country?: string;
  /** mobile, fixed_line and so on, as parsePhone tells it. */
  type?: string;
}

export interface MemberEmail {
  /** Normalised by parseEmail. */
  value: string;
  key: string;
  primary: boolean;
  status: string;
}

/** Copies of texts in the form in which they are compared; made by foldMember, stored with the member. */
export interface FoldedMember {
  firstName: string;
  lastName: string;
  /** First and last name with one space between them. */
  name: string;
  externalId: string;
  source: string;
  import: string;
  keyword: string;
  emails: string[];
  /** Digits of the phones in every spelling that may be typed. */
  digits: string[];
  /** Everything a bare word searches, one line each. */
  text: string;
  /** Text values of fields by key. */
  fields: Record<string, string>;
}

/** What a rule is evaluated against, and what the read model stores. Instants are ISO 8601 in UTC with milliseconds. */
export interface RuleMember {
  contactId: string;
  firstName: string;
  lastName: string;
  externalId: string;
  phones: MemberPhone[];
  emails: MemberEmail[];
  /** By field key; dates are `YYYY-MM-DD`, datetimes instants. A field without a value is absent. */
  fields: Record<string, RuleValue>;
  /** Ids of the groups that the contact is in; `all` may be among them. */
  groups: string[];
  status: string;
  source: string;
  import?: string;
  keyword?: string;
  createdAt: string;
  updatedAt: string;
  optedInAt?: string;
  optedOutAt?: string;
  lastInboundAt?: string;
  folded: FoldedMember;
}

function foldFields(fields: Record<string, RuleValue>): Record<string, string> {
  const folded: Record<string, string> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (typeof value === 'string') folded[key] = fold(value);
  }
  return folded;
}

/** Makes the folded copies of a member. Call it whenever a name, detail, field or provenance of the member changes. */
export function foldMember(member: Omit<RuleMember, 'folded'>): FoldedMember {
  const name = fold(`${member.firstName} ${member.lastName}`);
  const emails = member.emails.map((email) => fold(email.value));
  const externalId = fold(member.externalId);
  const fields = foldFields(member.fields);
  const numbers = Object.values(member.fields).filter((value) => typeof value === 'number');
  const lines = [name, ...emails, externalId, ...Object.values(fields), ...numbers.map(String)];
  const digits = member.phones.flatMap((phone) => searchDigits(phone.value as E164, phone.country));
  return {
    firstName: fold(member.firstName),
    lastName: fold(member.lastName),
    name,
    externalId,
    source: fold(member.source),
    import: fold(member.import ?? ''),
    keyword: fold(member.keyword ?? ''),
    emails,
    digits: [...new Set(digits)],
    text: lines.filter((line) => line !== '').join('\n'),
    fields,
  };
}
