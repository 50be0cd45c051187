import { Controller } from '@nestjs/common';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { listFields } from '@muster/contracts/field';
import { createGroup } from '@muster/contracts/group';
import type { Id } from '@muster/contracts/ids';
import {
  cancelImport as cancelSubject,
  chooseGroups as chooseGroupsSubject,
  mapImport as mapSubject,
  startImport as startSubject,
  type ImportEvent,
  type Target,
} from '@muster/contracts/import';
import { EventStore } from '@muster/event-store/event-store';
import { callFields } from '@muster/runtime/call-context';
import { Bus } from '@muster/runtime/bus';
import { followUp } from '@muster/runtime/envelopes';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { Log } from '@muster/runtime/log';
import { cancelImport, chooseGroups, mapImport, startImport, type ImportAggregate } from './domain/import.js';
import { checkGroups } from './import.groups.js';
import { ImportRegistry } from './import.registry.js';
import { ImportViews } from './import.view.js';
import { ImportWorker } from './import.worker.js';

const FIELD = 'field:';

@Controller()
export class ImportCommands {
  constructor(
    private readonly registry: ImportRegistry,
    private readonly views: ImportViews,
    private readonly worker: ImportWorker,
    private readonly bus: Bus,
    private readonly store: EventStore,
    private readonly log: Log,
  ) {}

  @Handles(mapSubject)
  async map({ envelope, input }: Ask<typeof mapSubject>): Promise<AnswerOf<typeof mapSubject>> {
    const { id, ...mapping } = input;
    await this.checkFields(envelope, mapping.columns);
    return this.execute(envelope, id, (state) => mapImport(state, mapping));
  }

  @Handles(chooseGroupsSubject)
  async choose({
    envelope,
    input,
  }: Ask<typeof chooseGroupsSubject>): Promise<AnswerOf<typeof chooseGroupsSubject>> {
    const head = await this.registry.decider.load(envelope.account, input.id);
    const isRepeated = head.commands.some(({ command }) => command === envelope.command);
    if (!isRepeated) chooseGroups(head.state, input.existing);
    await checkGroups(this.store, envelope.account, input.existing);
    const created: Id[] = [];
    for (const name of new Set(input.create)) {
      const { group } = await this.bus.ask(createGroup, followUp(envelope, 'group', name), { name });
      created.push(group.id);
    }
    return this.execute(envelope, input.id, (state) => chooseGroups(state, [...input.existing, ...created]));
  }

  @Handles(startSubject)
  async start({ envelope, input }: Ask<typeof startSubject>): Promise<AnswerOf<typeof startSubject>> {
    const { id, consent } = input;
    const answer = await this.execute(envelope, id, (state) => startImport(state, consent, envelope.at));
    this.worker
      .enqueue({ account: envelope.account, importId: id })
      .catch((error: unknown) =>
        this.log.error('import has no job yet', error, { ...callFields(envelope), import: id }),
      );
    return answer;
  }

  @Handles(cancelSubject)
  cancel({ envelope, input }: Ask<typeof cancelSubject>): Promise<AnswerOf<typeof cancelSubject>> {
    return this.execute(envelope, input.id, cancelImport);
  }

  private async execute(
    envelope: Envelope,
    id: Id,
    decide: (state: ImportAggregate) => ImportEvent[],
  ): Promise<AnswerOf<typeof cancelSubject>> {
    const { decider } = this.registry;
    const { position } = await decider.execute(envelope, id, decide);
    return { import: await this.views.one(envelope, await decider.load(envelope.account, id)), position };
  }

  /** A field that does not exist would reject every row. @throws Refusal `import:mapping_invalid` */
  private async checkFields(envelope: Envelope, columns: readonly Target[]): Promise<void> {
    if (!columns.some((target) => target.startsWith(FIELD))) return;
    const { items } = await this.bus.ask(listFields, envelope, {});
    const keys = new Set(items.filter((field) => !field.default).map((field) => FIELD + field.key));
    const unknown = columns.findIndex((target) => target.startsWith(FIELD) && !keys.has(target));
    if (unknown >= 0) {
      throw new Refusal('import:mapping_invalid', { path: `columns[${unknown}]`, reason: 'field:not_found' });
    }
  }
}
