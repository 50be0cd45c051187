import type { ConsentEvent } from '@muster/contracts/consent';
import type { ContactEvent } from '@muster/contracts/contact';
import type { DetailKind, DetailStatus } from '@muster/contracts/detail';
import { documentId } from '@muster/contracts/names';
import type { Fact } from '@muster/event-store/facts';
import { parsePhone } from '@muster/phone/phone';
import { foldMember } from '@muster/rule/member';
import type { RuleValue } from '@muster/rule/rule';
import type {
  DetailFacts,
  DetailStanding,
  EmailEntry,
  MemberDocument,
  PhoneEntry,
  Said,
} from './audience.model.js';

/** What a fold may look up. */
export interface Lookup {
  /** What the ledger says under a key, at the position of the event. */
  standingOf(key: string): DetailStanding | undefined;
  /** Every key under which something may be known of a value. */
  keysOf(key: string, kind: DetailKind, value: string): readonly string[];
}

/** Of a contact, the best of its details, in this order. A contact without details cannot be reached by consent. */
const BEST_FIRST: readonly DetailStatus[] = ['active', 'unreachable', 'no_consent', 'opted_out', 'blocked'];

/** May this detail be texted, as far as the model knows? A revocation outranks every basis, whatever its date. */
export function statusOf(detail: DetailFacts): DetailStatus {
  if (detail.said.some((said) => said.standing === 'revoked')) return 'opted_out';
  const granted = detail.said.some((said) => said.standing === 'granted');
  return granted || detail.basisAt !== null ? 'active' : 'no_consent';
}

/** What the ledger says of a detail after one more statement. A statement that lost keeps its place in the history only. */
export function foldStanding(before: DetailStanding | undefined, event: ConsentEvent): DetailStanding {
  const { standing, saidAt, late } = event.data;
  const known = before ?? { standing: 'none', since: saidAt, grantedAt: null, revokedAt: null };
  if (late) return { ...known, standing };
  return {
    standing,
    since: saidAt,
    grantedAt: event.type === 'ConsentGranted' ? saidAt : known.grantedAt,
    revokedAt: event.type === 'ConsentRevoked' ? saidAt : known.revokedAt,
  };
}

/** The member after the ledger said something under a key of one of its details. */
export function withStanding(member: MemberDocument, key: string, said: DetailStanding): MemberDocument {
  const concerned = (detail: DetailFacts): boolean => detail.said.some((one) => one.key === key);
  const renew = <D extends PhoneEntry | EmailEntry>(detail: D): D =>
    concerned(detail)
      ? withStatus({
          ...detail,
          said: detail.said.map((one) => (one.key === key ? saidUnder(key, said) : one)),
        })
      : detail;
  return derived({
    ...member,
    phones: member.phones.some(concerned) ? member.phones.map(renew) : member.phones,
    emails: member.emails.some(concerned) ? member.emails.map(renew) : member.emails,
  });
}

function saidUnder(key: string, standing: DetailStanding | undefined): Said {
  return {
    key,
    standing: standing?.standing ?? 'none',
    grantedAt: standing?.grantedAt ?? null,
    revokedAt: standing?.revokedAt ?? null,
  };
}

/** The member after an event of its contact; null for a contact that was never registered. */
export function foldContact(
  member: MemberDocument | null,
  fact: Fact<ContactEvent>,
  lookup: Lookup,
  ordinal: number,
): MemberDocument | null {
  if (!member) {
    return fact.type === 'ContactRegistered' ? register(fact, lookup, ordinal) : null;
  }
  const folded = apply(member, fact as unknown as ContactEvent, lookup);
  const { position, revision } = fact;
  return { ...folded, position, revision, updatedAt: fact.meta.at };
}

function register(fact: Fact<ContactEvent>, lookup: Lookup, ordinal: number): MemberDocument {
  const { data } = fact as unknown as ContactEvent & { type: 'ContactRegistered' };
  const { source, at } = fact.meta;
  const born: MemberDocument = {
    _id: documentId(fact.account, fact.streamId),
    account: fact.account,
    contactId: fact.streamId,
    ordinal,
    position: fact.position,
    revision: fact.revision,
    deleted: false,
    firstName: data.firstName ?? '',
    lastName: data.lastName ?? '',
    externalId: data.externalId ?? '',
    phones: [],
    emails: [],
    keys: [],
    fields: { ...data.fields },
    groups: [],
    status: 'no_consent',
    source: source.kind,
    createdAt: at,
    updatedAt: at,
    folded: NOTHING_FOLDED,
  };
  if (source.import) born.import = source.import;
  if (source.keyword) born.keyword = source.keyword;
  const basisAt = data.basis?.at ?? null;
  for (const { kind, key, primary } of data.details) {
    place(born, { kind, key, primary, basisAt, value: data.values?.[key] }, lookup);
  }
  refold(born);
  return born;
}

