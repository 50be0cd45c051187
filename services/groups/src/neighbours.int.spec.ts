import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  countAudience,
  freezeAudience,
  receiptRecipients,
  resolveAudience,
} from '@muster/contracts/audience';
import { getConsent, revokeConsent } from '@muster/contracts/consent';
import { deleteContact, registerContact, registerContacts } from '@muster/contracts/contact';
import { addField } from '@muster/contracts/field';
import { addMembers, createGroup, findMembers, getMemberships } from '@muster/contracts/group';
import { uuid7 } from '@muster/contracts/ids';
import { startService, type Service } from '@muster/testing/processes';
import { repository } from '@muster/testing/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from './test-world.js';

const areBuilt = ['contacts', 'compliance'].every((name) =>
  existsSync(join(repository, 'services', name, 'dist', 'main.js')),
);

describe.skipIf(!areBuilt)('groups beside the real contacts and compliance', () => {
  let world: World;
  const services: Service[] = [];
  beforeAll(async () => {
    world = await World.start({ ledger: false });
    const env = Object.fromEntries(Object.entries(world.env).map(([name, value]) => [name, `${value}`]));
    delete env['HTTP_PORT'];
    services.push(...(await Promise.all([startService('contacts', env), startService('compliance', env)])));
    await world.startGroups();
  });
  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop()));
    await world.stop();
  });

  it('excludes a number from everything at the moment its STOP is acknowledged', async () => {
    const rows = Array.from({ length: 40 }, (_, row) => ({
      command: uuid7(),
      row,
      contact: { phone: `+1202555${1000 + row}`, firstName: `Ann ${row}` },
    }));
    const made = await world.ask(registerContacts, { consent: { source: 'form' }, rows });
    const ids = made.rows.map((row) => ('contactId' in row ? row.contactId : ''));
    const { group } = await world.ask(createGroup, { name: 'Club' });
    const { position } = await world.ask(addMembers, { id: group.id, contactIds: ids });
    const question = { include: [group.id] };
    expect((await world.ask(countAudience, { ...question, atLeast: position })).recipients).toBe(40);
    const { receipt } = await world.ask(freezeAudience, question);
    for (let row = 0; row < 20; row += 1) {
      await world.ask(revokeConsent, { detail: `+1 (202) 555-${1000 + row}`, origin: 'keyword' });
      const [count, page, frozen] = await Promise.all([
        world.ask(countAudience, question),
        world.ask(resolveAudience, question),
        world.ask(receiptRecipients, { id: receipt.id }),
      ]);
      expect(count).toMatchObject({ recipients: 39 - row, excluded: { opted_out: row + 1 } });
      for (const { items } of [page, frozen]) {
        expect(items.map((item) => item.contactId)).toEqual(ids.slice(row + 1));
      }
    }
  });

  it('agrees with the ledger over deleting and registering again', async () => {
    const phone = '+12025559001';
    const first = await world.ask(registerContact, { contact: { phone } });
    await world.ask(revokeConsent, { detail: phone });
    await world.ask(deleteContact, { id: first.contact.id });
    const again = await world.ask(registerContact, { contact: { phone }, consent: { source: 'form' } });
    expect(again.contact.id).not.toBe(first.contact.id);
    const atLeast = again.position;
    const { items } = await world.ask(getMemberships, { ids: [again.contact.id], atLeast });
    expect(items[0]).toMatchObject({ status: 'opted_out' });
    const { consent } = await world.ask(getConsent, { detail: phone });
    expect(consent).toMatchObject({ status: 'revoked', sendable: false });
  });

  it('follows a field that contacts writes', async () => {
    await world.ask(addField, { key: 'plan', name: 'Plan', type: 'choice', choices: ['free', 'gold'] });
    const rule = 'Plan = GOLD';
    const { group } = await world.ask(createGroup, { name: 'Gold', kind: 'dynamic', rule });
    expect(group.rule).toBe('plan = "gold"');
    const phone = '+12025559002';
    const gold = await world.ask(registerContact, { contact: { phone, fields: { plan: 'gold' } } });
    const before = await world.ask(findMembers, { group: group.id, atLeast: gold.position });
    expect(before.items).toMatchObject([{ id: gold.contact.id, phone, fields: { plan: 'gold' } }]);
    const free = await world.ask(registerContact, { contact: { phone, fields: { plan: 'free' } } });
    const after = await world.ask(findMembers, { group: group.id, atLeast: free.position });
    expect(after.items).toEqual([]);
  });
});
