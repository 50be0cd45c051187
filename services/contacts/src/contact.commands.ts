import { Controller } from '@nestjs/common';
import {
  changeContact as changeSubject,
  deleteContact as deleteSubject,
  registerContact as registerSubject,
  registerContacts as registerManySubject,
  type ContactEvent,
  type RowOutcome,
} from '@muster/contracts/contact';
import { Refusal } from '@muster/contracts/errors';
import { addField, listFields } from '@muster/contracts/field';
import type { Decided } from '@muster/event-store/decider';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { contactRecord } from './contact.view.js';
import { changeContact, deleteContact, type ContactState } from './domain/contact.js';
import { readInput } from './domain/input.js';
import { Fields } from './fields.js';
import { basisOf, Register, type Registered } from './register.js';
import { Registry } from './registry.js';

@Controller()
export class ContactCommands {
  constructor(
    private readonly registry: Registry,
    private readonly register: Register,
    private readonly fields: Fields,
  ) {}

  @Handles(registerSubject)
  async registerOne({
    envelope,
    input,
  }: Ask<typeof registerSubject>): Promise<AnswerOf<typeof registerSubject>> {
    const { id, contact, country, consent, update } = input;
    if (id !== undefined) {
      const changed = await this.change({ envelope, input: { id, contact } });
      return { ...changed, created: false };
    }
    const { contactId, decided } = await this.register.registerOne(envelope, contact, {
      country,
      consent,
      update,
    });
    return {
      contact: contactRecord(contactId, decided.revision, decided.state),
      created: decided.types.includes('ContactRegistered'),
      changed: decided.outcome !== 'nothing',
      position: decided.position,
    };
  }

  @Handles(registerManySubject)
  async registerMany({
    envelope,
    input,
  }: Ask<typeof registerManySubject>): Promise<AnswerOf<typeof registerManySubject>> {
    const { country, consent, update } = input;
    const rows = input.rows.map(({ command, row, contact }) => ({
      envelope: { ...envelope, command, source: { ...envelope.source, row } },
      contact,
    }));
    const answers = await this.register.registerMany(envelope.account, rows, { country, consent, update });
    const positions = answers.map((answer) => (answer instanceof Refusal ? 0 : answer.decided.position));
    return { rows: answers.map(rowOutcome), position: Math.max(0, ...positions) };
  }

  @Handles(changeSubject)
  async change({ envelope, input }: Ask<typeof changeSubject>): Promise<AnswerOf<typeof changeSubject>> {
    const { account } = envelope;
    const options = { country: undefined, consent: undefined, update: 'overwrite' as const };
    const [context, head] = await Promise.all([
      this.register.context(account, envelope, options),
      this.registry.decider.load(account, input.id),
    ]);
    const read = readInput(input.contact, context.reading);
    if (head.state.life !== 'live') throw new Refusal('contact:not_found');
    checkRevision(
      head.revision,
      input.ifRevision,
      head.commands.some((done) => done.command === envelope.command),
    );
    await this.register.claimFor(envelope, input.id, read);
    const basis = basisOf(envelope, undefined, context.requireEvidence);
    const decided = await this.registry.decider.execute(
      envelope,
      input.id,
      (state) => changeContact(state, { change: read.change, basis, required: context.required }),
      {
        known: head,
        onConflict: async () => {
          if (input.ifRevision !== undefined) throw new Refusal('contact:revision_conflict');
          await this.register.claimFor(envelope, input.id, read);
        },
      },
    );
    await this.register.releaseOld(account, input.id, decided);
    return changedAnswer(input.id, decided);
  }

  @Handles(deleteSubject)
  async delete({ envelope, input }: Ask<typeof deleteSubject>): Promise<AnswerOf<typeof deleteSubject>> {
    const { account } = envelope;
    const decided = await this.registry.decider.execute(envelope, input.id, deleteContact);
    const keys = decided.events.flatMap((event) =>
      event.type === 'ContactDeleted' ? event.data.details.map((detail) => detail.key) : [],
    );
    await this.registry.claims.release(account, input.id, keys);
    return { position: decided.position };
  }

  @Handles(addField)
  async addField({ envelope, input }: Ask<typeof addField>): Promise<AnswerOf<typeof addField>> {
    const decided = await this.fields.add(envelope, input);
    const field = { ...input, default: false };
    return { field, created: decided.types.includes('FieldAdded'), position: decided.position };
  }

  @Handles(listFields)
  async listFields({ envelope }: Ask<typeof listFields>): Promise<AnswerOf<typeof listFields>> {
    const { fields, position } = await this.fields.all(envelope.account);
    return { items: fields, position };
  }
}

function checkRevision(revision: number, expected: number | undefined, alreadyDone: boolean): void {
  if (expected !== undefined && expected !== revision && !alreadyDone) {
    throw new Refusal('contact:revision_conflict', { revision });
  }
}

function changedAnswer(
  id: string,
  decided: Decided<ContactState, ContactEvent>,
): AnswerOf<typeof changeSubject> {
  return {
    contact: contactRecord(id, decided.revision, decided.state),
    changed: decided.outcome !== 'nothing',
    position: decided.position,
  };
}

function rowOutcome(answer: Registered | Refusal): RowOutcome {
  if (answer instanceof Refusal) {
    const { path } = answer.data;
    return { outcome: 'rejected', code: answer.code, ...(path === undefined ? {} : { path }) };
  }
  const { contactId, phoneKey, decided } = answer;
  const outcome = decided.types.includes('ContactRegistered')
    ? 'new'
    : decided.outcome === 'nothing'
      ? 'unchanged'
      : 'updated';
  return { outcome, contactId, ...(phoneKey ? { phoneKey } : {}) };
}
