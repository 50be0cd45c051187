import {
  freezeAudience,
  receiptExcluded,
  receiptLines,
  receiptRecipients,
  type Receipt,
} from '@muster/contracts/audience';
import { addMembers, createGroup, findMembers } from '@muster/contracts/group';
import type { Running } from '@muster/runtime/bootstrap';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ReceiptPages } from './receipt.pages.js';
import { Receipts } from './receipt.store.js';
import { World, type NewContact } from './test-world.js';

describe('pages of a receipt', () => {
  let world: World;
  let running: Running;
  beforeAll(async () => {
    world = await World.start();
    running = await world.startGroups();
  });
  afterAll(() => world.stop());

  async function frozen(contacts: NewContact[]): Promise<{ receipt: Receipt; ids: string[] }> {
    const ids: string[] = [];
    for (const contact of contacts) ids.push((await world.register(contact)).id);
    const { group } = await world.ask(createGroup, { name: `Group ${ids[0]}` });
    const { position } = await world.ask(addMembers, { id: group.id, contactIds: ids });
    const question = { include: [group.id], atLeast: position };
    return { receipt: (await world.ask(freezeAudience, question)).receipt, ids };
  }

  /** Everything that the pages of text give, line by line, and how many pages there were. */
  async function linesOf(id: string): Promise<{ items: object[]; pages: number }> {
    const items: object[] = [];
    let after: string | undefined;
    let pages = 0;
    do {
      const page = await world.ask(receiptLines, { id, after });
      const lines = page.lines.split('\n');
      expect(lines.pop()).toBe('');
      items.push(...lines.map((line) => JSON.parse(line) as object));
      pages += 1;
      after = page.next ?? undefined;
    } while (after !== undefined);
    return { items, pages };
  }

  it('are the same as text, whatever is in the names', async () => {
    const { receipt } = await frozen([
      { phone: '+12025550101', firstName: 'An "n"', lastName: 'back\\slash\nand line' },
      { phone: '+12025550102' },
      { email: 'nobody@example.com' },
      { phone: '+12025550103', lastName: 'Zoë \u2028 🎉' },
    ]);
    const { items } = await world.ask(receiptRecipients, { id: receipt.id });
    expect(items).toHaveLength(3);
    expect((await linesOf(receipt.id)).items).toEqual(items);
  });

  it('leave out of a page that was read ahead who said stop afterwards', async () => {
    const phones = Array.from({ length: 6 }, (_, n) => `+1202555011${n}`);
    const { receipt, ids } = await frozen(phones.map((phone) => ({ phone })));
    const pages = running.app.get(ReceiptPages);
    const document = await running.app.get(Receipts).get(world.account, receipt.id);
    const first = await pages.handOver(world.envelope(), document, { c: 0, i: 0 }, 2);
    expect([first.next, first.revoked.size]).toEqual([{ c: 0, i: 2 }, 0]);
    const cut = await pages.handOver(world.envelope(), document, { c: 0, i: 1 }, 2);
    expect([cut.next, cut.entries.map(({ contactId }) => contactId)]).toEqual([{ c: 0, i: 2 }, [ids[1]]]);
    await sleep(100);
    const stopped = await world.say('phone', phones[3] as string, 'revoked');
    await world.ask(findMembers, { atLeast: stopped });
    const second = await pages.handOver(world.envelope(), document, { c: 0, i: 2 }, 2);
    const said = await world.keyOf('phone', phones[3] as string);
    const status = second.members.get(ids[3] as string)?.phones?.[0]?.status;
    // Either the page is from before, and what was said since is told with it, or it was read anew.
    expect(second.revoked.has(said) || status === 'opted_out').toBe(true);
    const { items } = await world.ask(receiptRecipients, { id: receipt.id });
    expect(items.map(({ contactId }) => contactId)).toEqual(ids.filter((_, n) => n !== 3));
    const excluded = await world.ask(receiptExcluded, { id: receipt.id });
    expect(excluded.items).toEqual([{ contactId: ids[3], to: phones[3], reason: 'opted_out' }]);
  });

  it('are read anew when too much was said since they were read ahead', async () => {
    const phones = Array.from({ length: 4 }, (_, n) => `+1202555012${n}`);
    const { receipt } = await frozen(phones.map((phone) => ({ phone })));
    const pages = running.app.get(ReceiptPages);
    const document = await running.app.get(Receipts).get(world.account, receipt.id);
    await pages.handOver(world.envelope(), document, { c: 0, i: 0 }, 2);
    await sleep(100);
    const stopped = await world.say('phone', phones[2] as string, 'revoked');
    await world.ask(findMembers, { atLeast: stopped });
    world.said.completeFrom = stopped;
    try {
      const page = await pages.handOver(world.envelope(), document, { c: 0, i: 2 }, 2);
      expect(page.position).toBeGreaterThanOrEqual(stopped);
      expect([...page.members.values()].map((one) => one.phones?.[0]?.status)).toEqual([
        'opted_out',
        'active',
      ]);
    } finally {
      world.said.completeFrom = 0;
    }
  });

  it('end where a message would be too large, and go on from there', async () => {
    // A name of two hundred characters, each six bytes long as JSON.
    const long = '\u0001'.repeat(200);
    const names = { firstName: long, lastName: long };
    const contacts = Array.from({ length: 200 }, (_, n) => ({ phone: `+1202555${2000 + n}`, ...names }));
    const { receipt, ids } = await frozen(contacts);
    const { items, pages } = await linesOf(receipt.id);
    expect(items.map((item) => (item as { contactId: string }).contactId)).toEqual(ids);
    expect(pages).toBeGreaterThan(1);
  });

  it('are read from receipts that have entries as documents and know no ordinals', async () => {
    const { receipt, ids } = await frozen([
      { phone: '+12025550131' },
      { email: 'old@example.com' },
      { phone: '+12025550132' },
    ]);
    const [first, , third] = ids;
    const keys = [
      await world.keyOf('phone', '+12025550131'),
      null,
      await world.keyOf('phone', '+12025550132'),
    ];
    const entries = ids.map((contactId, n) => ({
      contactId,
      key: keys[n],
      reason: n === 1 ? 'no_detail' : null,
    }));
    const { _id } = await running.app.get(Receipts).get(world.account, receipt.id);
    const chunks = world.database.collection<{
      _id: string;
      account: string;
      text?: string;
      entries?: object[];
    }>('audience_chunks');
    const stored = await chunks.findOne({ _id: `${_id}_0` });
    expect(stored?.text?.split('\n')[1]).toBe(`${ids[1]} - no_detail`);
    await chunks.replaceOne({ _id: `${_id}_0` }, { account: world.account, entries });
    const { items } = await linesOf(receipt.id);
    expect(items.map((item) => (item as { contactId: string }).contactId)).toEqual([first, third]);
    const excluded = await world.ask(receiptExcluded, { id: receipt.id });
    expect(excluded.items).toEqual([{ contactId: ids[1], reason: 'no_detail' }]);
  });
});
