import { Controller } from '@nestjs/common';
import {
  findByDetail,
  getContact,
  getContactHistory,
  getContacts,
  type ContactEvent,
  type HistoryItem,
} from '@muster/contracts/contact';
import { Refusal } from '@muster/contracts/errors';
import { Accounts } from '@muster/event-store/accounts';
import { EventStore } from '@muster/event-store/event-store';
import type { Fact } from '@muster/event-store/facts';
import { detailKeys } from '@muster/phone/detail';
import { parseEmail } from '@muster/phone/email';
import { parsePhone, parseProviderPhone } from '@muster/phone/phone';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { contactRecord } from './contact.view.js';
import { emailIdentifier, evolve, NO_CONTACT, type ContactState } from './domain/contact.js';
import { Registry } from './registry.js';

@Controller()
export class ContactQueries {
  constructor(
    private readonly registry: Registry,
    private readonly accounts: Accounts,
    private readonly store: EventStore,
  ) {}

  @Handles(getContact)
  async get({ envelope, input }: Ask<typeof getContact>): Promise<AnswerOf<typeof getContact>> {
    const head = await this.registry.decider.load(envelope.account, input.id);
    if (head.state.life !== 'live') throw new Refusal('contact:not_found');
    return { contact: contactRecord(input.id, head.revision, head.state), position: head.position };
  }

  @Handles(getContacts)
  async many({ envelope, input }: Ask<typeof getContacts>): Promise<AnswerOf<typeof getContacts>> {
    const heads = await this.registry.decider.heads.find(envelope.account, input.ids);
    const live = input.ids.flatMap((id) => heads.get(id) ?? []).filter((head) => head.state.life === 'live');
    return { items: live.map((head) => contactRecord(head.id, head.revision, head.state)) };
  }

  @Handles(findByDetail)
  async find({ envelope, input }: Ask<typeof findByDetail>): Promise<AnswerOf<typeof findByDetail>> {
    const { account } = envelope;
    const peppers = await this.store.keys.peppers(account);
    if (input.kind === 'email') {
      const email = parseEmail(input.value);
      if (!email.ok) return { contactId: null };
      const identifier = emailIdentifier(detailKeys(peppers, 'email', email.email)[0] as string);
      const heads = (await this.registry.byIdentifiers(account, [identifier])).get(identifier) ?? [];
      return { contactId: heads[0]?.id ?? null };
    }
    const { defaultCountry } = await this.accounts.get(account);
    const strict = parsePhone(input.value, defaultCountry, { shortNational: true });
    const phone = strict.ok || !input.value.startsWith('+') ? strict : parseProviderPhone(input.value);
    if (!phone.ok) return { contactId: null };
    const keys = detailKeys(peppers, 'phone', phone.phone);
    const claims = await this.registry.claims.find(account, keys);
    const key = keys.find((one) => claims.has(one));
    if (key === undefined) return { contactId: null };
    const head = await this.registry.decider.load(account, claims.get(key) as string);
    const holds = head.state.life === 'live' && head.state.details.some((detail) => detail.key === key);
    return { contactId: holds ? head.id : null };
  }

  @Handles(getContactHistory)
  async history({
    envelope,
    input,
  }: Ask<typeof getContactHistory>): Promise<AnswerOf<typeof getContactHistory>> {
    const facts = await this.store.read(this.registry.decider.streamOf(envelope.account, input.id));
    if (facts.length === 0) throw new Refusal('contact:not_found');
    return { items: historyItems(facts as Fact<ContactEvent>[]) };
  }
}

/** Folds the stream and says of each event what it changed. */
export function historyItems(facts: readonly Fact<ContactEvent>[]): HistoryItem[] {
  let state = NO_CONTACT;
  return facts.map((fact) => {
    const before = state;
    state = evolve(state, fact as unknown as ContactEvent, {
      at: fact.meta.at,
      source: fact.meta.source.kind,
    });
    return {
      at: fact.meta.at,
      kind: fact.type,
      actor: fact.meta.actor,
      source: fact.meta.source,
      cause: fact.meta.command,
      changes: differences(visible(before), visible(state)),
    };
  });
}

function visible(state: ContactState): Record<string, unknown> {
  const values = (kind: 'phone' | 'email'): string[] =>
    state.details
      .filter((detail) => detail.kind === kind)
      .sort((a, b) => Number(b.primary) - Number(a.primary))
      .map((detail) => detail.value ?? '(erased)');
  return {
    life: state.life,
    firstName: state.firstName,
    lastName: state.lastName,
    externalId: state.externalId,
    phones: values('phone'),
    emails: values('email'),
    ...Object.fromEntries(Object.entries(state.fields).map(([key, value]) => [`fields.${key}`, value])),
  };
}

function differences(
  before: Record<string, unknown>,
  after: Record<string, unknown>,
): HistoryItem['changes'] {
  const paths = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return paths
    .filter((path) => JSON.stringify(before[path] ?? null) !== JSON.stringify(after[path] ?? null))
    .map((path) => ({ path, old: before[path] ?? null, new: after[path] ?? null }));
}
