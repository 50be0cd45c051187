import { evolveAccount, type AccountEvent, type AccountState, type Role } from '@muster/contracts/account';
import { Refusal } from '@muster/contracts/errors';
import { streamName } from '@muster/contracts/names';
import type { EventStore } from './event-store.js';
import type { Fact } from './facts.js';
import type { Follower } from './follow.js';

interface Known {
  state: AccountState;
  revision: number;
}

/** Every account, in memory: names, time zones, policies, hashes of API keys. Follows the `account-` streams. */
export class Accounts {
  private readonly known = new Map<string, Known>();
  private readonly keys = new Map<string, { account: string; keyId: string; role: Role }>();
  private follower: Follower | null = null;

  constructor(private readonly store: EventStore) {}

  /** Begins to follow; settles when every account that existed at the start is known. */
  async start(onError?: (error: unknown) => void): Promise<void> {
    this.follower = this.store.follow({
      name: 'accounts',
      categories: ['account'],
      from: null,
      handle: async (facts) => facts.forEach((fact) => this.fold(fact as Fact<AccountEvent>)),
      ...(onError ? { onError } : {}),
    });
    await this.follower.caughtUp();
  }

  async stop(): Promise<void> {
    await this.follower?.stop();
  }

  /** @throws Refusal `account:not_found`; an account that is not yet known is looked up in its stream. */
  async get(account: string): Promise<AccountState> {
    if (!this.known.has(account)) await this.refresh(account);
    const found = this.known.get(account);
    if (!found) throw new Refusal('account:not_found');
    return found.state;
  }

  /** Reads what an account's stream has beyond what is known; for those who just appended to it. */
  async refresh(account: string): Promise<void> {
    const from = (this.known.get(account)?.revision ?? -1) + 1;
    const facts = await this.store.read(streamName('account', account), { from });
    facts.forEach((fact) => this.fold(fact as Fact<AccountEvent>));
  }

  /** The account, key id and role of an API key by the SHA-256 of its secret, or null. */
  findApiKey(secretHash: string): { account: string; keyId: string; role: Role } | null {
    return this.keys.get(secretHash) ?? null;
  }

  revisionOf(account: string): number {
    return this.known.get(account)?.revision ?? -1;
  }

  all(): AccountState[] {
    return [...this.known.values()].map((known) => known.state);
  }

  private fold(fact: Fact<AccountEvent>): void {
    const before = this.known.get(fact.account);
    if (before && before.revision >= fact.revision) return;
    const state = evolveAccount(before?.state ?? null, fact as unknown as AccountEvent, fact.meta.at);
    if (!state) return;
    this.known.set(fact.account, { state, revision: fact.revision });
    this.indexKeys(before?.state, state);
  }

  private indexKeys(before: AccountState | undefined, after: AccountState): void {
    for (const key of Object.values(before?.apiKeys ?? {})) this.keys.delete(key.secretHash);
    for (const key of Object.values(after.apiKeys)) {
      this.keys.set(key.secretHash, { account: after.id, keyId: key.keyId, role: key.role });
    }
  }
}
