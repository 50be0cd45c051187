import { Injectable } from '@nestjs/common';
import type { ConsentInput, ContactEvent, ContactInput, UpdateMode } from '@muster/contracts/contact';
import type { Basis } from '@muster/contracts/detail';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { uuid8Beside } from '@muster/contracts/ids';
import { Accounts } from '@muster/event-store/accounts';
import type { BulkItem, Decided } from '@muster/event-store/decider';
import type { Head } from '@muster/event-store/heads';
import { EventStore } from '@muster/event-store/event-store';
import { followUp } from '@muster/runtime/envelopes';
import type { z } from 'zod';
import { fenceDetail, registerContact, type ContactState } from './domain/contact.js';
import { readInput, type ReadInput, type Reading } from './domain/input.js';
import { Fields } from './fields.js';
import { identifiersOf, matchContact, type Found, type Match } from './matching.js';
import { Registry } from './registry.js';

type Consent = z.infer<typeof ConsentInput> | undefined;

export interface RegisterOptions {
  country: string | undefined;
  consent: Consent;
  update: UpdateMode;
}

export interface RegisterRow {
  envelope: Envelope;
  contact: ContactInput;
}

export type Registered = {
  contactId: string;
  phoneKey?: string;
  decided: Decided<ContactState, ContactEvent>;
};

interface Planned {
  index: number;
  row: RegisterRow;
  input: ReadInput;
  match: Match;
  /** Id of the contact that was found, or of the one that this row is to create. */
  wanted: string;
}

/** Sources that a person or program of the account stands behind: they owe the required fields. */
const FORMAL_SOURCES = ['api', 'console', 'import'];
const CLAIM_TRIES = 5;

/**
 * Creates and updates contacts, one contact per number: a claim on the number's key allocates the contact id, whoever
 * finds a claim without a stream adopts its id, and the append at `no_stream` decides between two writers.
 */
@Injectable()
export class Register {
  constructor(
    private readonly registry: Registry,
    private readonly fields: Fields,
    private readonly accounts: Accounts,
    private readonly store: EventStore,
  ) {}

  /** One answer for each row, in order: what became of it, or why it was refused. Rows never fail each other. */
  async registerMany(
    account: string,
    rows: readonly RegisterRow[],
    options: RegisterOptions,
  ): Promise<(Registered | Refusal)[]> {
    const answers = Array.from<Registered | Refusal>({ length: rows.length });
    const context = await this.context(account, rows[0]?.envelope, options);
    const read = readRows(rows, context.reading, answers);
    for (const wave of wavesWithoutSharedIdentifiers(read)) {
      await this.registerWave(account, wave, context, options, answers);
    }
    return answers;
  }

  async registerOne(
    envelope: Envelope,
    contact: ContactInput,
    options: RegisterOptions,
  ): Promise<Registered> {
    const [answer] = await this.registerMany(envelope.account, [{ envelope, contact }], options);
    if (answer instanceof Refusal) throw answer;
    return answer as Registered;
  }

  /** What reading and deciding need to know of the account, looked up once for all rows. */
  async context(account: string, envelope: Envelope | undefined, options: RegisterOptions): Promise<Context> {
    const [state, peppers, { fields }] = await Promise.all([
      this.accounts.get(account),
      this.store.keys.peppers(account),
      this.fields.all(account),
    ]);
    const formal = FORMAL_SOURCES.includes(envelope?.source.kind ?? 'api');
    return {
      reading: { peppers, country: options.country ?? state.defaultCountry, fields, lenientPhone: !formal },
      required: formal
        ? fields.filter((field) => field.required && !field.default).map((field) => field.key)
        : [],
      requireEvidence: state.policy.requireEvidence,
    };
  }

