import { Injectable } from '@nestjs/common';
import { ALL_CONTACTS, type Group } from '@muster/contracts/group';
import { Refusal } from '@muster/contracts/errors';
import { Accounts } from '@muster/event-store/accounts';
import type { FieldCatalogue } from '@muster/rule/catalogue';
import { isLive, type AccountState } from './account.state.js';
import type { GroupDocument } from './audience.model.js';
import { Audiences } from './audience.worker.js';
import type { GroupState } from './domain/group.js';
import { ALL_CONTACTS_NAME, displayRule } from './group.directory.js';

const NO_COUNTS = { members: 0, active: 0, sms: 0, email: 0 };
/** How long a command waits to answer with counts, in milliseconds. */
const COUNTS_WAIT_MS = 500;

/** Groups as the API shows them, with counts from the bitmaps. */
@Injectable()
export class GroupViews {
  constructor(
    private readonly audiences: Audiences,
    private readonly accounts: Accounts,
  ) {}

  /** What rules may speak of, as far as the model has read. */
  async catalogue(account: string, state: AccountState): Promise<FieldCatalogue> {
    const { defaultCountry, timeZone } = await this.accounts.get(account);
    const { fields, groups } = state.catalogue;
    const live = [...groups.values()].filter(isLive).map(({ groupId, name }) => ({ id: groupId, name }));
    return { fields: fields.fields, groups: live, defaultCountry, timeZone };
  }

  /** All contacts first, then by name. */
  list(state: AccountState, catalogue: FieldCatalogue): Group[] {
    const groups = [...state.catalogue.groups.values()].filter(isLive);
    groups.sort((a, b) => a.name.localeCompare(b.name, 'en') || (a.groupId < b.groupId ? -1 : 1));
    return [allContacts(state), ...groups.map((group) => viewOf(group, state, catalogue))];
  }

  /** @throws Refusal `group:not_found` */
  one(groupId: string, state: AccountState, catalogue: FieldCatalogue): Group {
    if (groupId === ALL_CONTACTS) return allContacts(state);
    const group = state.catalogue.groups.get(groupId);
    if (!isLive(group)) throw new Refusal('group:not_found');
    return viewOf(group, state, catalogue);
  }

  /** The group after a command, with counts when the model gets there soon. */
  async written(
    account: string,
    group: GroupState,
    position: number,
    catalogue: FieldCatalogue,
  ): Promise<Group> {
    const view = await this.audiences.soon(account, position, COUNTS_WAIT_MS);
    const known = group.groupId === null ? undefined : view?.state.catalogue.groups.get(group.groupId);
    if (view && isLive(known)) return viewOf(known, view.state, catalogue);
    return {
      id: group.groupId as string,
      name: group.name,
      kind: group.kind,
      ...(group.rule === null ? {} : { rule: displayRule(group.rule, catalogue) }),
      categories: group.categories,
      ready: group.kind === 'standard',
      builtin: false,
      counts: NO_COUNTS,
      createdAt: group.createdAt,
    };
  }
}

function allContacts(state: AccountState): Group {
  return {
    id: ALL_CONTACTS,
    name: ALL_CONTACTS_NAME,
    kind: 'dynamic',
    rule: 'true',
    categories: [],
    ready: true,
    builtin: true,
    counts: state.bitmaps.counts(ALL_CONTACTS),
    createdAt: null,
  } as Group;
}

function viewOf(group: GroupDocument, state: AccountState, catalogue: FieldCatalogue): Group {
  const rule = group.versions.at(-1)?.rule;
  return {
    id: group.groupId,
    name: group.name,
    kind: group.kind,
    ...(rule === undefined ? {} : { rule: displayRule(rule, catalogue) }),
    categories: group.categories,
    ready: group.pending.length === 0,
    builtin: false,
    counts: state.bitmaps.counts(group.groupId),
    createdAt: group.createdAt,
  };
}
