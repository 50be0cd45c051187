import { Controller } from '@nestjs/common';
import { getGroup, listGroups, parseRuleText } from '@muster/contracts/group';
import { fieldsOf } from '@muster/rule/fields-of';
import { printRule } from '@muster/rule/print';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { Audiences } from './audience.worker.js';
import { GroupDirectory, readRule } from './group.directory.js';
import { GroupViews } from './group.views.js';

@Controller()
export class GroupQueries {
  constructor(
    private readonly audiences: Audiences,
    private readonly directory: GroupDirectory,
    private readonly views: GroupViews,
  ) {}

  @Handles(listGroups)
  async list({ envelope, input }: Ask<typeof listGroups>): Promise<AnswerOf<typeof listGroups>> {
    const { position, state } = await this.audiences.view(envelope.account, input.atLeast);
    const catalogue = await this.views.catalogue(envelope.account, state);
    return { items: this.views.list(state, catalogue), position };
  }

  @Handles(getGroup)
  async get({ envelope, input }: Ask<typeof getGroup>): Promise<AnswerOf<typeof getGroup>> {
    const { position, state } = await this.audiences.view(envelope.account, input.atLeast);
    const catalogue = await this.views.catalogue(envelope.account, state);
    return { group: this.views.one(input.id, state, catalogue), position };
  }

  /** Read against the streams, so that a rule about a field or group that was added just now is good. */
  @Handles(parseRuleText)
  async parse({ envelope, input }: Ask<typeof parseRuleText>): Promise<AnswerOf<typeof parseRuleText>> {
    const groups = await this.directory.all(envelope.account);
    const catalogue = await this.directory.catalogue(envelope.account, groups);
    const rule = readRule(input.rule, catalogue);
    return {
      text: printRule(rule, catalogue),
      json: rule as unknown as Record<string, unknown>,
      properties: [...fieldsOf(rule)].sort(),
    };
  }
}
