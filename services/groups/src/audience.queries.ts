import { Controller } from '@nestjs/common';
import {
  countAudience,
  resolveAudience,
  type AudienceQuestion,
  type Recipient,
} from '@muster/contracts/audience';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { z } from 'zod';
import { excludedCounts } from './audience.answer.js';
import { isRevokedSince, Questions } from './audience.question.js';
import { membersAt } from './audience.reads.js';
import { Audiences } from './audience.worker.js';
import { primaryOf } from './bitmaps.js';
import { fitting, readCursor, writeCursor } from './cursor.js';

const PageCursor = z.object({ o: z.int().nonnegative() });

@Controller()
export class AudienceQueries {
  constructor(
    private readonly questions: Questions,
    private readonly audiences: Audiences,
  ) {}

  @Handles(countAudience)
  async count({ envelope, input }: Ask<typeof countAudience>): Promise<AnswerOf<typeof countAudience>> {
    const { answer, position } = await this.questions.answer(envelope, questionOf(input), input.atLeast);
    return { recipients: answer.recipients.size, excluded: excludedCounts(answer), position };
  }

  /**
   * One page by ordinal. Documents may be newer than the sets, which can only take somebody out: who was added since comes
   * with the next question.
   */
  @Handles(resolveAudience)
  async resolve({ envelope, input }: Ask<typeof resolveAudience>): Promise<AnswerOf<typeof resolveAudience>> {
    const question = questionOf(input);
    const answered = await this.questions.answer(envelope, question, input.atLeast);
    const { recipients } = answered.answer;
    const start = input.after === undefined ? 0 : recipients.rank(readCursor(PageCursor, input.after).o);
    const ordinals = recipients.sliceArray(start, start + input.limit);
    const found = await membersAt(this.audiences.collections.members, envelope.account, ordinals);
    const items: { ordinal: number; recipient: z.infer<typeof Recipient> }[] = [];
    for (const member of found) {
      const primary = primaryOf(member, question.channel);
      if (!primary || primary.status !== 'active' || primary.value === '') continue;
      if (isRevokedSince(primary, answered.revoked)) continue;
      items.push({ ordinal: member.ordinal, recipient: recipientOf(member, primary.value) });
    }
    const page = fitting(items);
    const last = page.length < items.length ? page.at(-1)?.ordinal : ordinals.at(-1);
    const more = page.length < items.length || start + ordinals.length < recipients.size;
    return {
      items: page.map(({ recipient }) => recipient),
      next: more && last !== undefined ? writeCursor({ o: last }) : null,
      position: answered.position,
    };
  }
}

export function recipientOf(
  member: { contactId: string; firstName: string; lastName: string },
  to: string,
): z.infer<typeof Recipient> {
  const { contactId, firstName, lastName } = member;
  return { contactId, to, ...(firstName ? { firstName } : {}), ...(lastName ? { lastName } : {}) };
}

export function questionOf(input: AudienceQuestion): AudienceQuestion {
  const { include, exclude, query, channel } = input;
  return { include, exclude, channel, ...(query === undefined ? {} : { query }) };
}
