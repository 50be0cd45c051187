import {
  ConsentInput,
  Contact,
  ContactInput,
  changeContact,
  deleteContact,
  getContact,
  getContactHistory,
  HistoryItem,
  registerContact,
  type ContactRecord,
} from '@muster/contracts/contact';
import { DetailStatus } from '@muster/contracts/detail';
import { Position, type Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { addMembers, findMembers, GroupId, SORTS } from '@muster/contracts/group';
import { Id } from '@muster/contracts/ids';
import { followUp } from '@muster/runtime/envelopes';
import { z } from 'zod';
import { askMeanwhile, assemble } from './contact.parts.js';
import { requireStandard } from './group.check.js';
import { after, atLeast, AtLeastQuery, ById, Done, flag, limit, listOf, pageOf } from './query.schemas.js';
import { ok, route, type Call, type Route } from './route.js';

const tag = 'Contacts';
const missing = 'contact:not_found';
const GROUPS_AT_ONCE = 20;

const NewContact = z.strictObject({
  id: Id.optional().describe('Changes this contact, whatever number it has'),
  ...ContactInput.shape,
  fields: ContactInput.shape.fields.describe('Values of custom fields by key; null takes a value away'),
  country: z.string().length(2).optional().describe("For numbers without a country; else the account's"),
  consent: z.strictObject(ConsentInput.shape).optional(),
  groups: z.array(Id).max(GROUPS_AT_ONCE).optional().describe('Standard groups to join'),
});

export const MembersQuery = z.strictObject({
  query: z.string().max(10_000).optional().describe('In the rule language; a bare word searches'),
  status: DetailStatus.optional(),
  sort: z.enum(SORTS).default('-createdAt'),
  after,
  limit: limit(500, 50),
  count: flag.describe('Whether to count all that fit, as `total`'),
  ...atLeast,
});
export const ContactPage = pageOf(Contact).extend({
  total: z.int().nonnegative().optional(),
  position: Position,
});

/**
 * The moment of a write whose additions may be texted: the consent's own where one was given, else that of the contact's last
 * change, which is the write's, and for a repeated one that of the first.
 */
async function basisOf(
  call: Call,
  { updatedAt }: ContactRecord,
  consent?: z.infer<typeof ConsentInput>,
): Promise<string | null> {
  const { policy } = await call.edge.accounts.get(call.envelope.account);
  if (consent === undefined && policy.requireEvidence) return null;
  return consent?.at ?? updatedAt;
}

async function join(call: Call, contactId: Id, groups: readonly Id[]): Promise<number[]> {
  const envelopeFor = (id: Id): Envelope => followUp(call.envelope, 'add-members', id);
  const answers = await Promise.all(
    groups.map((id) => call.ask(addMembers, { id, contactIds: [contactId] }, envelopeFor(id))),
  );
  return answers.map((answer) => answer.position);
}

const registerRoute = route({
  method: 'POST',
  path: '/v1/contacts',
  tag,
  summary: 'Creates a contact (201), or updates the one with the same phone, external id or e-mail (200).',
  permission: 'contacts.write',
  body: NewContact,
  answers: {
    200: z.object({ contact: Contact, created: z.boolean(), position: Position }),
    201: z.object({ contact: Contact, created: z.boolean(), position: Position }),
  },
  async handle(call) {
    const { id, country, consent, groups = [], ...contact } = call.body;
    const joined = [...new Set(groups)];
    await requireStandard(call, joined);
    const registered = await call.ask(registerContact, { id, contact, country, consent });
    const positions = await join(call, registered.contact.id, joined);
    const basisAt = await basisOf(call, registered.contact, consent);
    const whole = await assemble(call, registered.contact, { basisAt, joined });
    const { created } = registered;
    const position = Math.max(registered.position, ...positions);
    return { status: created ? 201 : 200, body: { contact: whole, created, position } };
  },
});

const listRoute = route({
  method: 'GET',
  path: '/v1/contacts',
  tag,
  summary: 'Contacts that fit a query, a group and a status, one page at a time.',
  permission: 'contacts.read',
  query: MembersQuery.extend({ group: GroupId.optional() }),
  answers: { 200: ContactPage },
  handle: async (call) => ok(await call.ask(findMembers, call.query)),
});

const getRoute = route({
  method: 'GET',
  path: '/v1/contacts/{id}',
  tag,
  summary: 'One contact. Its record and what may be texted are never stale.',
  permission: 'contacts.read',
  params: ById,
  query: AtLeastQuery,
  missing,
  answers: { 200: Contact },
  async handle(call) {
    const { contact, position } = await call.ask(getContact, { id: call.params.id });
    const { atLeast } = call.query;
    const whole = await assemble(call, contact, {
      seen: Math.max(position, atLeast ?? 0),
      strict: atLeast !== undefined,
    });
    return ok(whole, { etag: `"${contact.revision}"` });
  },
});

const changeRoute = route({
  method: 'PATCH',
  path: '/v1/contacts/{id}',
  tag,
  summary: 'Changes what is named; null takes a value away.',
  permission: 'contacts.write',
  params: ById,
  body: z.strictObject(ContactInput.shape),
  ifMatch: true,
  missing,
  answers: { 200: Contact.extend({ changed: z.boolean(), position: Position }) },
  async handle(call) {
    const ifRevision = revisionIn(call.http.headers['if-match']);
    const input = { id: call.params.id, contact: call.body, ...(ifRevision !== null && { ifRevision }) };
    const changing = call.ask(changeContact, input);
    const meanwhile = askMeanwhile(call, call.params.id);
    const { contact, changed, position } = await changing;
    const whole = await assemble(call, contact, { basisAt: await basisOf(call, contact), meanwhile });
    return ok({ ...whole, changed, position }, { etag: `"${contact.revision}"` });
  },
});

/** The revision in `If-Match`, as ETag or bare number; null for none and for `*`. */
export function revisionIn(header: string | undefined): number | null {
  if (header === undefined || header.trim() === '*') return null;
  const [, digits] = /^\s*(?:W\/)?"?(\d{1,15})"?\s*$/.exec(header) ?? [];
  if (digits === undefined)
    throw new Refusal('request:invalid', {
      path: 'header.if-match',
      detail: 'If-Match is the revision of the contact, such as "7".',
    });
  return Number(digits);
}

const deleteRoute = route({
  method: 'DELETE',
  path: '/v1/contacts/{id}',
  tag,
  summary: 'Deletes a contact. What was said about consent stays.',
  permission: 'contacts.delete',
  params: ById,
  missing,
  answers: { 200: Done },
  handle: async (call) => ok(await call.ask(deleteContact, { id: call.params.id })),
});

const historyRoute = route({
  method: 'GET',
  path: '/v1/contacts/{id}/history',
  tag,
  summary: 'Everything that happened to a contact, oldest first.',
  permission: 'contacts.read',
  params: ById,
  query: AtLeastQuery,
  missing,
  answers: { 200: listOf(HistoryItem) },
  handle: async (call) => ok(await call.ask(getContactHistory, { id: call.params.id, ...call.query })),
});

export const contactRoutes: readonly Route[] = [
  registerRoute,
  listRoute,
  getRoute,
  changeRoute,
  deleteRoute,
  historyRoute,
];
