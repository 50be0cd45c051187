import { Injectable } from '@nestjs/common';
import type { AccountEvent, AccountState } from '@muster/contracts/account';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import type { Id } from '@muster/contracts/ids';
import { streamName } from '@muster/contracts/names';
import { Accounts } from '@muster/event-store/accounts';
import { EventStore, WrongRevision } from '@muster/event-store/event-store';
import type { Fact } from '@muster/event-store/facts';
import { KeyRing } from '@muster/event-store/keys';
import { createHmac, randomBytes } from 'node:crypto';
import { evolve, initial, type State } from './domain/account.js';

export interface Written {
  account: AccountState;
  position: number;
  changed: boolean;
}

const ATTEMPTS = 5;

/** Decides on an account's stream and appends at the revision read. The gateway is the only writer of these streams. */
@Injectable()
export class AccountCommands {
  constructor(
    private readonly store: EventStore,
    private readonly accounts: Accounts,
    private readonly keys: KeyRing,
  ) {}

  /**
   * A command whose id is in the stream already is not decided again: it answers the position of its own events.
   * @throws Refusal `service:busy` when others kept changing the account.
   */
  async execute(envelope: Envelope, decide: (state: State) => AccountEvent[]): Promise<Written> {
    const stream = streamName('account', envelope.account);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const facts = (await this.store.read(stream)) as Fact<AccountEvent>[];
      const state = facts.reduce<State>((folded, fact) => evolve(folded, timed(fact)), initial);
      const own = facts.filter((fact) => fact.meta.command === envelope.command).at(-1);
      const events = own ? [] : decide(state);
      if (events.length === 0)
        return this.answer(envelope.account, own?.position ?? facts.at(-1)?.position ?? 0, false);
      try {
        const { position } = await this.store.append(stream, events, facts.length - 1, envelope);
        return await this.answer(envelope.account, position, true);
      } catch (error) {
        if (!(error instanceof WrongRevision)) throw error;
      }
    }
    throw new Refusal('service:busy');
  }

  /**
   * The secret of a new API key, in base64url. A repeatable command makes the same one again, so that a caller who
   * lost the answer gets it by repeating; it follows from the account's pepper, which nobody outside has.
   */
  async secretFor(envelope: Envelope, keyed: boolean): Promise<string> {
    if (!keyed) return randomBytes(32).toString('base64url');
    const pepper = (await this.keys.peppers(envelope.account))[0];
    if (pepper === undefined) throw new Error('the account has no pepper');
    return createHmac('sha256', pepper).update(`api-key\n${envelope.command}`).digest('base64url');
  }

  /** Brings this replica's directory up to date first, so that a new key works and a revoked one does not. */
  private async answer(account: Id, position: number, changed: boolean): Promise<Written> {
    await this.accounts.refresh(account);
    return { account: await this.accounts.get(account), position, changed };
  }
}

const timed = (fact: Fact<AccountEvent>): AccountEvent & { at: string } =>
  ({ type: fact.type, data: fact.data, at: fact.meta.at }) as AccountEvent & { at: string };
