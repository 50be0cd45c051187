import { Controller } from '@nestjs/common';
import {
  canSend,
  changesSince,
  getConsent,
  getConsentHistory,
  getConsentMany,
  type ConsentEvent,
} from '@muster/contracts/consent';
import { EventStore } from '@muster/event-store/event-store';
import type { Fact } from '@muster/event-store/facts';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { ConsentViews } from './consent.views.js';
import { Gate } from './gate.js';
import { Ledger } from './ledger.js';

@Controller()
export class ConsentQueries {
  constructor(
    private readonly ledger: Ledger,
    private readonly views: ConsentViews,
    private readonly gate: Gate,
    private readonly store: EventStore,
  ) {}

  @Handles(getConsent)
  async get({ envelope, input }: Ask<typeof getConsent>): Promise<AnswerOf<typeof getConsent>> {
    return this.views.view(envelope.account, await this.ledger.resolve(envelope.account, input.detail));
  }

  @Handles(getConsentMany)
  async many({ envelope, input }: Ask<typeof getConsentMany>): Promise<AnswerOf<typeof getConsentMany>> {
    const { account } = envelope;
    const byKey = input.keys.map((key) => ({ kind: null, value: null, keys: [key] }));
    const byDetail = await Promise.all(input.details.map((detail) => this.ledger.resolve(account, detail)));
    return this.views.viewMany(account, [...byKey, ...byDetail]);
  }

  @Handles(getConsentHistory)
  async history({
    envelope,
    input,
  }: Ask<typeof getConsentHistory>): Promise<AnswerOf<typeof getConsentHistory>> {
    const detail = await this.ledger.resolve(envelope.account, input.detail);
    const streams = await Promise.all(
      detail.keys.map((key) => this.store.read(this.ledger.decider.streamOf(envelope.account, key))),
    );
    const facts = streams.flat().sort((a, b) => a.position - b.position || a.revision - b.revision);
    return { items: (facts as Fact<ConsentEvent>[]).map(historyItem) };
  }

  @Handles(changesSince)
  changes({ envelope, input }: Ask<typeof changesSince>): Promise<AnswerOf<typeof changesSince>> {
    return this.gate.changesSince(envelope.account, input.after, input.limit);
  }

  @Handles(canSend)
  canSend({ envelope, input }: Ask<typeof canSend>): Promise<AnswerOf<typeof canSend>> {
    return this.gate.canSend(envelope.account, input.to);
  }
}

function historyItem(fact: Fact<ConsentEvent>): AnswerOf<typeof getConsentHistory>['items'][number] {
  const { saidAt, origin, initiative, standing, late, reason, note, sender, programme, message } = fact.data;
  const evidence = 'evidence' in fact.data ? fact.data.evidence : undefined;
  return {
    at: fact.meta.at,
    kind: fact.type,
    actor: fact.meta.actor,
    event: fact.id,
    late: late ?? false,
    saidAt,
    origin,
    initiative,
    standing,
    reason,
    note,
    evidence,
    sender,
    programme,
    message,
  };
}