  private async registerWave(
    account: string,
    wave: readonly Readable[],
    context: Context,
    options: RegisterOptions,
    answers: (Registered | Refusal)[],
  ): Promise<void> {
    const found = await this.lookUp(account, wave);
    const planned: Planned[] = [];
    for (const { index, row, input } of wave) {
      try {
        const match = matchContact(input, found);
        planned.push({ index, row, input, match, wanted: match?.contactId ?? newContactId(row) });
      } catch (error) {
        answers[index] = asRefusal(error);
      }
    }
    const { ids, heads } = await this.claim(account, planned, answers);
    const ready = planned.filter(({ index }) => ids.has(index));
    const items = ready.map((plan) => this.item(plan, ids.get(plan.index) as string, context, options));
    const decided = await this.registry.decider.executeMany(items, heads);
    for (const [offset, { index, input }] of ready.entries()) {
      const answer = decided[offset] as Decided<ContactState, ContactEvent> | Refusal;
      const contactId = ids.get(index) as string;
      const phoneKey = input.change.phone?.key;
      answers[index] =
        answer instanceof Refusal
          ? answer
          : { contactId, decided: answer, ...(phoneKey ? { phoneKey } : {}) };
      if (!(answer instanceof Refusal)) await this.releaseOld(account, contactId, answer);
    }
  }

  private async lookUp(account: string, wave: readonly Readable[]): Promise<Found> {
    const [claimed, identified] = await Promise.all([
      this.registry.claims.find(
        account,
        wave.flatMap(({ input }) => input.phoneKeys),
      ),
      this.registry.byIdentifiers(
        account,
        wave.flatMap(({ input }) => identifiersOf(input)),
      ),
    ]);
    return { claimed, identified };
  }

  /**
   * The contact id of each row, once its number is claimed for that contact, and the heads that were looked at. A number
   * nobody had belongs to a contact without a stream, unless the same row was done before: then the append conflicts.
   */
  private async claim(
    account: string,
    planned: readonly Planned[],
    answers: (Registered | Refusal)[],
  ): Promise<{ ids: Map<number, string>; heads: Map<string, Head<ContactState>> }> {
    const ids = new Map<number, string>();
    const fresh = planned.filter(({ match, input }) => match === null && input.change.phone);
    const taken = await this.registry.claims.take(
      account,
      fresh.map(({ input, wanted }) => ({ key: phoneKey(input), contactId: wanted })),
    );
    const own = new Set(fresh.map(({ wanted }) => wanted));
    const heads = await this.registry.decider.loadMany(account, [
      ...[...taken.values()].filter((id) => !own.has(id)),
      ...planned.flatMap(({ match }) => (match ? [match.contactId] : [])),
    ]);
    for (const id of own) if (!heads.has(id)) heads.set(id, this.registry.decider.newHead(account, id));
    for (const { index, row, input, match, wanted } of planned) {
      const owner = (match || !input.change.phone ? undefined : taken.get(phoneKey(input))) ?? wanted;
      const key = match?.kind === 'phone' ? match.key : input.change.phone?.key;
      const head = heads.get(owner);
      const settled = key === undefined || !head || head.revision < 0 || holds(head.state, key);
      try {
        ids.set(index, settled ? owner : await this.settle(account, row, key, match));
      } catch (error) {
        answers[index] = asRefusal(error);
      }
    }
    return { ids, heads };
  }

  /**
   * Gets a number that is claimed by, or to be added to, a contact that does not hold it. A holder keeps it, and who
   * has no stream yet is adopted by a creation; anyone else is fenced by an event before the claim moves.
   */
  private async settle(account: string, row: RegisterRow, key: string, match: Match): Promise<string> {
    const adding = match?.kind === 'other';
    const wanted = adding ? match.contactId : newContactId(row);
    for (let attempt = 0; attempt < CLAIM_TRIES; attempt += 1) {
      const holder = (await this.registry.claims.take(account, [{ key, contactId: wanted }])).get(
        key,
      ) as string;
      if (holder === wanted) return wanted;
      const head = await this.registry.decider.load(account, holder);
      if (holds(head.state, key)) {
        if (adding) throw new Refusal('contact:detail_taken', { path: 'phone' });
        return holder;
      }
      if (head.revision < 0 && !adding) return holder;
      const fence = followUp(row.envelope, 'fence', holder, key);
      const { state } = await this.registry.decider.execute(fence, holder, (known) =>
        holds(known, key) ? [] : fenceDetail(known, 'phone', key),
      );
      if (!holds(state, key) && (await this.registry.claims.move(account, key, holder, wanted)))
        return wanted;
    }
    throw new Refusal('contact:busy');
  }

