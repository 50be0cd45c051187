import { Controller } from '@nestjs/common';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import {
  addMembers,
  changeGroup,
  createGroup,
  deleteGroup,
  removeMembers,
  type MembershipEvent,
} from '@muster/contracts/group';
import { uuid5 } from '@muster/contracts/ids';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import * as domain from './domain/group.js';
import { forDecision, GroupDirectory, readRule } from './group.directory.js';
import { GroupViews } from './group.views.js';
import { Memberships } from './membership.js';

@Controller()
export class GroupCommands {
  constructor(
    private readonly directory: GroupDirectory,
    private readonly memberships: Memberships,
    private readonly views: GroupViews,
  ) {}

  @Handles(createGroup)
  async create({ envelope, input }: Ask<typeof createGroup>): Promise<AnswerOf<typeof createGroup>> {
    const { account, command } = envelope;
    const groupId = uuid5(command, 'group');
    const known = await this.directory.decider.load(account, groupId);
    const groups = await this.directory.all(account);
    const catalogue = await this.directory.catalogue(account, groups);
    if (known.state.life !== 'none') {
      const group = await this.views.written(account, known.state, known.position, catalogue);
      return { group, position: known.position };
    }
    const { name, kind, categories } = input;
    const rule = input.rule === undefined ? null : forDecision(readRule(input.rule, catalogue));
    const holder = await this.directory.claimName(account, name, groupId, groups);
    const others = this.directory.others(groups, holder);
    const decide = (state: domain.GroupState): ReturnType<typeof domain.createGroup> =>
      domain.createGroup(state, { groupId, name, kind, rule, categories }, others);
    const done = await this.claimed(envelope, name, groupId, decide);
    return {
      group: await this.views.written(account, done.state, done.position, catalogue),
      position: done.position,
    };
  }

  @Handles(changeGroup)
  async change({ envelope, input }: Ask<typeof changeGroup>): Promise<AnswerOf<typeof changeGroup>> {
    const { account } = envelope;
    const { id, name, categories } = input;
    domain.refuseBuiltIn(id);
    const groups = await this.directory.all(account);
    const catalogue = await this.directory.catalogue(account, groups);
    const rule = input.rule === undefined ? undefined : forDecision(readRule(input.rule, catalogue));
    const current = groups.find((group) => group.groupId === id);
    const isNew = name !== undefined && current !== undefined && name !== current.name;
    const holder = isNew ? await this.directory.claimName(account, name, id, groups) : null;
    const others = this.directory.others(groups, holder);
    const decide = (state: domain.GroupState): ReturnType<typeof domain.changeGroup> =>
      domain.changeGroup(state, { name, rule, categories }, others);
    const done = await this.claimed(envelope, isNew ? name : null, id, decide);
    if (isNew && current && done.outcome === 'applied')
      await this.giveUpName(account, current.name, name, id);
    return {
      group: await this.views.written(account, done.state, done.position, catalogue),
      changed: done.outcome !== 'nothing',
      position: done.position,
    };
  }

  @Handles(deleteGroup)
  async delete({ envelope, input }: Ask<typeof deleteGroup>): Promise<AnswerOf<typeof deleteGroup>> {
    domain.refuseBuiltIn(input.id);
    const groups = await this.directory.all(envelope.account);
    const others = this.directory.others(groups, null);
    const done = await this.directory.decider.execute(envelope, input.id, (state) =>
      domain.deleteGroup(state, others),
    );
    await this.directory.releaseName(envelope.account, done.state.name, input.id);
    return { position: done.position };
  }

  @Handles(addMembers)
  async add({ envelope, input }: Ask<typeof addMembers>): Promise<AnswerOf<typeof addMembers>> {
    return this.appendMembers(envelope, input.id, { type: 'MembersAdded', data: unique(input.contactIds) });
  }

  @Handles(removeMembers)
  async remove({ envelope, input }: Ask<typeof removeMembers>): Promise<AnswerOf<typeof removeMembers>> {
    return this.appendMembers(envelope, input.id, { type: 'MembersRemoved', data: unique(input.contactIds) });
  }

  private async appendMembers(
    envelope: Envelope,
    groupId: string,
    event: MembershipEvent,
  ): Promise<{ position: number }> {
    domain.refuseBuiltIn(groupId);
    const head = await this.directory.decider.load(envelope.account, groupId);
    domain.refuseManualMembers(groupId, head.state);
    return { position: await this.memberships.append(envelope, groupId, event) };
  }

  /** Decides with a name that was claimed before, and gives the name back when the decision is no. */
  private async claimed(
    envelope: Envelope,
    name: string | null,
    groupId: string,
    decide: Parameters<GroupDirectory['decider']['execute']>[2],
  ): ReturnType<GroupDirectory['decider']['execute']> {
    try {
      return await this.directory.decider.execute(envelope, groupId, decide);
    } catch (error) {
      if (name !== null && error instanceof Refusal && error.code !== 'service:unavailable') {
        await this.directory.releaseName(envelope.account, name, groupId);
      }
      throw error;
    }
  }

  /** The old name is free, unless it differs from the new one in case or accents only. */
  private async giveUpName(account: string, old: string, name: string, groupId: string): Promise<void> {
    await this.directory.releaseName(account, old, groupId);
    await this.directory.claimName(account, name, groupId, []);
  }
}

function unique(contactIds: readonly string[]): { contactIds: string[] } {
  return { contactIds: [...new Set(contactIds)] };
}
