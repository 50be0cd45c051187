import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { streamName, type Category } from '@muster/contracts/names';
import {
  applied,
  asRefusal,
  eachLimited,
  hasPersonal,
  nothing,
  pause,
  repeated,
  waves,
  type BulkItem,
  type Decided,
  type DoneRecord,
  type EventContext,
  type ExecuteOptions,
} from './decided.js';
import { WrongRevision, type EventStore } from './event-store.js';
import type { Fact, NewEvent } from './facts.js';
import { Generations } from './generations.js';
import { mayBeOlder, withDone } from './done-commands.js';
import type { Head, Heads } from './heads.js';
import type { DataKey } from './keys.js';

export type { BulkItem, Decided, EventContext } from './decided.js';

export interface DeciderOptions<S, E extends NewEvent> {
  store: EventStore;
  heads: Heads<S>;
  category: Category;
  initial: S;
  evolve: (state: S, event: E, fact: EventContext) => S;
  /** The data key of an aggregate that has none yet. Without it, a key of its own is made with the first event. */
  keyFor?: (account: string, id: string, events: readonly E[]) => Promise<DataKey>;
  /** When true, nothing and refusals are decided from the stream and never from a head alone. */
  confirmNothing?: boolean;
}

const TRIES = 16;
const APPENDS_AT_ONCE = 256;
/** Streams whose newest revision this process remembers to have written to their heads. */
const SAVED = 10_000;

/**
 * Decide-and-append: loads the head, decides, appends at the revision that was read, folds, and makes the head current
 * before it answers. A command that was done before is found by its id and answered from the record.
 */
export class Decider<S, E extends NewEvent> {
  /** The last command under way on each stream: commands of one process take turns instead of conflicting. */
  private readonly turns = new Map<string, Promise<unknown>>();

  private readonly bulks = new Set<Promise<unknown>>();

  private readonly saved = new Generations<number>(SAVED);

  constructor(private readonly options: DeciderOptions<S, E>) {}

  /** Whether this process itself has made the head of a stream current up to a revision. Forgets after a while. */
  hasSaved(stream: string, revision: number): boolean {
    return (this.saved.get(stream) ?? -1) >= revision;
  }

  /** Settles when all commands that are under way now have ended, with their heads written or not. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.turns.values(), ...this.bulks]);
  }

  get heads(): Heads<S> {
    return this.options.heads;
  }

  /** Makes a head current that commands with `headFollows` have left behind. */
  async settle(head: Head<S>): Promise<void> {
    await this.save([head]);
  }

  /**
   * The same for an aggregate that most likely has no head yet, with more fields of its document in the same write.
   * @returns whether they were written: true for one caller at most
   */
  async settleWith(head: Head<S>, more: object): Promise<boolean> {
    const created = await this.options.heads.create(head, more);
    if (created) this.remember([head]);
    else await this.save([head]);
    return created;
  }

  private async save(heads: readonly Head<S>[]): Promise<void> {
    await this.options.heads.save(heads);
    this.remember(heads);
  }

  private remember(heads: readonly Head<S>[]): void {
    for (const { account, id, revision } of heads) {
      const stream = this.streamOf(account, id);
      if (!this.hasSaved(stream, revision)) this.saved.set(stream, revision);
    }
  }

  /** The stream of an aggregate; an id equal to the account's means the one stream that an account has. */
  streamOf(account: string, id: string): string {
    return id === account
      ? streamName(this.options.category, account)
      : streamName(this.options.category, account, id);
  }

  /** The state now. An aggregate without a head is looked up in its stream. */
  async load(account: string, id: string): Promise<Head<S>> {
    const head = (await this.options.heads.find(account, [id])).get(id);
    return head ?? this.reload(this.newHead(account, id));
  }

  /** Heads of many at once; those without one are new as far as a guarded append is concerned. */
  async loadMany(account: string, ids: readonly string[]): Promise<Map<string, Head<S>>> {
    const unique = [...new Set(ids)];
    const found = await this.options.heads.find(account, unique);
    return new Map(unique.map((id) => [id, found.get(id) ?? this.newHead(account, id)]));
  }

  /** Reads what the stream has beyond a head, and makes the stored head current. */
  async reload(head: Head<S>): Promise<Head<S>> {
    const facts = await this.options.store.read(this.streamOf(head.account, head.id), {
      from: head.revision + 1,
    });
    if (facts.length === 0) return head;
    const positions = await this.positionsOf(facts);
    const current = facts.reduce(
      (folded, fact, index) => this.fold(folded, fact, positions[index] as number),
      head,
    );
    await this.save([current]);
    return current;
  }

