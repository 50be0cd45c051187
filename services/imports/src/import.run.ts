import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { canSend } from '@muster/contracts/consent';
import { registerContacts, type RowOutcome } from '@muster/contracts/contact';
import type { Envelope } from '@muster/contracts/envelope';
import { isErrorCode, isRetryable, Refusal } from '@muster/contracts/errors';
import { addMembers } from '@muster/contracts/group';
import { uuid5, uuid7 } from '@muster/contracts/ids';
import { IMPORT_ROWS_MAX, type ImportEvent } from '@muster/contracts/import';
import type { Subject } from '@muster/contracts/subject';
import { Accounts } from '@muster/event-store/accounts';
import { WrongRevision } from '@muster/event-store/event-store';
import { Bus } from '@muster/runtime/bus';
import { Log } from '@muster/runtime/log';
import type { z } from 'zod';
import { chunkDone, Chunker, type Chunk } from './domain/chunk.js';
import {
  completeImport,
  failImport,
  finishChunk,
  type ChunkDone,
  type Consent,
  type ImportAggregate,
  type Mapping,
} from './domain/import.js';
import { ImportFiles } from './import.files.js';
import { ImportRegistry, type ImportHead } from './import.registry.js';

const FIRST_PAUSE_MS = 200;
const PAUSE_MAX_MS = 5_000;
/** How often a row that others keep changing is tried before it is rejected. */
const BUSY_TRIES = 5;

export interface RunParts {
  registry: ImportRegistry;
  files: ImportFiles;
  accounts: Accounts;
  bus: Bus;
  log: Log;
}

/** The run was told to stop, or has lost the import to another worker. The import itself goes on. */
class Stopped extends Error {}

/**
 * Takes the rest of an import's file in, from the first row that no recorded chunk holds. Every request carries command
 * ids that follow from import and row, so a crash at any place is repaired by sending the same again. Two workers on
 * one import do each other no harm: a chunk is recorded at the revision that was read, and the loser stops.
 */
export class ImportRun {
  /** Tells this run's events from those of another worker. */
  private readonly runId = uuid7();
  private head: ImportHead;

  constructor(
    private readonly parts: RunParts,
    head: ImportHead,
    private readonly signal: AbortSignal,
  ) {
    this.head = head;
  }

  private get state(): ImportAggregate {
    return this.head.state;
  }

  /** Settles when the import has ended, was taken over, or the signal has aborted. */
  async toEnd(): Promise<void> {
    if (this.state.phase !== 'running') return;
    try {
      const rows = await this.sendAll();
      await this.record('complete', (state) => completeImport(state, rows));
    } catch (error) {
      if (error instanceof Stopped) return;
      if (!(error instanceof Refusal)) throw error;
      if (error.code === 'import:wrong_state') {
        this.parts.log.info('import left to another worker', { import: this.head.id });
        return;
      }
      this.parts.log.warn('import failed', { import: this.head.id, code: error.code });
      await this.record('fail', (state) => failImport(state, error.code));
    }
  }

  /** Chunk after chunk, two under way at a time; recorded strictly in order. Answers the number of rows. */
  private async sendAll(): Promise<number> {
    const { chunker, chunks } = await this.chunks();
    let number = this.state.chunk;
    let recorded: Promise<void> = Promise.resolve();
    let ties: ReadonlySet<string> = new Set();
    try {
      for await (const chunk of chunks) {
        if (chunker.rows > IMPORT_ROWS_MAX) throw new Refusal('import:too_large', { rows: IMPORT_ROWS_MAX });
        if (sharesAny(chunk.ties, ties)) await recorded;
        const before = recorded;
        recorded = this.send(number, chunk, before);
        recorded.catch(() => undefined);
        await before;
        if (this.signal.aborted || this.state.phase !== 'running') break;
        ties = chunk.ties;
        number += 1;
      }
    } finally {
      await recorded;
    }
    if (this.signal.aborted || this.state.phase !== 'running') throw new Stopped();
    return chunker.rows;
  }

  private async chunks(): Promise<{ chunker: Chunker; chunks: AsyncGenerator<Chunk> }> {
    const { account, id } = this.head;
    const { format, nextRow } = this.state;
    const mapping = this.state.mapping as Mapping;
    const country =
      mapping.country ?? (await this.untilAnswered(() => this.parts.accounts.get(account))).defaultCountry;
    const chunker = new Chunker(id, { columns: mapping.columns, country }, nextRow);
    const rows = this.parts.files.rows(account, id, { ...format, header: mapping.header });
    return { chunker, chunks: cut(chunker, rows) };
  }

  /** Sends a chunk and, once the one before is recorded, records it. */
  private async send(number: number, chunk: Chunk, before: Promise<void>): Promise<void> {
    const envelope = this.envelope('chunk', String(number));
    const outcomes = await this.register(envelope, chunk);
    const taken = outcomes.flatMap((outcome) => (outcome.outcome === 'rejected' ? [] : [outcome]));
    const [revoked] = await Promise.all([
      this.revoked(envelope, phonesOf(chunk, outcomes)),
      this.join(number, [...new Set(taken.map(({ contactId }) => contactId))]),
    ]);
    const done: ChunkDone = chunkDone(number, chunk, outcomes, revoked);
    await before;
    await this.record(`chunk ${number}`, (state) => finishChunk(state, done));
  }