function apply(member: MemberDocument, event: ContactEvent, lookup: Lookup): MemberDocument {
  switch (event.type) {
    case 'DetailAdded': {
      const { kind, key, primary, basis, value } = event.data;
      const added = { kind, key, primary, value, basisAt: basis?.at ?? null };
      return refolded(withDetail(member, added, lookup));
    }
    case 'DetailReleased': {
      const { key } = event.data;
      const phones = withPrimary(member.phones.filter((phone) => phone.key !== key));
      const emails = withPrimary(member.emails.filter((email) => email.key !== key));
      return refolded({ ...member, phones, emails });
    }
    case 'PrimaryChanged': {
      const { kind, key } = event.data;
      const choose = <D extends PhoneEntry | EmailEntry>(detail: D): D => ({
        ...detail,
        primary: detail.key === key,
      });
      return kind === 'phone'
        ? { ...member, phones: member.phones.map(choose) }
        : { ...member, emails: member.emails.map(choose) };
    }
    case 'ContactRenamed': {
      const { firstName, lastName } = event.data;
      return refolded({
        ...member,
        firstName: firstName === undefined ? member.firstName : (firstName ?? ''),
        lastName: lastName === undefined ? member.lastName : (lastName ?? ''),
      });
    }
    case 'ContactFieldsChanged': {
      const { externalId, fields } = event.data;
      const merged = Object.entries({ ...member.fields, ...fields }).filter(([, value]) => value !== null);
      return refolded({
        ...member,
        fields: Object.fromEntries(merged) as Record<string, RuleValue>,
        externalId: externalId === undefined ? member.externalId : (externalId ?? ''),
      });
    }
    case 'ContactDeleted':
      return tombstone(member);
    default:
      return member;
  }
}

interface NewDetail {
  kind: DetailKind;
  key: string;
  primary: boolean;
  basisAt: string | null;
  /** Absent when its key was destroyed. */
  value: string | undefined;
}

function withDetail(member: MemberDocument, detail: NewDetail, lookup: Lookup): MemberDocument {
  const changed = { ...member };
  place(changed, detail, lookup);
  return changed;
}

/** A detail is born with the standing that its key has already: a number that said stop stays suppressed. */
function place(member: MemberDocument, detail: NewDetail, lookup: Lookup): void {
  const { kind, key, primary, basisAt } = detail;
  const value = detail.value ?? '';
  const keys = value === '' ? [key] : lookup.keysOf(key, kind, value);
  const said = keys.map((one) => saidUnder(one, lookup.standingOf(one)));
  const status = statusOf({ basisAt, said });
  if (kind === 'email') {
    const email: EmailEntry = { value, key, primary, status, basisAt, said };
    member.emails = [...besides(member.emails, key, primary), email];
    return;
  }
  const phone: PhoneEntry = { value, key, primary, status, basisAt, said };
  const parsed = value === '' ? null : parsePhone(value);
  if (parsed?.ok && parsed.country !== undefined) phone.country = parsed.country;
  if (parsed?.ok && parsed.type !== undefined) phone.type = parsed.type;
  member.phones = [...besides(member.phones, key, primary), phone];
}

/** The details that stay when one is added: only one can be primary. */
function besides<D extends PhoneEntry | EmailEntry>(
  details: readonly D[],
  key: string,
  primary: boolean,
): D[] {
  const others = details.filter((one) => one.key !== key);
  return primary ? others.map((one) => ({ ...one, primary: false })) : others;
}

function withStatus<D extends PhoneEntry | EmailEntry>(detail: D): D {
  return { ...detail, status: statusOf(detail) };
}

/** When the primary detail goes, the oldest of those left takes its place, as in the contact itself. */
function withPrimary<D extends PhoneEntry | EmailEntry>(details: D[]): D[] {
  if (details.length === 0 || details.some((detail) => detail.primary)) return details;
  return details.map((detail, index) => ({ ...detail, primary: index === 0 }));
}