  /**
   * @throws Refusal whatever the decision refuses; `contact:busy`-like conflicts end as `service:busy` after sixteen tries.
   */
  async execute(
    envelope: Envelope,
    id: string,
    decide: (state: S) => E[],
    options: ExecuteOptions<S> = {},
  ): Promise<Decided<S, E>> {
    const stream = this.streamOf(envelope.account, id);
    const before = this.turns.get(stream) ?? Promise.resolve();
    const turn = before.then(
      () => this.decideAndAppend(envelope, id, decide, options),
      () => this.decideAndAppend(envelope, id, decide, options),
    );
    this.turns.set(stream, turn);
    try {
      return await turn;
    } finally {
      if (this.turns.get(stream) === turn) this.turns.delete(stream);
    }
  }

  private async decideAndAppend(
    envelope: Envelope,
    id: string,
    decide: (state: S) => E[],
    options: ExecuteOptions<S>,
  ): Promise<Decided<S, E>> {
    const { known } = options;
    const stored = known ? undefined : (await this.options.heads.find(envelope.account, [id])).get(id);
    let head = known ?? stored ?? this.newHead(envelope.account, id);
    // Without a head the stream is taken not to exist: an append there finds out, anything else is looked up first.
    let fresh = stored !== undefined && !this.options.confirmNothing;
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const done = await this.findDone(head, envelope.command);
      if (done) return repeated(head, done);
      let events: E[] = [];
      try {
        events = decide(head.state);
      } catch (error) {
        if (!(error instanceof Refusal) || fresh) throw error;
      }
      if (events.length === 0) {
        if (fresh) return nothing(head);
        head = await this.reload(head);
        fresh = true;
        continue;
      }
      try {
        const next = await this.append(head, envelope, events, await this.keyOf(head, events));
        if (!options.headFollows) await this.save([next]);
        return applied(next, events);
      } catch (error) {
        if (!(error instanceof WrongRevision)) throw error;
        await pause(Math.min(5 * 2 ** attempt, 200) * Math.random());
        head = await this.reload(head);
        fresh = true;
        await options.onConflict?.();
      }
    }
    throw new Refusal('service:busy', { category: this.options.category });
  }

  /**
   * The same for many aggregates of one account: one find, one write of keys, appends side by side, one write of heads.
   * Items for the same aggregate are done one after the other. An answer is a result or the refusal of that item.
   * Heads that the caller has just loaded need not be loaded again: an old one runs into a conflict and is reloaded.
   */
  async executeMany(
    items: readonly BulkItem<S, E>[],
    known?: Map<string, Head<S>>,
  ): Promise<(Decided<S, E> | Refusal)[]> {
    const bulk = this.executeWaves(items, known);
    this.bulks.add(bulk);
    try {
      return await bulk;
    } finally {
      this.bulks.delete(bulk);
    }
  }

  private async executeWaves(
    items: readonly BulkItem<S, E>[],
    known: Map<string, Head<S>> | undefined,
  ): Promise<(Decided<S, E> | Refusal)[]> {
    const answers = Array.from<Decided<S, E> | Refusal>({ length: items.length });
    for (const [number, wave] of waves(items).entries()) {
      await this.executeWave(
        wave.map((index) => items[index] as BulkItem<S, E>),
        number === 0 ? known : undefined,
        (offset, answer) => (answers[wave[offset] as number] = answer),
      );
    }
    return answers;
  }

  private async executeWave(
    items: readonly BulkItem<S, E>[],
    known: Map<string, Head<S>> | undefined,
    answer: (offset: number, answer: Decided<S, E> | Refusal) => void,
  ): Promise<void> {
    const account = items[0]?.envelope.account;
    if (account === undefined) return;
    const missing = items.map((item) => item.id).filter((id) => !known?.has(id));
    const heads = new Map([...(known ?? []), ...(await this.loadMany(account, missing))]);
    const planned: { offset: number; item: BulkItem<S, E>; head: Head<S>; events: E[] }[] = [];
    const single: number[] = [];
    for (const [offset, item] of items.entries()) {
      const head = heads.get(item.id) as Head<S>;
      const done = head.commands.find((one) => one.command === item.envelope.command);
      if (done || !mayBeOlder(head, item.envelope.command)) {
        const plan = done ? repeated<S, E>(head, done) : this.plan(head, item);
        if (!Array.isArray(plan)) answer(offset, plan);
        else if (plan.length === 0 && this.options.confirmNothing) single.push(offset);
        else if (plan.length === 0) answer(offset, nothing(head));
        else planned.push({ offset, item, head, events: plan });
      } else single.push(offset);
    }
    const keys = await this.keysFor(planned);
    const saved: Head<S>[] = [];
    try {
      await eachLimited(planned, APPENDS_AT_ONCE, async ({ offset, item, head, events }) => {
        try {
          const next = await this.append(head, item.envelope, events, keys.get(offset));
          saved.push(next);
          answer(offset, applied(next, events));
        } catch (error) {
          if (!(error instanceof WrongRevision)) throw error;
          single.push(offset);
        }
      });
    } finally {
      await this.save(saved);
    }
    await eachLimited(single, 16, async (offset) => {
      const item = items[offset] as BulkItem<S, E>;
      answer(offset, await this.execute(item.envelope, item.id, item.decide, item).catch(asRefusal));
    });
  }

  private plan(head: Head<S>, item: BulkItem<S, E>): E[] | Refusal {
    try {
      return item.decide(head.state);
    } catch (error) {
      return asRefusal(error);
    }
  }

  /** A head keeps the last 16 commands and marks of older ones; one that is marked is looked for in the stream. */
  private async findDone(head: Head<S>, command: string): Promise<DoneRecord | undefined> {
    const recent = head.commands.find((done) => done.command === command);
    if (recent || !mayBeOlder(head, command)) return recent;
    const facts = await this.options.store.read(this.streamOf(head.account, head.id));
    const own = facts.filter((fact) => fact.meta.command === command);
    if (own.length === 0) return undefined;
    return { types: own.map((fact) => fact.type), position: head.position };
  }

  private async append(
    head: Head<S>,
    envelope: Envelope,
    events: E[],
    key: DataKey | undefined,
  ): Promise<Head<S>> {
    const stream = this.streamOf(head.account, head.id);
    const expected = head.revision < 0 ? 'no_stream' : head.revision;
    const { revision, position } = await this.options.store.append(stream, events, expected, envelope, key);
    const first = revision - events.length + 1;
    const state = events.reduce(
      (folded, event, index) =>
        this.options.evolve(folded, event, { id: '', revision: first + index, position, meta: envelope }),
      head.state,
    );
    const done = { command: envelope.command, types: events.map((event) => event.type), revision, position };
    return {
      ...head,
      state,
      revision,
      position,
      key: head.key ?? key?.id ?? null,
      ...withDone(head, done),
    };
  }

  private async keyOf(head: Head<S>, events: readonly E[]): Promise<DataKey | undefined> {
    if (!events.some(hasPersonal)) return undefined;
    const { keys } = this.options.store;
    if (head.key !== null) {
      const known = (await keys.get([head.key])).get(head.key);
      if (!known) throw new Error('the data key of this aggregate was destroyed');
      return known;
    }
    if (this.options.keyFor) return this.options.keyFor(head.account, head.id, events);
    return (await keys.newKeys(1))[0];
  }

  private async keysFor(
    planned: readonly { offset: number; head: Head<S>; events: E[] }[],
  ): Promise<Map<number, DataKey>> {
    const found = new Map<number, DataKey>();
    const needing = planned.filter(({ events }) => events.some(hasPersonal));
    const fresh = this.options.keyFor ? [] : needing.filter(({ head }) => head.key === null);
    const made = await this.options.store.keys.newKeys(fresh.length);
    fresh.forEach(({ offset }, index) => found.set(offset, made[index] as DataKey));
    const known = needing.map(({ head }) => head.key).filter((id) => id !== null);
    if (known.length > 0) await this.options.store.keys.get(known);
    for (const { offset, head, events } of needing) {
      if (found.has(offset)) continue;
      const key = await this.keyOf(head, events);
      if (key) found.set(offset, key);
    }
    return found;
  }

  /** The head of an aggregate that has no stream yet. */
  newHead(account: string, id: string): Head<S> {
    return { account, id, state: this.options.initial, revision: -1, position: -1, commands: [], key: null };
  }

  private fold(head: Head<S>, fact: Fact, position: number): Head<S> {
    const context = { id: fact.id, revision: fact.revision, position, meta: fact.meta };
    const last = head.commands.at(-1);
    const done =
      last?.command === fact.meta.command
        ? { ...last, types: [...last.types, fact.type], revision: fact.revision, position }
        : { command: fact.meta.command, types: [fact.type], revision: fact.revision, position };
    return {
      ...head,
      state: this.options.evolve(head.state, fact as unknown as E, context),
      revision: fact.revision,
      position,
      key: head.key ?? fact.meta.key ?? null,
      ...withDone(head, done),
    };
  }

  /**
   * Events read from a stream carry their position with servers from 22.10 on; for older ones the end of the log is
   * an upper bound that keeps every promise a position makes.
   */
  private async positionsOf(facts: readonly Fact[]): Promise<number[]> {
    if (facts.every((fact) => fact.position > 0)) return facts.map((fact) => fact.position);
    const end = await this.options.store.lastPosition();
    return facts.map(() => end);
  }
}
