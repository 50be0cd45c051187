import {
  createGroup,
  addMembers,
  findMembers,
  getGroup,
  groupLog,
  listGroups,
  removeMembers,
  why,
} from '@muster/contracts/group';
import { eventually } from '@muster/testing/eventually';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from './test-world.js';

describe('the groups service', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
    await world.startGroups();
  });
  afterAll(async () => {
    await world.stop();
  });

  it('lists a contact that was just registered', async () => {
    const { id, position } = await world.register({
      phone: '+12025550101',
      firstName: 'Ann',
      lastName: 'Able',
    });
    const { items, total } = await world.ask(findMembers, { atLeast: position, count: true });
    expect(total).toBe(1);
    expect(items[0]).toMatchObject({
      id,
      phone: '+12025550101',
      firstName: 'Ann',
      status: 'active',
      groups: [],
    });
  });

  it('puts contacts into a standard group and takes them out', async () => {
    const one = await world.register({ phone: '+12025550111', firstName: 'Bea' });
    const two = await world.register({ phone: '+12025550112', firstName: 'Cid' });
    const made = await world.ask(createGroup, { name: 'Club' });
    const id = made.group.id;
    await world.ask(addMembers, { id, contactIds: [one.id, two.id] });
    const removed = await world.ask(removeMembers, { id, contactIds: [one.id] });
    const { items } = await world.ask(findMembers, { group: id, atLeast: removed.position });
    expect(items.map((item) => item.id)).toEqual([two.id]);
    const { group } = await world.ask(getGroup, { id });
    expect(group.counts).toEqual({ members: 1, active: 1, sms: 1, email: 0 });
    const log = await world.ask(groupLog, { id });
    expect(log.items.map((item) => [item.contactId, item.kind])).toEqual([
      [one.id, 'entered'],
      [two.id, 'entered'],
      [one.id, 'left'],
    ]);
    const answer = await world.ask(why, { id, contactId: two.id });
    expect(answer).toMatchObject({ member: true, event: { type: 'MembersAdded' } });
  });

  it('evaluates a rule over contacts that were there before, and over those that come', async () => {
    await world.addField({ key: 'city', type: 'text' });
    const before = await world.register({ phone: '+12025550121', fields: { city: 'Haifa' } });
    const made = await world.ask(createGroup, { name: 'Haifa', kind: 'dynamic', rule: 'city = haifa' });
    const after = await world.register({ phone: '+12025550122', fields: { city: 'HAIFA' } });
    const id = made.group.id;
    await eventually(async () => {
      const { group } = await world.ask(getGroup, { id, atLeast: after.position });
      expect(group).toMatchObject({ ready: true, rule: 'city = "haifa"', counts: { members: 2 } });
    });
    const left = await world.changeContact(before.id, {
      type: 'ContactFieldsChanged',
      data: { fields: { city: 'Acre' } },
    });
    const { items } = await world.ask(findMembers, { group: id, atLeast: left });
    expect(items.map((item) => item.id)).toEqual([after.id]);
    const { items: groups } = await world.ask(listGroups, {});
    expect(groups.map((group) => group.name)).toEqual(['All contacts', 'Club', 'Haifa']);
  });
});
