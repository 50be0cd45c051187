import { z } from 'zod';
import { Basis, DetailKind, DetailStatus } from './detail.js';
import { AtLeast, Instant, Position, Source, Written } from './envelope.js';
import { defineEvent, type EventOf } from './event.js';
import { FieldKey, FieldValue } from './field.js';
import { DetailKey, Id } from './ids.js';
import { command, query } from './subject.js';

export const PHONES_MAX = 5;
export const EMAILS_MAX = 3;
/** Rows of one bulk command; keeps the request under the 512 KiB that a NATS message may have. */
export const BULK_MAX = 500;

const Name = z.string().max(200);
const Fields = z.record(FieldKey, FieldValue);

/** One phone number or e-mail address as events name it: its key in the clear, its value sealed. */
export const DetailRef = z.object({ kind: DetailKind, key: DetailKey, primary: z.boolean() });
export type DetailRef = z.infer<typeof DetailRef>;

/** Sealed values of details, by detail key. */
const DetailValues = z.record(DetailKey, z.string());

export const ContactRegistered = defineEvent(
  'contact',
  'ContactRegistered',
  z.object({
    contactId: Id,
    details: z.array(DetailRef),
    /** Absent when the account's policy asks for evidence and none was given. */
    basis: Basis.optional(),
    values: DetailValues.optional(),
    firstName: Name.optional(),
    lastName: Name.optional(),
    externalId: z.string().optional(),
    fields: Fields.optional(),
  }),
  {
    personal: ['values', 'firstName', 'lastName', 'externalId', 'fields'],
    example: {
      contactId: '01890a5d-ac96-774b-bcce-b302099a8057',
      details: [{ kind: 'phone', key: 'ab'.repeat(32), primary: true }],
      basis: { source: 'Web form', at: '2026-01-02T03:04:05.678Z' },
      values: { ['ab'.repeat(32)]: '+15555550100' },
      firstName: 'Ann',
      lastName: 'Example',
      fields: { plan: 'gold' },
    },
  },
);
export const DetailAdded = defineEvent(
  'contact',
  'DetailAdded',
  z.object({
    kind: DetailKind,
    key: DetailKey,
    primary: z.boolean(),
    basis: Basis.optional(),
    value: z.string().optional(),
  }),
  {
    personal: ['value'],
    example: { kind: 'email', key: 'cd'.repeat(32), primary: true, value: 'ann@example.com' },
  },
);
/** The contact no longer has the detail. Also appended as a fence before its claim is given to another contact. */
export const DetailReleased = defineEvent(
  'contact',
  'DetailReleased',
  z.object({ kind: DetailKind, key: DetailKey }),
  { example: { kind: 'phone', key: 'ab'.repeat(32) } },
);
export const PrimaryChanged = defineEvent(
  'contact',
  'PrimaryChanged',
  z.object({ kind: DetailKind, key: DetailKey }),
  { example: { kind: 'phone', key: 'ab'.repeat(32) } },
);
export const ContactRenamed = defineEvent(
  'contact',
  'ContactRenamed',
  z.object({ firstName: Name.nullable().optional(), lastName: Name.nullable().optional() }),
  { personal: ['firstName', 'lastName'], example: { firstName: 'Anna' } },
);
/** A null takes the value away. */
export const ContactFieldsChanged = defineEvent(
  'contact',
  'ContactFieldsChanged',
  z.object({
    externalId: z.string().nullable().optional(),
    fields: z.record(FieldKey, FieldValue.nullable()).optional(),
  }),
  { personal: ['externalId', 'fields'], example: { fields: { plan: 'vip', age: null } } },
);
export const ContactDeleted = defineEvent(
  'contact',
  'ContactDeleted',
  z.object({ details: z.array(DetailRef) }),
  { example: { details: [{ kind: 'phone', key: 'ab'.repeat(32), primary: true }] } },
);

export const CONTACT_EVENTS = [
  ContactRegistered,
  DetailAdded,
  DetailReleased,
  PrimaryChanged,
  ContactRenamed,
  ContactFieldsChanged,
  ContactDeleted,
] as const;
export type ContactEvent = EventOf<(typeof CONTACT_EVENTS)[number]>;

export const PhoneView = z.object({
  value: z.string(),
  key: DetailKey,
  type: z.string().optional(),
  country: z.string().optional(),
  primary: z.boolean(),
  status: DetailStatus,
});
export const EmailView = z.object({
  value: z.string(),
  key: DetailKey,
  primary: z.boolean(),
  status: DetailStatus,
});

/** A contact as the API shows it. */
export const Contact = z.object({
  id: Id,
  revision: z.int().nonnegative(),
  firstName: z.string().nullable(),
  lastName: z.string().nullable(),
  externalId: z.string().nullable(),
  phone: z.string().nullable(),
  email: z.string().nullable(),
  phones: z.array(PhoneView),
  emails: z.array(EmailView),
  fields: z.record(z.string(), FieldValue),
  groups: z.array(Id),
  status: DetailStatus,
  optedInAt: Instant.nullable(),
  optedOutAt: Instant.nullable(),
  source: z.string(),
  createdAt: Instant,
  updatedAt: Instant,
});
export type Contact = z.infer<typeof Contact>;