  private item(
    { row, input }: Planned,
    contactId: string,
    context: Context,
    options: RegisterOptions,
  ): BulkItem<ContactState, ContactEvent> {
    const { account } = row.envelope;
    const basis = basisOf(row.envelope, options.consent, context.requireEvidence);
    const key = input.change.phone?.key;
    return {
      envelope: row.envelope,
      id: contactId,
      decide: (state) =>
        registerContact(state, {
          contactId,
          change: input.change,
          basis,
          update: options.update,
          required: context.required,
        }),
      onConflict: async () => {
        if (key === undefined) return;
        const holder = (await this.registry.claims.find(account, [key])).get(key);
        if (holder !== undefined && holder !== contactId) throw new Refusal('contact:busy');
      },
    };
  }

  /** Claims on numbers that the contact gave up with this command. A crash before leaves them to be taken over. */
  async releaseOld(
    account: string,
    contactId: string,
    decided: Decided<ContactState, ContactEvent>,
  ): Promise<void> {
    const keys = decided.events.flatMap((event) =>
      event.type === 'DetailReleased' && event.data.kind === 'phone' ? [event.data.key] : [],
    );
    await this.registry.claims.release(account, contactId, keys);
  }

  /** Claims a number for a contact that exists. @throws Refusal `contact:detail_taken`, `contact:busy` */
  async claimFor(envelope: Envelope, contactId: string, input: ReadInput): Promise<void> {
    const key = input.change.phone?.key;
    if (key === undefined) return;
    const claimed = await this.registry.claims.find(envelope.account, input.phoneKeys);
    const known = input.phoneKeys.find((one) => claimed.has(one)) ?? key;
    const row = { envelope, contact: {} };
    await this.settle(envelope.account, row, known, { kind: 'other', contactId });
  }
}

export interface Context {
  reading: Reading;
  required: string[];
  requireEvidence: boolean;
}

interface Readable {
  index: number;
  row: RegisterRow;
  input: ReadInput;
}

function readRows(
  rows: readonly RegisterRow[],
  reading: Reading,
  answers: (Registered | Refusal)[],
): Readable[] {
  return rows.flatMap((row, index) => {
    try {
      return [{ index, row, input: readInput(row.contact, reading) }];
    } catch (error) {
      answers[index] = asRefusal(error);
      return [];
    }
  });
}

/** Rows that name the same e-mail or external id come one after the other, so that the second finds the first. */
function wavesWithoutSharedIdentifiers(rows: readonly Readable[]): Readable[][] {
  const seen = new Map<string, number>();
  const waves: Readable[][] = [];
  for (const row of rows) {
    const identifiers = identifiersOf(row.input);
    const wave = Math.max(0, ...identifiers.map((identifier) => (seen.get(identifier) ?? -1) + 1));
    identifiers.forEach((identifier) => seen.set(identifier, wave));
    (waves[wave] ??= []).push(row);
  }
  return waves;
}

/** The basis that a creation is, or none where evidence is asked for and none was given. */
export function basisOf(envelope: Envelope, consent: Consent, requireEvidence: boolean): Basis | undefined {
  if (!consent) return requireEvidence ? undefined : { source: envelope.source.kind, at: envelope.at };
  const { source, at, wording } = consent;
  return { source, at: at ?? envelope.at, ...(wording === undefined ? {} : { wording }) };
}

const phoneKey = (input: ReadInput): string => input.change.phone?.key ?? '';
/** Contacts of one import lie side by side in the indexes of everything that is kept of a contact, as their rows do. */
const newContactId = (row: RegisterRow): string => uuid8Beside(row.envelope.command, 'contact');

const holds = (state: ContactState, key: string): boolean =>
  state.details.some((detail) => detail.key === key);

export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  throw error;
}
