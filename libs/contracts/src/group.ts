import { z } from 'zod';
import { Contact } from './contact.js';
import { DetailStatus } from './detail.js';
import { AtLeast, Instant, Position, Written } from './envelope.js';
import { defineEvent, type EventOf } from './event.js';
import { DetailKey, Id } from './ids.js';
import { command, query } from './subject.js';

/** The built-in group of every contact that is not deleted. */
export const ALL_CONTACTS = 'all';
/** Ids in one membership event and in one request that changes members. */
export const MEMBERS_MAX = 500;
export const GROUPS_MAX = 1000;

export const GroupId = z.union([Id, z.literal(ALL_CONTACTS)]);
export type GroupId = z.infer<typeof GroupId>;
export const GroupKind = z.enum(['standard', 'dynamic']);
export type GroupKind = z.infer<typeof GroupKind>;

/** JSON form of a rule; its schema and language belong to the rule library. */
export const RuleJson = z.record(z.string(), z.unknown());
export type RuleJson = z.infer<typeof RuleJson>;

const GroupName = z.string().trim().min(1).max(100);
const Category = z.string().trim().min(1).max(60);

export const GroupCreated = defineEvent(
  'group',
  'GroupCreated',
  z.object({
    groupId: Id,
    name: z.string(),
    kind: GroupKind,
    /** Text form of the rule of a dynamic group. */
    rule: z.string().optional(),
    categories: z.array(z.string()),
  }),
  {
    example: {
      groupId: '01890a5d-ac96-774b-bcce-b302099a8057',
      name: 'Gold and VIP',
      kind: 'dynamic',
      rule: 'plan in ("gold", "vip")',
      categories: [],
    },
  },
);
export const GroupRenamed = defineEvent(
  'group',
  'GroupRenamed',
  z.object({ name: z.string().optional(), categories: z.array(z.string()).optional() }),
  { example: { name: 'Best customers' } },
);
export const GroupRuleChanged = defineEvent('group', 'GroupRuleChanged', z.object({ rule: z.string() }), {
  example: { rule: 'plan = "vip"' },
});
export const GroupDeleted = defineEvent('group', 'GroupDeleted', z.object({}), { example: {} });
export const GROUP_EVENTS = [GroupCreated, GroupRenamed, GroupRuleChanged, GroupDeleted] as const;
export type GroupEvent = EventOf<(typeof GROUP_EVENTS)[number]>;

const Members = z.object({ contactIds: z.array(Id).min(1).max(MEMBERS_MAX) });
const membersExample = { contactIds: ['01890a5d-ac96-774b-bcce-b302099a8057'] };
export const MembersAdded = defineEvent('membership', 'MembersAdded', Members, { example: membersExample });
export const MembersRemoved = defineEvent('membership', 'MembersRemoved', Members, {
  example: membersExample,
});
export const MEMBERSHIP_EVENTS = [MembersAdded, MembersRemoved] as const;
export type MembershipEvent = EventOf<(typeof MEMBERSHIP_EVENTS)[number]>;

export const GroupCounts = z.object({
  members: z.int().nonnegative(),
  active: z.int().nonnegative(),
  sms: z.int().nonnegative(),
  email: z.int().nonnegative(),
});
export const Group = z.object({
  id: GroupId,
  name: z.string(),
  kind: GroupKind,
  rule: z.string().optional(),
  categories: z.array(z.string()),
  ready: z.boolean(),
  builtin: z.boolean(),
  counts: GroupCounts,
  createdAt: Instant.nullable(),
});
export type Group = z.infer<typeof Group>;