/** A contact as the contacts service knows it: without consent status and groups, which others own. */
export const ContactRecord = Contact.omit({
  groups: true,
  status: true,
  optedInAt: true,
  optedOutAt: true,
}).extend({
  phones: z.array(PhoneView.omit({ status: true })),
  emails: z.array(EmailView.omit({ status: true })),
});
export type ContactRecord = z.infer<typeof ContactRecord>;

/** What a caller may say of a contact. A null or empty string takes the value away; an absent one leaves it. */
export const ContactInput = z.object({
  phone: z.string().max(64).nullable().optional(),
  email: z.string().max(320).nullable().optional(),
  firstName: Name.nullable().optional(),
  lastName: Name.nullable().optional(),
  externalId: z.string().max(200).nullable().optional(),
  fields: z.record(FieldKey, FieldValue.nullable()).optional(),
});
export type ContactInput = z.infer<typeof ContactInput>;

export const UpdateMode = z.enum(['overwrite', 'fill', 'never']);
export type UpdateMode = z.infer<typeof UpdateMode>;

/** Consent given with a creation: the basis of the details that the creation adds. */
export const ConsentInput = z.object({
  source: z.string().min(1).max(200),
  at: Instant.optional(),
  wording: z.string().max(2000).optional(),
});

export const registerContact = command(
  'contacts',
  'register-contact',
  'Creates a contact, or updates the one that has the same phone, external id or e-mail (in that order).',
  z.object({
    id: Id.optional(),
    contact: ContactInput,
    country: z
      .string()
      .length(2)
      .optional()
      .describe('For numbers without a country; else that of the account'),
    consent: ConsentInput.optional(),
    update: UpdateMode.default('overwrite'),
  }),
  z.object({ contact: ContactRecord, created: z.boolean(), changed: z.boolean(), ...Written }),
);

/** One row's end: the contact it became, or the reason why it was refused. */
export const RowOutcome = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.enum(['new', 'updated', 'unchanged']),
    contactId: Id,
    phoneKey: DetailKey.optional(),
  }),
  z.object({ outcome: z.literal('rejected'), code: z.string(), path: z.string().optional() }),
]);
export type RowOutcome = z.infer<typeof RowOutcome>;

export const registerContacts = command(
  'contacts',
  'register-contacts',
  'The same for up to 500 rows. Each row has a command id of its own, so a repeated chunk changes nothing.',
  z.object({
    country: z.string().length(2).optional(),
    consent: ConsentInput.optional(),
    update: UpdateMode.default('overwrite'),
    rows: z
      .array(z.object({ command: Id, row: z.int().nonnegative(), contact: ContactInput }))
      .min(1)
      .max(BULK_MAX),
  }),
  z.object({ rows: z.array(RowOutcome), ...Written }),
  { timeoutMs: 20_000 },
);

export const changeContact = command(
  'contacts',
  'change-contact',
  'Changes what is named and leaves the rest.',
  z.object({ id: Id, ifRevision: z.int().nonnegative().optional(), contact: ContactInput }),
  z.object({ contact: ContactRecord, changed: z.boolean(), ...Written }),
);

export const deleteContact = command(
  'contacts',
  'delete-contact',
  'Deletes a contact and releases its details. What was said about consent stays.',
  z.object({ id: Id }),
  z.object({ ...Written }),
);

export const getContact = query(
  'contacts',
  'get-contact',
  'One contact, from its stream: never stale.',
  z.object({ id: Id }),
  z.object({ contact: ContactRecord, position: Position }),
);

export const getContacts = query(
  'contacts',
  'get-contacts',
  'Up to 500 contacts by id; deleted and unknown ones are left out.',
  z.object({ ids: z.array(Id).max(BULK_MAX) }),
  z.object({ items: z.array(ContactRecord) }),
);

export const findByDetail = query(
  'contacts',
  'find-by-detail',
  'The contact that holds a phone number or e-mail address, in any spelling.',
  z.object({ kind: DetailKind, value: z.string().max(320) }),
  z.object({ contactId: Id.nullable() }),
);

export const HistoryItem = z.object({
  at: Instant,
  kind: z.string(),
  actor: z.object({ kind: z.string(), id: z.string() }),
  source: Source,
  cause: Id,
  changes: z.array(z.object({ path: z.string(), old: z.unknown(), new: z.unknown() })),
});
export type HistoryItem = z.infer<typeof HistoryItem>;

export const getContactHistory = query(
  'contacts',
  'get-contact-history',
  'Everything that happened to a contact, oldest first.',
  z.object({ id: Id, ...AtLeast }),
  z.object({ items: z.array(HistoryItem) }),
);