  private async register(envelope: Envelope, chunk: Chunk): Promise<RowOutcome[]> {
    if (chunk.rows.length === 0) return [];
    const { country, update } = this.state.mapping as Mapping;
    const consent = this.state.consent as Consent;
    const input = { country, update, consent, rows: chunk.rows };
    for (let attempt = 1; ; attempt += 1) {
      const { rows } = await this.ask(registerContacts, envelope, input);
      const isBusy = rows.some((row) => row.outcome === 'rejected' && mayPass(row.code));
      if (!isBusy || attempt === BUSY_TRIES) return rows;
      await this.pause(attempt);
    }
  }

  /** Asked by number and not by key, because a number may have been revoked under a key of another of its forms. */
  private async revoked(envelope: Envelope, phones: readonly TakenPhone[]): Promise<Set<string>> {
    if (phones.length === 0) return new Set();
    const { results } = await this.ask(canSend, envelope, { to: phones.map(({ phone }) => phone) });
    return new Set(phones.flatMap(({ key }, index) => (results[index]?.reason === 'opted_out' ? [key] : [])));
  }

  /**
   * The command id holds the ids themselves: a chunk that comes to other contacts when it is repeated must not be taken
   * for done.
   */
  private async join(number: number, contactIds: string[]): Promise<void> {
    if (contactIds.length === 0) return;
    const content = createHash('sha256').update(contactIds.join()).digest('hex');
    for (const group of this.state.groups) {
      const envelope = this.envelope('join', String(number), group, content);
      await this.ask(addMembers, envelope, { id: group, contactIds });
    }
  }

  /** Appends what the decision comes to at the revision read, for as long as the store takes. */
  private async record(name: string, decide: (state: ImportAggregate) => ImportEvent[]): Promise<void> {
    const envelope = this.envelope(name, this.runId);
    await this.untilAnswered(async () => {
      for (;;) {
        if (this.head.commands.some(({ command }) => command === envelope.command)) return;
        const events = decide(this.state);
        if (events.length === 0) return;
        try {
          this.head = await this.parts.registry.append(this.head, events, envelope);
          return;
        } catch (error) {
          if (!(error instanceof WrongRevision)) throw error;
          this.head = await this.parts.registry.decider.reload(this.head);
        }
      }
    });
  }

  private ask<I extends z.ZodType, O extends z.ZodType>(
    subject: Subject<I, O>,
    envelope: Envelope,
    input: z.input<I>,
  ): Promise<z.output<O>> {
    return this.untilAnswered(() => this.parts.bus.ask(subject, envelope, input));
  }

  /** Waits for ever for services and stores that are down, unless the import is cancelled or the process stops. */
  private async untilAnswered<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (!isPassing(error)) throw error;
        this.parts.log.warn('import waits', { import: this.head.id, code: error.code, attempt });
      }
      await this.pause(attempt);
    }
  }

  /** @throws Stopped when the process ends */
  private async pause(attempt: number): Promise<void> {
    const wait = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), PAUSE_MAX_MS) * (0.5 + Math.random() / 2);
    await sleep(wait, undefined, { signal: this.signal }).catch(() => undefined);
    if (this.signal.aborted) throw new Stopped();
  }

  private envelope(...parts: string[]): Envelope {
    const { account, id } = this.head;
    return {
      account,
      actor: this.state.startedBy ?? { kind: 'system', id: 'muster' },
      source: { kind: 'import', import: id },
      command: uuid5(id, ...parts),
      correlation: id,
      at: new Date().toISOString(),
    };
  }
}

interface TakenPhone {
  phone: string;
  key: string;
}

/** The numbers of the rows that were taken, as the rows write them and under the keys that contacts answered. */
function phonesOf(chunk: Chunk, outcomes: readonly RowOutcome[]): TakenPhone[] {
  return outcomes.flatMap((outcome, index) => {
    const phone = chunk.rows[index]?.contact.phone;
    if (outcome.outcome === 'rejected' || !outcome.phoneKey || !phone) return [];
    return [{ phone, key: outcome.phoneKey }];
  });
}

async function* cut(chunker: Chunker, rows: AsyncGenerator<{ cells: string[]; raw?: string }[]>) {
  for await (const batch of rows) {
    for (const row of batch) {
      const chunk = chunker.take(row);
      if (chunk) yield chunk;
    }
  }
  const rest = chunker.flush();
  if (rest) yield rest;
}

function sharesAny(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const one of small) if (large.has(one)) return true;
  return false;
}

const mayPass = (code: string): boolean => isErrorCode(code) && isRetryable(code);

/** Nothing is wrong with the request: a part of the platform is down, busy or broken, and may be well again. */
function isPassing(error: unknown): error is Refusal {
  return error instanceof Refusal && (isRetryable(error.code) || error.code === 'service:internal');
}
