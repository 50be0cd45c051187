import { Controller } from '@nestjs/common';
import {
  grantConsent as grantSubject,
  liftRevocation as liftSubject,
  revokeConsent as revokeSubject,
  type ConsentEvent,
} from '@muster/contracts/consent';
import type { Envelope } from '@muster/contracts/envelope';
import { Accounts } from '@muster/event-store/accounts';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import {
  grantConsent,
  liftRevocation,
  revokeConsent,
  type ConsentState,
  type Statement,
} from './domain/consent.js';
import { ConsentViews } from './consent.views.js';
import { Ledger, type ResolvedDetail } from './ledger.js';

type Input = Ask<typeof revokeSubject>['input'];

/** Commands on the ledger. Each answers only when its event is appended and its head is current. */
@Controller()
export class ConsentCommands {
  constructor(
    private readonly ledger: Ledger,
    private readonly views: ConsentViews,
    private readonly accounts: Accounts,
  ) {}

  @Handles(revokeSubject)
  revoke({ envelope, input }: Ask<typeof revokeSubject>): Promise<AnswerOf<typeof revokeSubject>> {
    return this.say(envelope, input, (statement) => (state) => revokeConsent(state, statement));
  }

  @Handles(liftSubject)
  lift({ envelope, input }: Ask<typeof liftSubject>): Promise<AnswerOf<typeof liftSubject>> {
    return this.say(envelope, input, (statement) => (state) => liftRevocation(state, statement));
  }

  @Handles(grantSubject)
  async grant({ envelope, input }: Ask<typeof grantSubject>): Promise<AnswerOf<typeof grantSubject>> {
    const { policy } = await this.accounts.get(envelope.account);
    return this.say(
      envelope,
      input,
      (statement) => (state) => grantConsent(state, statement, input.evidence, policy),
    );
  }

  private async say(
    envelope: Envelope,
    input: Input,
    decide: (statement: Statement) => (state: ConsentState) => ConsentEvent[],
  ): Promise<AnswerOf<typeof revokeSubject>> {
    const { account } = envelope;
    const detail = await this.ledger.resolve(account, input.detail);
    const head = await this.ledger.headToWrite(account, detail);
    const key = head.id;
    const statement = statementOf(envelope, input, key, detail.kind ?? head.state.kind ?? 'phone');
    const decided = await this.ledger.decider.execute(envelope, key, decide(statement), { known: head });
    const { consent, position } = await this.views.view(account, withKey(detail, key), decided.head);
    return {
      consent,
      changed: decided.outcome !== 'nothing',
      position: Math.max(decided.position, position),
    };
  }
}

function statementOf(
  envelope: Envelope,
  input: Input,
  detailKey: string,
  kind: 'phone' | 'email',
): Statement {
  const { origin, initiative, receiptOnly, reason, note, sender, programme, message } = input;
  const said = { origin, initiative, receiptOnly, saidAt: input.saidAt ?? envelope.at };
  return { detailKey, kind, ...said, reason, note, sender, programme, message };
}

/** The stream that was written to is looked at as well, whichever key it has. */
function withKey(detail: ResolvedDetail, key: string): ResolvedDetail {
  return detail.keys.includes(key) ? detail : { ...detail, keys: [...detail.keys, key] };
}
