import { Controller } from '@nestjs/common';
import {
  ALL_CONTACTS,
  findMembers,
  getMemberships,
  groupLog,
  why,
  type RuleJson,
} from '@muster/contracts/group';
import type { DetailStatus } from '@muster/contracts/detail';
import { Refusal } from '@muster/contracts/errors';
import { documentId } from '@muster/contracts/names';
import { toMongo } from '@muster/rule/to-mongo';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import type { mongo } from 'mongoose';
import { z } from 'zod';
import { isLive, type AccountState } from './account.state.js';
import type { LogDocument, MemberDocument } from './audience.model.js';
import { Audiences } from './audience.worker.js';
import { contactOf } from './contact.view.js';
import { fitting, readCursor, writeCursor } from './cursor.js';
import { displayRule, readRule } from './group.directory.js';
import { GroupViews } from './group.views.js';

const ListCursor = z.object({ v: z.string(), id: z.string() });
const LogCursor = z.object({ p: z.number(), o: z.number() });

const SORT_PATHS = { name: 'folded.name', createdAt: 'createdAt', updatedAt: 'updatedAt' } as const;

/** What an answer about memberships is made of. */
const OF_MEMBERSHIP = [
  'contactId',
  'groups',
  'status',
  'phones',
  'emails',
  'optedInAt',
  'optedOutAt',
] as const;

type Input = Ask<typeof findMembers>['input'];
type Filter = mongo.Filter<MemberDocument>;

@Controller()
export class MemberQueries {
  constructor(
    private readonly audiences: Audiences,
    private readonly views: GroupViews,
  ) {}

  @Handles(findMembers)
  async find({ envelope, input }: Ask<typeof findMembers>): Promise<AnswerOf<typeof findMembers>> {
    const { account } = envelope;
    const { position, state } = await this.audiences.view(account, input.atLeast);
    if (input.group !== ALL_CONTACTS) liveGroup(state, input.group);
    const filter: Filter = {
      account,
      deleted: false,
      ...(input.group === ALL_CONTACTS ? {} : { groups: input.group }),
      $and: [...(await this.filters(account, state, input)), {}],
    };
    const path = SORT_PATHS[input.sort.replace('-', '') as keyof typeof SORT_PATHS];
    const direction = input.sort.startsWith('-') ? -1 : 1;
    const page = { $and: [filter, input.after === undefined ? {} : after(path, direction, input.after)] };
    const { members } = this.audiences.collections;
    const [found, total] = await Promise.all([
      members
        .find(page as Filter)
        .sort({ [path]: direction, contactId: direction })
        .limit(input.limit + 1)
        .batchSize(input.limit + 2)
        .toArray(),
      input.count ? this.count(state, filter, input) : undefined,
    ]);
    const isLiveGroup = (groupId: string): boolean => isLive(state.catalogue.groups.get(groupId));
    const items = fitting(found.slice(0, input.limit).map((member) => contactOf(member, isLiveGroup)));
    const last = found[items.length - 1];
    const more = found.length > items.length && last !== undefined;
    return {
      items,
      next: more ? writeCursor({ v: valueAt(last, path), id: last.contactId }) : null,
      ...(total === undefined ? {} : { total }),
      position,
    };
  }

  private async filters(account: string, state: AccountState, input: Input): Promise<Filter[]> {
    const filters: Filter[] = [];
    if (input.query !== undefined) filters.push(await this.queryFilter(account, state, input.query));
    const { status } = input;
    if (status === 'opted_out' || status === 'blocked') {
      filters.push({ $or: [{ 'phones.status': status }, { 'emails.status': status }] } as Filter);
    } else if (status !== undefined) filters.push({ status } as Filter);
    return filters;
  }

  private async queryFilter(account: string, state: AccountState, query: string | RuleJson): Promise<Filter> {
    const rule = readRule(query, await this.views.catalogue(account, state), 'query');
    return toMongo(rule) as Filter;
  }

  /** Whole groups are counted in the bitmaps. */
  private async count(state: AccountState, filter: Filter, input: Input): Promise<number> {
    if (input.query === undefined && input.status === undefined)
      return state.bitmaps.ofGroup(input.group).size;
    return this.audiences.collections.members.countDocuments(filter);
  }

