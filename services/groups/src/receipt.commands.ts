import { createHash, randomUUID } from 'node:crypto';
import { Controller } from '@nestjs/common';
import {
  freezeAudience,
  type AudienceEvent,
  type AudienceQuestion,
  type ExclusionReason,
  type ReceiptEntry,
} from '@muster/contracts/audience';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { uuid5 } from '@muster/contracts/ids';
import { streamName } from '@muster/contracts/names';
import { EventStore, WrongRevision } from '@muster/event-store/event-store';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { askedFor, reasonOf } from './audience.answer.js';
import { isRevokedSince, Questions, type Answered } from './audience.question.js';
import { questionOf } from './audience.queries.js';
import { membersAt, type AudienceMember } from './audience.reads.js';
import { Audiences } from './audience.worker.js';
import { primaryOf } from './bitmaps.js';
import { CHUNK, textOf, type ReceiptDocument } from './receipt.model.js';
import { Receipts, receiptView } from './receipt.store.js';

@Controller()
export class ReceiptCommands {
  constructor(
    private readonly questions: Questions,
    private readonly audiences: Audiences,
    private readonly receipts: Receipts,
    private readonly store: EventStore,
  ) {}

  @Handles(freezeAudience)
  async freeze({ envelope, input }: Ask<typeof freezeAudience>): Promise<AnswerOf<typeof freezeAudience>> {
    const { account, command } = envelope;
    const audienceId = uuid5(command, 'audience');
    const done = await this.receipts.find(account, audienceId);
    if (done) return answerWith(done);
    const question = questionOf(input);
    const answered = await this.questions.answer(envelope, question, input.atLeast);
    const attempt = await this.keep(envelope, audienceId, question, answered);
    const frozen = await this.append(envelope, attempt);
    return answerWith(frozen);
  }

  /** Writes the whole answer, chunk by chunk, before anything says that it exists. */
  private async keep(
    envelope: Envelope,
    audienceId: string,
    question: AudienceQuestion,
    answered: Answered,
  ): Promise<ReceiptDocument> {
    const { account } = envelope;
    const attempt = randomUUID();
    const receipt = { _id: `${account}_${audienceId}_${attempt}`, account };
    const hash = createHash('sha256');
    const excluded: Partial<Record<ExclusionReason, number>> = {};
    let recipients = 0;
    let chunks = 0;
    for await (const { entries, ordinals } of this.entries(account, question, answered)) {
      const text = textOf(entries);
      hash.update(text);
      for (const { reason } of entries) {
        if (reason === null) recipients += 1;
        else excluded[reason] = (excluded[reason] ?? 0) + 1;
      }
      await this.receipts.addChunk(receipt, chunks, text, ordinals);
      chunks += 1;
    }
    const document: ReceiptDocument = {
      ...receipt,
      audienceId,
      attempt,
      question,
      recipients,
      excluded,
      chunks,
      asOf: answered.position,
      contentHash: hash.digest('hex'),
      position: null,
      frozenAt: null,
    };
    await this.receipts.add(document);
    return document;
  }

  /** Everybody asked for, by ordinal, a chunk at a time. */
  private async *entries(
    account: string,
    question: AudienceQuestion,
    answered: Answered,
  ): AsyncIterable<{ entries: ReceiptEntry[]; ordinals: number[] }> {
    const asked = askedFor(answered.answer);
    const { members } = this.audiences.collections;
    for (let start = 0; start < asked.size; start += CHUNK) {
      const ordinals = asked.sliceArray(start, start + CHUNK);
      const found = await membersAt(members, account, ordinals);
      yield {
        entries: found.map((member) => entryOf(member, question, answered)),
        ordinals: found.map(({ ordinal }) => ordinal),
      };
    }
  }

  private async append(envelope: Envelope, attempt: ReceiptDocument): Promise<ReceiptDocument> {
    const { account, audienceId, question, recipients, excluded, asOf, contentHash } = attempt;
    const event: AudienceEvent = {
      type: 'AudienceFrozen',
      data: { audienceId, question, recipients, excluded, asOf, contentHash },
    };
    try {
      const stream = streamName('audience', account, audienceId);
      const { position } = await this.store.append(stream, [event], 'no_stream', envelope);
      const frozen = { position, frozenAt: envelope.at };
      return (await this.receipts.freeze(account, audienceId, contentHash, frozen)) ?? attempt;
    } catch (error) {
      if (!(error instanceof WrongRevision)) throw error;
      const winner = await this.receipts.find(account, audienceId);
      if (!winner) throw new Refusal('service:busy', { category: 'audience' });
      if (winner._id !== attempt._id) await this.receipts.discard(attempt);
      return winner;
    }
  }
}

/** A member may have changed since the sets were made: what it has become can take it out, never in. */
function entryOf(member: AudienceMember, question: AudienceQuestion, answered: Answered): ReceiptEntry {
  const { contactId, ordinal } = member;
  const primary = primaryOf(member, question.channel);
  const reason = reasonOf(answered.answer, ordinal) ?? null;
  const key = primary?.key ?? null;
  if (reason !== null) return { contactId, key, reason };
  if (!primary) return { contactId, key, reason: 'no_detail' };
  if (isRevokedSince(primary, answered.revoked)) return { contactId, key, reason: 'opted_out' };
  const active = primary.status === 'active';
  return { contactId, key, reason: active ? null : (primary.status as ExclusionReason) };
}

function answerWith(receipt: ReceiptDocument): AnswerOf<typeof freezeAudience> {
  return { receipt: receiptView(receipt), position: receipt.position ?? receipt.asOf };
}