const NOTHING_FOLDED: MemberDocument['folded'] = {
  firstName: '',
  lastName: '',
  name: '',
  externalId: '',
  source: '',
  import: '',
  keyword: '',
  emails: [],
  digits: [],
  text: '',
  fields: {},
};

function tombstone(member: MemberDocument): MemberDocument {
  const { _id, account, contactId, ordinal, position, revision, createdAt, updatedAt, source } = member;
  return {
    _id,
    account,
    contactId,
    ordinal,
    position,
    revision,
    createdAt,
    updatedAt,
    source,
    firstName: '',
    lastName: '',
    externalId: '',
    deleted: true,
    phones: [],
    emails: [],
    keys: [],
    fields: {},
    groups: [],
    status: 'no_consent',
    folded: NOTHING_FOLDED,
  };
}

/** The member with folded copies and what follows from the details made anew. */
function refolded(member: MemberDocument): MemberDocument {
  const changed = { ...member };
  refold(changed);
  return changed;
}

/** The member with what follows from its details made anew. */
function derived(member: MemberDocument): MemberDocument {
  const changed = { ...member };
  derive(changed);
  return changed;
}

/** In place. A value that was shredded is no number to search for. */
function refold(member: MemberDocument): void {
  const phones = member.phones.filter((phone) => phone.value !== '');
  const isWhole = phones.length === member.phones.length;
  member.folded = foldMember(isWhole ? member : { ...member, phones });
  derive(member);
}

/** In place: documents have so many properties that each copy is felt in an import. */
function derive(member: MemberDocument): void {
  const statuses = new Set<string>();
  const keys = new Set<string>();
  let optedInAt: string | null = null;
  let optedOutAt: string | null = null;
  for (const { status, basisAt, said } of [...member.phones, ...member.emails]) {
    statuses.add(status);
    optedInAt = later(optedInAt, basisAt);
    for (const { key, grantedAt, revokedAt } of said) {
      keys.add(key);
      optedInAt = later(optedInAt, grantedAt);
      optedOutAt = later(optedOutAt, revokedAt);
    }
  }
  member.status = BEST_FIRST.find((one) => statuses.has(one)) ?? 'no_consent';
  member.keys = [...keys];
  setOrDrop(member, 'optedInAt', optedInAt);
  setOrDrop(member, 'optedOutAt', optedOutAt);
}

/** Deletes only what is there: an object that lost a property is slow to read for the rest of its life. */
function setOrDrop(member: MemberDocument, name: 'optedInAt' | 'optedOutAt', at: string | null): void {
  if (at !== null) member[name] = at;
  else if (member[name] !== undefined) delete member[name];
}

function later(one: string | null, other: string | null): string | null {
  return other !== null && (one === null || other > one) ? other : one;
}

const LABELS = [
  ...(['firstName', 'lastName', 'externalId', 'source', 'import', 'keyword', 'status'] as const),
  ...(['createdAt', 'updatedAt', 'optedInAt', 'optedOutAt', 'lastInboundAt'] as const),
];
const SEARCHED = ['firstName', 'lastName', 'externalId'] as const;
const PHONE_PROPERTIES = ['phone', 'phone.status', 'phone.country', 'phone.type'];
const EMAIL_PROPERTIES = ['email', 'email.status'];

/** Properties, as rules name them, in which two states of a member differ; `*` when a search may answer otherwise. */
export function changedProperties(before: MemberDocument, after: MemberDocument): Set<string> {
  const changed = new Set<string>(LABELS.filter((label) => before[label] !== after[label]));
  if (changed.has('firstName') || changed.has('lastName')) changed.add('name');
  if (before.phones !== after.phones) PHONE_PROPERTIES.forEach((property) => changed.add(property));
  if (before.emails !== after.emails) EMAIL_PROPERTIES.forEach((property) => changed.add(property));
  let searched = before.phones !== after.phones || before.emails !== after.emails;
  if (before.fields !== after.fields) {
    for (const key of Object.keys({ ...before.fields, ...after.fields })) {
      if (before.fields[key] === after.fields[key]) continue;
      changed.add(key);
      searched = true;
    }
  }
  if (searched || SEARCHED.some((label) => changed.has(label))) changed.add('*');
  return changed;
}
