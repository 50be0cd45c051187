import {
  changeGroup,
  createGroup,
  deleteGroup,
  parseRuleText,
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

  it('gives a name to one of many who ask for it at once, and frees it when the group goes', async () => {
    const asked = Array.from({ length: 8 }, () => world.ask(createGroup, { name: 'Únique' }));
    const answers = await Promise.allSettled(asked);
    const made = answers.filter((answer) => answer.status === 'fulfilled');
    expect(made).toHaveLength(1);
    for (const answer of answers) {
      const code =
        answer.status === 'rejected' ? (answer.reason as { code: string }).code : 'group:name_taken';
      expect(code).toBe('group:name_taken');
    }
    await expect(world.ask(createGroup, { name: 'all CONTACTS' })).rejects.toMatchObject({
      code: 'group:name_taken',
    });
    const id = made[0]?.value.group.id as string;
    await world.ask(deleteGroup, { id });
    await expect(world.ask(changeGroup, { id, name: 'New' })).rejects.toMatchObject({
      code: 'group:not_found',
    });
    const again = await world.ask(createGroup, { name: 'unique' });
    expect(again.group.id).not.toBe(id);
  });

  it('does a repeated command once', async () => {
    const create = world.envelope();
    const made = await world.ask(createGroup, { name: 'Once' }, create);
    const { id } = made.group;
    expect((await world.ask(createGroup, { name: 'Once' }, create)).position).toBe(made.position);
    const contact = await world.register({ phone: '+12025550151' });
    const add = world.envelope();
    const added = await world.ask(addMembers, { id, contactIds: [contact.id] }, add);
    const removed = await world.ask(removeMembers, { id, contactIds: [contact.id] });
    expect(await world.ask(addMembers, { id, contactIds: [contact.id] }, add)).toEqual(added);
    const { items } = await world.ask(findMembers, { group: id, atLeast: removed.position });
    expect(items).toEqual([]);
    expect(await world.store.read(`membership-${world.account}_${id}`)).toHaveLength(2);
  });

  it('adds members from many sides at once', async () => {
    const { group } = await world.ask(createGroup, { name: 'Crowd' });
    const contacts = await Promise.all(
      Array.from({ length: 12 }, (_, index) => world.register({ phone: `+1202555${8000 + index}` })),
    );
    const answers = await Promise.all(
      contacts.map(({ id }) => world.ask(addMembers, { id: group.id, contactIds: [id] })),
    );
    const atLeast = Math.max(...answers.map(({ position }) => position));
    expect((await world.ask(getGroup, { id: group.id, atLeast })).group.counts.members).toBe(12);
  });

  it('refuses what cannot be', async () => {
    const refusal = (asked: Promise<unknown>): Promise<unknown> =>
      asked.then(
        () => null,
        (error: { code: string }) => error.code,
      );
    const contactIds = [(await world.register({ phone: '+12025550161' })).id];
    const first = await world.ask(createGroup, { name: 'First', kind: 'dynamic', rule: 'status = active' });
    const second = await world.ask(createGroup, { name: 'Second', kind: 'dynamic', rule: 'group = First' });
    const { id } = first.group;
    expect(second.group.rule).toBe('group = "First"');
    expect(await refusal(world.ask(addMembers, { id, contactIds }))).toBe('group:dynamic');
    expect(await refusal(world.ask(addMembers, { id: 'all', contactIds }))).toBe('group:builtin');
    expect(await refusal(world.ask(changeGroup, { id, rule: 'group = Second' }))).toBe('rule:invalid_value');
    expect(await refusal(world.ask(changeGroup, { id, rule: 'not has group' }))).toBe('rule:invalid_value');
    expect(await refusal(world.ask(deleteGroup, { id }))).toBe('group:in_use');
    expect(await refusal(world.ask(deleteGroup, { id: 'all' }))).toBe('group:builtin');
    const ruled = { name: 'Wrong', rule: 'no such = 1', kind: 'dynamic' as const };
    expect(await refusal(world.ask(createGroup, ruled))).toBe('rule:unknown_property');
    expect(await refusal(world.ask(createGroup, { name: 'Wrong', kind: 'dynamic' }))).toBe(
      'group:rule_required',
    );
    expect(await refusal(world.ask(findMembers, { query: 'city = (' }))).toBe('rule:syntax');
    expect(await refusal(world.ask(findMembers, { after: 'nonsense' }))).toBe('request:invalid');
    expect(await refusal(world.ask(findMembers, { atLeast: 2 ** 50 }))).toBe('read:behind');
    await expect(world.ask(parseRuleText, { rule: 'city =' })).rejects.toMatchObject({
      code: 'rule:syntax',
      data: { path: 'rule', position: 6 },
    });
  });

  it('pages through a list in every order without losing or repeating anybody', async () => {
    const { total = 0 } = await world.ask(findMembers, { count: true });
    expect(total).toBeGreaterThan(15);
    for (const sort of ['name', '-name', 'createdAt', '-updatedAt'] as const) {
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const page = await world.ask(findMembers, { sort, limit: 4, after });
        seen.push(...page.items.map((item) => item.id));
        after = page.next ?? undefined;
      } while (after !== undefined);
      expect(new Set(seen).size).toBe(total);
      expect(seen).toHaveLength(total);
    }
  });

  it('finds by a part of the number, by status and by group, and counts what it finds', async () => {
    const found = await world.register({ phone: '+12025550171', firstName: 'Zoë', email: 'zoe@example.com' });
    await world.say('phone', '+12025550171', 'revoked');
    const { position: atLeast } = await world.register({ phone: '+12025550172', noBasis: true });
    const ids = async (input: Parameters<typeof ask>[0]): Promise<string[]> =>
      (await ask(input)).items.map(({ id }) => id);
    const ask = (input: { query?: string; status?: 'opted_out' | 'no_consent' }) =>
      world.ask(findMembers, { ...input, atLeast, count: true });
    expect(await ids({ query: '(202) 555-0171' })).toEqual([found.id]);
    expect(await ids({ query: 'zoe' })).toEqual([found.id]);
    expect(await ids({ status: 'opted_out' })).toEqual([found.id]);
    expect(await ask({ status: 'no_consent' })).toMatchObject({ total: 1 });
    expect(await ids({ query: 'phone.status = opted_out and email.status = active' })).toEqual([found.id]);
  });
});
