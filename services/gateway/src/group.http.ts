import { Position } from '@muster/contracts/envelope';
import {
  addMembers,
  changeGroup,
  createGroup,
  deleteGroup,
  findMembers,
  getGroup,
  Group,
  groupLog,
  GroupId,
  listGroups,
  MEMBERS_MAX,
  parseRuleText,
  removeMembers,
  why,
} from '@muster/contracts/group';
import { Id } from '@muster/contracts/ids';
import { followUp } from '@muster/runtime/envelopes';
import { z } from 'zod';
import { ContactPage, MembersQuery } from './contact.http.js';
import { after, atLeast, AtLeastQuery, Done, limit } from './query.schemas.js';
import { created, ok, route, type Call, type Route } from './route.js';

const tag = 'Groups';
const missing = 'group:not_found';
/** Ids in one request; they are passed on 500 at a time. */
const IDS_MAX = 10_000;

const ByGroup = z.object({ id: GroupId });
const Ids = z.strictObject({ ids: z.array(Id).min(1).max(IDS_MAX) });
const Written = Group.extend({ position: Position });

const listRoute = route({
  method: 'GET',
  path: '/v1/groups',
  tag,
  summary: 'All groups with their counts, the built-in one first.',
  permission: 'groups.read',
  query: AtLeastQuery,
  answers: { 200: z.object({ items: z.array(Group), position: Position }) },
  handle: async (call) => ok(await call.ask(listGroups, call.query)),
});

const createRoute = route({
  method: 'POST',
  path: '/v1/groups',
  tag,
  summary: 'Creates a standard group, or a dynamic one with its rule.',
  permission: 'groups.write',
  body: z.strictObject(createGroup.input.shape),
  answers: { 201: Written },
  async handle(call) {
    const { group, position } = await call.ask(createGroup, call.body);
    return created({ ...group, position });
  },
});

const getRoute = route({
  method: 'GET',
  path: '/v1/groups/{id}',
  tag,
  summary: 'One group with its counts.',
  permission: 'groups.read',
  params: ByGroup,
  query: AtLeastQuery,
  missing,
  answers: { 200: Written },
  async handle(call) {
    const { group, position } = await call.ask(getGroup, { id: call.params.id, ...call.query });
    return ok({ ...group, position });
  },
});

const changeRoute = route({
  method: 'PATCH',
  path: '/v1/groups/{id}',
  tag,
  summary: 'Renames a group, changes its categories or its rule.',
  permission: 'groups.write',
  params: ByGroup,
  body: z.strictObject(changeGroup.input.omit({ id: true }).shape),
  missing,
  answers: { 200: Written },
  async handle(call) {
    const { group, position } = await call.ask(changeGroup, { id: call.params.id, ...call.body });
    return ok({ ...group, position });
  },
});

const deleteRoute = route({
  method: 'DELETE',
  path: '/v1/groups/{id}',
  tag,
  summary: 'Deletes a group; its members stay contacts.',
  permission: 'groups.write',
  params: ByGroup,
  missing,
  answers: { 200: Done },
  handle: async (call) => ok(await call.ask(deleteGroup, { id: call.params.id })),
});

const membersRoute = route({
  method: 'GET',
  path: '/v1/groups/{id}/members',
  tag,
  summary: 'Contacts of a group that fit a query, one page at a time.',
  permission: 'groups.read',
  params: ByGroup,
  query: MembersQuery,
  missing,
  answers: { 200: ContactPage },
  handle: async (call) => ok(await call.ask(findMembers, { group: call.params.id, ...call.query })),
});

/** Passes ids on in pieces; each is a command of its own that follows from the call, so a repeat changes nothing. */
async function inPieces(
  call: Call<{ id: GroupId }, unknown, { ids: Id[] }>,
  subject: typeof addMembers | typeof removeMembers,
): Promise<{ position: number }> {
  let position = 0;
  for (let start = 0; start < call.body.ids.length; start += MEMBERS_MAX) {
    const contactIds = call.body.ids.slice(start, start + MEMBERS_MAX);
    const envelope = followUp(call.envelope, 'members', String(start));
    const answer = await call.ask(subject, { id: call.params.id, contactIds }, envelope);
    position = Math.max(position, answer.position);
  }
  return { position };
}

const addRoute = route({
  method: 'POST',
  path: '/v1/groups/{id}/members',
  tag,
  summary: 'Adds contacts to a standard group; members already stay so.',
  permission: 'groups.write',
  params: ByGroup,
  body: Ids,
  missing,
  answers: { 200: Done },
  handle: async (call) => ok(await inPieces(call, addMembers)),
});

const removeRoute = route({
  method: 'POST',
  path: '/v1/groups/{id}/members/remove',
  tag,
  summary: 'Removes contacts from a standard group; they stay contacts.',
  permission: 'groups.write',
  params: ByGroup,
  body: Ids,
  missing,
  answers: { 200: Done },
  handle: async (call) => ok(await inPieces(call, removeMembers)),
});

const whyRoute = route({
  method: 'GET',
  path: '/v1/groups/{id}/members/{contactId}/why',
  tag,
  summary: 'Whether a contact is in a group, since when and because of which event.',
  permission: 'groups.read',
  params: ByGroup.extend({ contactId: Id }),
  query: AtLeastQuery,
  missing,
  answers: { 200: why.output },
  handle: async (call) => ok(await call.ask(why, { ...call.params, ...call.query })),
});

const logRoute = route({
  method: 'GET',
  path: '/v1/groups/{id}/log',
  tag,
  summary: 'Who entered and left a group, oldest first.',
  permission: 'groups.read',
  params: ByGroup,
  query: z.strictObject({ after, limit: limit(500, 100), ...atLeast }),
  missing,
  answers: { 200: groupLog.output },
  handle: async (call) => ok(await call.ask(groupLog, { id: call.params.id, ...call.query })),
});

const parseRoute = route({
  method: 'POST',
  path: '/v1/rules/parse',
  tag,
  summary: 'Reads a rule: its text and JSON forms, or where it cannot be read and what was expected there.',
  permission: 'groups.read',
  keyless: true,
  body: z.strictObject(parseRuleText.input.shape),
  answers: { 200: parseRuleText.output },
  handle: async (call) => ok(await call.ask(parseRuleText, call.body)),
});

export const groupRoutes: readonly Route[] = [
  listRoute,
  createRoute,
  getRoute,
  changeRoute,
  deleteRoute,
  membersRoute,
  addRoute,
  removeRoute,
  whyRoute,
  logRoute,
  parseRoute,
];
