import {
  countAudience,
  freezeAudience,
  getAudience,
  listAudiences,
  receiptExcluded,
  receiptRecipients,
  resolveAudience,
} from '@muster/contracts/audience';
import { addMembers, createGroup, findMembers } from '@muster/contracts/group';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LoopObserver } from './audience.loop.js';
import { World } from './test-world.js';

/** Holds the loop, so that the model stays behind the log for as long as a test wants. */
class Brake extends LoopObserver {
  private held: Promise<void> | null = null;
  private let_: () => void = () => {};

  hold(): void {
    this.held ??= new Promise((resolve) => (this.let_ = resolve));
  }

  release(): void {
    this.held = null;
    this.let_();
  }

  override async before(): Promise<void> {
    await this.held;
  }
}

describe('audiences', () => {
  let world: World;
  const brake = new Brake();
  beforeAll(async () => {
    world = await World.start();
    await world.startGroups(brake);
  });
  afterAll(async () => {
    brake.release();
    await world.stop();
  });

  async function groupOf(
    name: string,
    contactIds: string[],
  ): Promise<{ include: string[]; atLeast: number }> {
    const { group } = await world.ask(createGroup, { name });
    const { position } = await world.ask(addMembers, { id: group.id, contactIds });
    return { include: [group.id], atLeast: position };
  }

  it('counts and hands out only those who may be texted, each with the first reason against the others', async () => {
    const ann = await world.register({ phone: '+12025550201', firstName: 'Ann' });
    const bob = await world.register({ phone: '+12025550202', noBasis: true });
    const cat = await world.register({ email: 'cat@example.com' });
    const dan = await world.register({ phone: '+12025550204' });
    await world.say('phone', '+12025550204', 'revoked');
    const question = await groupOf('Mixed', [ann.id, bob.id, cat.id, dan.id]);
    const count = await world.ask(countAudience, question);
    expect(count).toMatchObject({ recipients: 1, excluded: { no_consent: 1, no_detail: 1, opted_out: 1 } });
    const page = await world.ask(resolveAudience, question);
    expect(page.items).toEqual([{ contactId: ann.id, to: '+12025550201', firstName: 'Ann' }]);
    expect(page.next).toBeNull();
  });

  it('leaves out a number that said stop after the position of the model', async () => {
    const eve = await world.register({ phone: '+12025550211' });
    const fay = await world.register({ phone: '+12025550212' });
    const question = await groupOf('Late stop', [eve.id, fay.id]);
    expect(await world.ask(countAudience, question)).toMatchObject({ recipients: 2, excluded: {} });
    const frozen = await world.ask(freezeAudience, question);
    brake.hold();
    try {
      const { include } = question;
      const stopped = await world.say('phone', '+12025550211', 'revoked');
      const count = await world.ask(countAudience, { include });
      expect(count.position).toBeLessThan(stopped);
      expect(count).toMatchObject({ recipients: 1, excluded: { opted_out: 1 } });
      const page = await world.ask(resolveAudience, { include });
      expect(page.items.map((item) => item.contactId)).toEqual([fay.id]);
      const again = await world.ask(freezeAudience, { include });
      expect(again.receipt).toMatchObject({ recipients: 1, excluded: { opted_out: 1 } });
      const { id } = frozen.receipt;
      const recipients = await world.ask(receiptRecipients, { id });
      expect(recipients.items.map((item) => item.contactId)).toEqual([fay.id]);
      const excluded = await world.ask(receiptExcluded, { id });
      expect(excluded.items).toEqual([{ contactId: eve.id, to: '+12025550211', reason: 'opted_out' }]);
    } finally {
      brake.release();
    }
  });

  it('does not take in, before the model has it, a number that agreed again', async () => {
    const gil = await world.register({ phone: '+12025550221' });
    await world.say('phone', '+12025550221', 'revoked');
    const { include, atLeast } = await groupOf('Again', [gil.id]);
    await world.ask(countAudience, { include, atLeast });
    brake.hold();
    try {
      await world.say('phone', '+12025550221', 'granted');
      const count = await world.ask(countAudience, { include });
      expect(count).toMatchObject({ recipients: 0, excluded: { opted_out: 1 } });
    } finally {
      brake.release();
    }
  });

  it('keeps a number suppressed that said stop before its contact was there, and after it came back', async () => {
    await world.say('phone', '+12025550231', 'revoked');
    const hal = await world.register({ phone: '+12025550231' });
    expect(await world.ask(countAudience, await groupOf('Before birth', [hal.id]))).toMatchObject({
      recipients: 0,
      excluded: { opted_out: 1 },
    });
    const ida = await world.register({ phone: '+12025550232' });
    await world.say('phone', '+12025550232', 'revoked');
    await world.delete(ida.id);
    const back = await world.register({ phone: '+12025550232' });
    const question = await groupOf('Came back', [ida.id, back.id]);
    expect(await world.ask(countAudience, question)).toMatchObject({
      recipients: 0,
      excluded: { opted_out: 1 },
    });
    const { items } = await world.ask(findMembers, { group: question.include[0], atLeast: question.atLeast });
    expect(items.map((item) => [item.id, item.status])).toEqual([[back.id, 'opted_out']]);
  });

  it('refuses when the changes are too many to be told', async () => {
    world.said.complete = false;
    try {
      await expect(world.ask(countAudience, { include: ['all'] })).rejects.toMatchObject({
        code: 'audience:lagging',
      });
      await expect(world.ask(resolveAudience, { include: ['all'] })).rejects.toMatchObject({
        code: 'audience:lagging',
      });
    } finally {
      world.said.complete = true;
    }
  });

  it('sends one message to an e-mail address that two contacts have', async () => {
    const one = await world.register({ email: 'shared@example.com', firstName: 'Jo' });
    const two = await world.register({ email: 'shared@example.com', firstName: 'Kim' });
    const question = { ...(await groupOf('Shared', [two.id, one.id])), channel: 'email' as const };
    expect(await world.ask(countAudience, question)).toMatchObject({
      recipients: 1,
      excluded: { duplicate_detail: 1 },
    });
    const page = await world.ask(resolveAudience, question);
    expect(page.items.map((item) => item.contactId)).toEqual([one.id]);
  });

  it('joins groups, excludes groups and narrows by a query, and gives everybody on exactly one page', async () => {
    await world.addField({ key: 'plan', type: 'text' });
    const ids: string[] = [];
    for (let index = 0; index < 12; index += 1) {
      const plan = index % 3 === 0 ? 'free' : 'gold';
      const phone = `+12025550${300 + index}`;
      ids.push((await world.register({ phone, fields: { plan } })).id);
    }
    const left = await groupOf('Left', ids.slice(0, 8));
    const right = await groupOf('Right', ids.slice(4));
    const out = await groupOf('Out', ids.slice(6, 8));
    const question = {
      include: [...left.include, ...right.include],
      exclude: out.include,
      query: 'plan = gold',
      atLeast: Math.max(left.atLeast, right.atLeast, out.atLeast),
    };
    const count = await world.ask(countAudience, question);
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await world.ask(resolveAudience, { ...question, limit: 2, after });
      seen.push(...page.items.map((item) => item.contactId));
      after = page.next ?? undefined;
    } while (after !== undefined);
    const expected = ids.filter((_, index) => index % 3 !== 0 && index !== 6 && index !== 7);
    expect(seen).toEqual(expected);
    expect(count).toMatchObject({ recipients: expected.length, excluded: { excluded_group: 1 } });
  });

  it('freezes once for a command, and answers the same receipt again', async () => {
    const lea = await world.register({ phone: '+12025550241' });
    const question = await groupOf('Frozen', [lea.id]);
    const envelope = world.envelope();
    const first = await world.ask(freezeAudience, question, envelope);
    const second = await world.ask(freezeAudience, question, envelope);
    expect(second).toEqual(first);
    const { receipt } = await world.ask(getAudience, { id: first.receipt.id });
    expect(receipt).toEqual(first.receipt);
    const list = await world.ask(listAudiences, { limit: 1 });
    expect(list.items).toEqual([first.receipt]);
    await world.delete(lea.id);
    const { position } = await world.register({ phone: '+12025550242' });
    await world.ask(findMembers, { atLeast: position });
    expect((await world.ask(receiptRecipients, { id: receipt.id })).items).toEqual([]);
    const excluded = await world.ask(receiptExcluded, { id: receipt.id });
    expect(excluded.items).toEqual([{ contactId: lea.id, reason: 'no_detail' }]);
  });
});