export const createGroup = command(
  'groups',
  'create-group',
  'Creates a standard group, or a dynamic one with its rule.',
  z.object({
    name: GroupName,
    kind: GroupKind.default('standard'),
    rule: z.union([z.string().max(10_000), RuleJson]).optional(),
    categories: z.array(Category).max(20).default([]),
  }),
  z.object({ group: Group, ...Written }),
);
export const changeGroup = command(
  'groups',
  'change-group',
  'Renames a group, changes its categories or its rule.',
  z.object({
    id: GroupId,
    name: GroupName.optional(),
    rule: z.union([z.string().max(10_000), RuleJson]).optional(),
    categories: z.array(Category).max(20).optional(),
  }),
  z.object({ group: Group, changed: z.boolean(), ...Written }),
);
export const deleteGroup = command(
  'groups',
  'delete-group',
  'Deletes a group; its members stay contacts.',
  z.object({ id: GroupId }),
  z.object({ ...Written }),
);
export const addMembers = command(
  'groups',
  'add-members',
  'Adds up to 500 contacts to a standard group. Those who are members already stay so.',
  z.object({ id: GroupId, contactIds: z.array(Id).min(1).max(MEMBERS_MAX) }),
  z.object({ ...Written }),
);
export const removeMembers = command(
  'groups',
  'remove-members',
  'Removes up to 500 contacts from a standard group; they stay contacts.',
  z.object({ id: GroupId, contactIds: z.array(Id).min(1).max(MEMBERS_MAX) }),
  z.object({ ...Written }),
);
export const listGroups = query(
  'groups',
  'list-groups',
  'All groups with their counts.',
  z.object({ ...AtLeast }),
  z.object({ items: z.array(Group), position: Position }),
);
export const getGroup = query(
  'groups',
  'get-group',
  'One group with its counts.',
  z.object({ id: GroupId, ...AtLeast }),
  z.object({ group: Group, position: Position }),
);

/** Sort keys of lists; a minus turns the order round. Ties are broken by id, so pages never overlap. */
export const SORTS = ['name', '-name', 'createdAt', '-createdAt', 'updatedAt', '-updatedAt'] as const;

export const findMembers = query(
  'groups',
  'find-members',
  'Contacts of a group, filtered by a query, one page at a time.',
  z.object({
    group: GroupId.default(ALL_CONTACTS),
    query: z.union([z.string().max(10_000), RuleJson]).optional(),
    status: DetailStatus.optional(),
    sort: z.enum(SORTS).default('-createdAt'),
    after: z.string().max(2000).optional(),
    limit: z.int().positive().max(500).default(50),
    count: z.boolean().default(false),
    ...AtLeast,
  }),
  z.object({
    items: z.array(Contact),
    next: z.string().nullable(),
    total: z.int().nonnegative().optional(),
    position: Position,
  }),
);

/** What only the groups service knows of contacts: status, groups, dates. For the API's view of one contact. */
export const getMemberships = query(
  'groups',
  'get-memberships',
  'Groups and dates of up to 500 contacts.',
  z.object({ ids: z.array(Id).max(MEMBERS_MAX), ...AtLeast }),
  z.object({
    items: z.array(
      z.object({
        contactId: Id,
        groups: z.array(Id),
        status: DetailStatus,
        statuses: z.record(DetailKey, DetailStatus),
        details: z.array(z.object({ key: DetailKey, value: z.string() })).default([]),
        optedInAt: Instant.nullable(),
        optedOutAt: Instant.nullable(),
      }),
    ),
    position: Position,
  }),
);

export const why = query(
  'groups',
  'why',
  'Whether a contact is in a group, since when and because of which event.',
  z.object({ id: GroupId, contactId: Id, ...AtLeast }),
  z.object({
    member: z.boolean(),
    since: Instant.nullable(),
    condition: z.string().nullable(),
    event: z.object({ id: Id, type: z.string(), position: Position }).nullable(),
  }),
);
export const groupLog = query(
  'groups',
  'group-log',
  'Who entered and left a group, oldest first.',
  z.object({
    id: GroupId,
    after: z.string().max(200).optional(),
    limit: z.int().positive().max(500).default(100),
    ...AtLeast,
  }),
  z.object({
    items: z.array(
      z.object({
        cursor: z.string(),
        contactId: Id,
        kind: z.enum(['entered', 'left']),
        at: Instant,
        event: z.object({ id: Id, type: z.string(), position: Position }),
      }),
    ),
    next: z.string().nullable(),
  }),
);
export const parseRuleText = query(
  'groups',
  'parse-rule',
  'Reads a rule: its canonical text and JSON, or where it cannot be read and what was expected there.',
  z.object({ rule: z.union([z.string().max(10_000), RuleJson]) }),
  z.object({ text: z.string(), json: RuleJson, properties: z.array(z.string()) }),
);
