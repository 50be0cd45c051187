import { Injectable } from '@nestjs/common';
import type { Envelope } from '@muster/contracts/envelope';
import type { Field, FieldEvent } from '@muster/contracts/field';
import { Accounts } from '@muster/event-store/accounts';
import { Decider, type Decided } from '@muster/event-store/decider';
import { EventStore } from '@muster/event-store/event-store';
import { Heads, type Head } from '@muster/event-store/heads';
import { Database } from '@muster/runtime/database';
import { addField, allFields, evolve, NO_FIELDS, type FieldsState } from './domain/field.js';

/** The field catalogue of each account: one stream an account. */
@Injectable()
export class Fields {
  private readonly decider: Decider<FieldsState, FieldEvent>;

  constructor(
    store: EventStore,
    database: Database,
    private readonly accounts: Accounts,
  ) {
    this.decider = new Decider<FieldsState, FieldEvent>({
      store,
      heads: new Heads<FieldsState>(database.collection('field_heads')),
      category: 'fields',
      initial: NO_FIELDS,
      evolve,
    });
  }

  /** Default and custom fields. */
  async all(account: string): Promise<{ fields: Field[]; position: number }> {
    const head: Head<FieldsState> = await this.decider.load(account, account);
    return { fields: allFields(head.state), position: Math.max(0, head.position) };
  }

  async add(envelope: Envelope, field: Omit<Field, 'default'>): Promise<Decided<FieldsState, FieldEvent>> {
    const { policy } = await this.accounts.get(envelope.account);
    return this.decider.execute(envelope, envelope.account, (state) =>
      addField(state, field, policy.maxFields),
    );
  }
}
