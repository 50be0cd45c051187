import type { Category } from '@muster/contracts/names';
import type { Checkpoints } from '@muster/event-store/checkpoint';
import type { EventStore } from '@muster/event-store/event-store';
import type { Fact } from '@muster/event-store/facts';
import type { Follower } from '@muster/event-store/follow';
import { AccountBatch, type AccountChanges } from './account.batch.js';
import { maySettle, withoutPending, type AccountState } from './account.state.js';
import { SLICE, type AudienceStore } from './audience.store.js';

/** What the model is made of, and what only moves its position so that a caller can wait for any write's position. */
const CATEGORIES: readonly Category[] = [
  ...(['contact', 'fields', 'consent', 'group', 'membership'] as const),
  ...(['account', 'import', 'audience', 'keyword', 'endpoint'] as const),
];

/** Events folded and written together. */
const BATCH = 1_000;

/** Far below the second within which a group follows a change; a dozen writes a batch are shared by what came meanwhile. */
const LINGER_MS = 50;
const RETRY_MS = 200;

/** The checkpoint was moved by another owner. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
}

export interface LoopOptions {
  name: string;
  store: EventStore;
  audience: AudienceStore;
  checkpoints: Checkpoints;
  owns: (account: string) => boolean;
  onError: (error: unknown) => void;
  /** Called when another owner took over; the loop does nothing more. */
  onFenced: () => void;
  observer: LoopObserver;
}

/** Is told before each step of the loop, and may hold or end it there: for tests of faults. */
export class LoopObserver {
  async before(_step: 'load' | 'fold' | 'write' | 'checkpoint' | 'slice'): Promise<void> {}
}

/**
 * The one loop over a share of the accounts: events, in order, and slices of re-evaluations between them are its only
 * inputs, one at a time.
 */
export class AudienceLoop {
  private readonly accounts = new Map<string, AccountState>();
  private follower: Follower | null = null;
  private checkpoint: number | null = null;
  private last: Promise<unknown> = Promise.resolve();
  private slicing = false;
  private ended = false;
  private taken = false;
  private loaded = false;
  private loading: Promise<void> = Promise.resolve();

  constructor(private readonly options: LoopOptions) {}

  /** Position up to which every event is in the model and in memory; -1 before the first. */
  get position(): number {
    return this.follower?.position ?? -1;
  }

  /** Whether another owner moved the checkpoint. */
  get fenced(): boolean {
    return this.taken;
  }

  /** Whether every event that was there at the start, and every account, is in memory. */
  get live(): boolean {
    return this.loaded && (this.follower?.live ?? false);
  }

  async start(): Promise<void> {
    const { store, name, checkpoints, audience, onError } = this.options;
    this.checkpoint = await checkpoints.load(name);
    const pending = await audience.collections.groups.distinct('account', { 'pending.0': { $exists: true } });
    this.follower = store.follow({
      name,
      categories: CATEGORIES,
      from: this.checkpoint,
      batchMax: BATCH,
      lingerMs: LINGER_MS,
      handle: (facts, upTo) => this.alone(() => this.handle(facts, upTo)),
      onError: (error) => {
        if (error instanceof Fenced) this.fence();
        else onError(error);
      },
    });
    this.loading = this.loadAll(pending);
  }