  @Handles(getMemberships)
  async memberships({
    envelope,
    input,
  }: Ask<typeof getMemberships>): Promise<AnswerOf<typeof getMemberships>> {
    const { account } = envelope;
    const { position, state } = await this.audiences.view(account, input.atLeast);
    const ids = input.ids.map((id) => documentId(account, id));
    const found = await this.audiences.collections.members
      .find({ _id: { $in: ids }, deleted: false })
      .project<Pick<MemberDocument, (typeof OF_MEMBERSHIP)[number]>>(
        Object.fromEntries(OF_MEMBERSHIP.map((name) => [name, 1])),
      )
      .toArray();
    const items = found.map((member) => ({
      contactId: member.contactId,
      groups: member.groups.filter((groupId) => isLive(state.catalogue.groups.get(groupId))),
      status: member.status as DetailStatus,
      statuses: Object.fromEntries(
        [...member.phones, ...member.emails].map(({ key, status }) => [key, status as DetailStatus]),
      ),
      details: [...member.phones, ...member.emails].flatMap(({ key, value }) =>
        value === '' ? [] : [{ key, value }],
      ),
      optedInAt: member.optedInAt ?? null,
      optedOutAt: member.optedOutAt ?? null,
    }));
    return { items, position };
  }

  @Handles(why)
  async why({ envelope, input }: Ask<typeof why>): Promise<AnswerOf<typeof why>> {
    const { account } = envelope;
    const { state } = await this.audiences.view(account, input.atLeast);
    const { members, log } = this.audiences.collections;
    const member = await members.findOne({ _id: documentId(account, input.contactId) });
    if (!member) throw new Refusal('contact:not_found');
    if (input.id === ALL_CONTACTS) {
      const since = member.deleted ? null : member.createdAt;
      return { member: !member.deleted, since, condition: 'true', event: null };
    }
    const group = liveGroup(state, input.id);
    const last = await log
      .find({ account, groupId: input.id, contactId: input.contactId })
      .sort({ 'cause.position': -1 })
      .limit(1)
      .next();
    const rule = group.versions.at(-1)?.rule;
    return {
      member: member.groups.includes(input.id),
      since: last?.cause.at ?? null,
      condition: rule === undefined ? null : displayRule(rule, await this.views.catalogue(account, state)),
      event: last ? eventOf(last) : null,
    };
  }

  /** While members are still being evaluated, only what came before: entries at that place are not complete. */
  @Handles(groupLog)
  async log({ envelope, input }: Ask<typeof groupLog>): Promise<AnswerOf<typeof groupLog>> {
    const { account } = envelope;
    const { state } = await this.audiences.view(account, input.atLeast);
    if (input.id === ALL_CONTACTS) return { items: [], next: null };
    liveGroup(state, input.id);
    const open = state.catalogue.pending[0]?.cause.position ?? Number.MAX_SAFE_INTEGER;
    const from = input.after === undefined ? { p: -1, o: -1 } : readCursor(LogCursor, input.after);
    const found = await this.audiences.collections.log
      .find({
        account,
        groupId: input.id,
        $and: [
          { 'cause.position': { $gte: from.p, $lt: open } },
          { $or: [{ 'cause.position': { $gt: from.p } }, { ordinal: { $gt: from.o } }] },
        ],
      })
      .sort({ 'cause.position': 1, ordinal: 1 })
      .limit(input.limit + 1)
      .toArray();
    const items = found.slice(0, input.limit).map((entry) => ({
      cursor: writeCursor({ p: entry.cause.position, o: entry.ordinal }),
      contactId: entry.contactId,
      kind: entry.kind,
      at: entry.cause.at,
      event: eventOf(entry),
    }));
    return { items, next: found.length > items.length ? (items.at(-1)?.cursor ?? null) : null };
  }
}

function eventOf({ cause }: LogDocument): { id: string; type: string; position: number } {
  return { id: cause.id, type: cause.type, position: cause.position };
}

/** @throws Refusal `group:not_found` */
function liveGroup(state: AccountState, groupId: string) {
  const group = state.catalogue.groups.get(groupId);
  if (!isLive(group)) throw new Refusal('group:not_found');
  return group;
}

function valueAt(member: MemberDocument, path: string): string {
  return path === 'folded.name' ? member.folded.name : member[path as 'createdAt'];
}

/** What comes after a cursor in the order of the list. */
function after(path: string, direction: 1 | -1, cursor: string): Filter {
  const { v, id } = readCursor(ListCursor, cursor);
  const beyond = direction === 1 ? '$gt' : '$lt';
  return {
    $or: [{ [path]: { [beyond]: v } }, { [path]: v, contactId: { [beyond]: id } }],
  } as Filter;
}