  /**
   * Brings every account into memory, those with rules to be evaluated first. Not awaited by the start: a million members take
   * a minute, in which the lease has to be renewed. Until then the replica is not ready; who asks nevertheless waits.
   */
  private async loadAll(first: readonly string[]): Promise<void> {
    const { audience, owns, onError } = this.options;
    while (!this.ended && !this.loaded) {
      try {
        for (const account of first.filter(owns)) await this.state(account);
        this.slice();
        for await (const account of audience.accounts()) {
          if (this.ended) return;
          if (!owns(account)) continue;
          await this.options.observer.before('load');
          await this.state(account);
        }
        this.loaded = true;
      } catch (error) {
        if (!this.ended) onError(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  async stop(): Promise<void> {
    this.ended = true;
    await this.follower?.stop();
    await this.last;
    await this.loading;
    this.accounts.clear();
  }

  /** Settles true when the model has reached a position, false when that took longer. */
  async reached(position: number, timeoutMs: number): Promise<boolean> {
    return this.follower ? this.follower.reached(position, timeoutMs) : false;
  }

  /** Memory of an account. Between two awaits nothing of it changes. */
  async state(account: string): Promise<AccountState> {
    return this.accounts.get(account) ?? this.alone(() => this.known(account));
  }

  private async known(account: string): Promise<AccountState> {
    const known = this.accounts.get(account);
    if (known) return known;
    const loaded = await this.options.audience.loadAccount(account);
    this.accounts.set(account, loaded);
    return loaded;
  }

  private async handle(facts: readonly Fact[], upTo: number): Promise<void> {
    if (this.ended) throw new Fenced(this.options.name);
    const byAccount = new Map<string, Fact[]>();
    for (const fact of facts) {
      const same = byAccount.get(fact.account);
      if (same) same.push(fact);
      else byAccount.set(fact.account, [fact]);
    }
    for (const account of byAccount.keys()) if (!this.options.owns(account)) byAccount.delete(account);
    try {
      const changes: [AccountState, AccountChanges][] = [];
      for (const [account, own] of byAccount) {
        const state = await this.known(account);
        changes.push([state, await this.fold(state, own)]);
      }
      await this.options.observer.before('write');
      await this.options.audience.write(changes.map(([, change]) => change));
      await this.options.observer.before('checkpoint');
      await this.moveCheckpoint(upTo);
      for (const [state, change] of changes) commit(state, change);
    } catch (error) {
      this.forget(byAccount.keys());
      throw error;
    }
    this.slice();
  }

  private async fold(state: AccountState, facts: readonly Fact[]): Promise<AccountChanges> {
    const { audience } = this.options;
    const peppers = await audience.peppers(state.account);
    const loaded = await audience.load(state.account, facts, peppers);
    await this.options.observer.before('fold');
    const batch = new AccountBatch({ ...state, peppers }, loaded);
    for (const fact of facts) await this.foldOne(batch, fact);
    return batch.changes();
  }

  /**
   * An event that cannot be folded is put aside, so that one contact does not stop an account; never one about consent, and
   * never silently.
   */
  private async foldOne(batch: AccountBatch, fact: Fact): Promise<void> {
    try {
      batch.fold(fact);
    } catch (error) {
      if (fact.category === 'consent') throw error;
      this.options.onError(error);
      await this.options.audience.park(fact);
    }
  }

  private async moveCheckpoint(upTo: number): Promise<void> {
    const { checkpoints, name } = this.options;
    if (!(await checkpoints.save(name, this.checkpoint, upTo))) {
      const stored = await checkpoints.load(name);
      if (stored !== upTo) throw new Fenced(name);
    }
    this.checkpoint = upTo;
  }

  /** Works through what is pending, one slice at a time, with events in between. */
  private slice(): void {
    if (this.slicing || this.ended) return;
    const checkpoint = this.checkpoint ?? -1;
    const due = [...this.accounts.values()].find(({ catalogue }) => maySettle(catalogue, checkpoint));
    if (!due) return;
    this.slicing = true;
    this.alone(() => this.evaluateSlice(due.account))
      .catch(async (error: unknown) => {
        this.options.onError(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        await this.state(due.account).catch(this.options.onError);
      })
      .finally(() => {
        this.slicing = false;
        setImmediate(() => this.slice());
      });
  }

  private async evaluateSlice(account: string): Promise<void> {
    if (this.ended) return;
    const { audience } = this.options;
    const state = await this.known(account);
    const { pending } = state.catalogue;
    const newest = pending.at(-1);
    if (!newest || !maySettle(state.catalogue, this.checkpoint ?? -1)) return;
    const pass = (state.pass ??= { targets: pending, cursor: -1 });
    await this.options.observer.before('slice');
    try {
      const members = await audience.slice(account, pass.cursor, newest.cause.position);
      const batch = new AccountBatch({ ...state, peppers: [] }, { members, standings: [] });
      for (const member of members) batch.settle(member.contactId);
      const change = batch.changes();
      const done = members.length < SLICE ? withoutPending(state.catalogue, pass.targets) : null;
      await audience.write([done ? { ...change, groups: done.changed } : change]);
      commit(state, done ? { ...change, catalogue: done.catalogue } : change);
      state.pass = done ? null : { ...pass, cursor: members.at(-1)?.ordinal ?? pass.cursor };
    } catch (error) {
      this.forget([account]);
      throw error;
    }
  }

  /** One thing at a time, in the order of asking. */
  private alone<T>(work: () => Promise<T>): Promise<T> {
    const next = this.last.then(work, work);
    this.last = next.catch(() => undefined);
    return next;
  }

  private fence(): void {
    if (this.ended) return;
    this.ended = true;
    this.taken = true;
    this.options.onFenced();
  }

  /** Memory of these may be ahead of or behind the documents: it is loaded again when what failed is tried again. */
  private forget(accounts: Iterable<string>): void {
    for (const account of accounts) this.accounts.delete(account);
  }
}

/** Brings memory to what was written. */
function commit(state: AccountState, change: AccountChanges): void {
  for (const { before, after } of change.members) state.bitmaps.replace(before, after);
  state.catalogue = change.catalogue;
  state.nextOrdinal = change.nextOrdinal;
}
