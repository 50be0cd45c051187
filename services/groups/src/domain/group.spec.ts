import type { GroupEvent } from '@muster/contracts/group';
import { scenario } from '@muster/testing/given';
import { idNumber } from '@muster/testing/universe';
import { describe, it } from 'vitest';
import {
  changeGroup,
  createGroup,
  deleteGroup,
  evolve,
  NO_GROUP,
  refuseBuiltIn,
  refuseManualMembers,
  type GroupState,
  type Others,
  type ReadRule,
} from './group.js';

const [id, other, third] = [idNumber(1), idNumber(2), idNumber(3)];
const alone: Others = { holderOfName: null, count: 0, references: new Map() };
const rule = (text: string, ...references: string[]): ReadRule => ({
  text,
  references: new Set(references),
  anyGroup: false,
});
const created = (kind: 'standard' | 'dynamic', text?: string): GroupEvent => ({
  type: 'GroupCreated',
  data: { groupId: id, name: 'Gold', kind, ...(text ? { rule: text } : {}), categories: ['vip'] },
});
const group = scenario<GroupState, GroupEvent>({
  initial: NO_GROUP,
  evolve: (state, event) => evolve(state, event, { at: '2026-01-15T12:00:00.000Z' }),
});
const standard = { groupId: id, name: 'Gold', kind: 'standard', rule: null, categories: ['vip'] } as const;
const dynamic = { ...standard, kind: 'dynamic', rule: rule('plan = "gold"') } as const;

describe('creating a group', () => {
  it('emits what was asked for', () => {
    group
      .given([])
      .when((state) => createGroup(state, standard, alone))
      .emits([created('standard')]);
    group
      .given([])
      .when((state) => createGroup(state, dynamic, alone))
      .emits([created('dynamic', 'plan = "gold"')]);
  });
  it('changes nothing when it is there already', () => {
    group
      .given([created('standard')])
      .when((state) => createGroup(state, standard, alone))
      .changesNothing();
  });
  it('refuses a name that another group has', () => {
    const others = { ...alone, holderOfName: other };
    group
      .given([])
      .when((state) => createGroup(state, standard, others))
      .refuses('group:name_taken');
  });
  it('takes a name that was claimed for it', () => {
    const others = { ...alone, holderOfName: id };
    group
      .given([])
      .when((state) => createGroup(state, standard, others))
      .emits([created('standard')]);
  });
  it('refuses a standard group with a rule and a dynamic one without', () => {
    const wrong = { ...standard, rule: rule('true') };
    group
      .given([])
      .when((state) => createGroup(state, wrong, alone))
      .refuses('group:standard');
    const ruleless = { ...dynamic, rule: null };
    group
      .given([])
      .when((state) => createGroup(state, ruleless, alone))
      .refuses('group:rule_required');
  });
  it('refuses more groups than an account can have', () => {
    const full = { ...alone, count: 1000 };
    group
      .given([])
      .when((state) => createGroup(state, standard, full))
      .refuses('group:too_many', { limit: 1000 });
  });
  it('refuses a rule that asks for any group, which it would answer itself', () => {
    const any = { ...dynamic, rule: { ...rule('not has group'), anyGroup: true } };
    group
      .given([])
      .when((state) => createGroup(state, any, alone))
      .refuses('rule:invalid_value');
  });
});

describe('changing a group', () => {
  it('emits only what differs', () => {
    group
      .given([created('standard')])
      .when((state) => changeGroup(state, { name: 'Silver', categories: ['vip'] }, alone))
      .emits([{ type: 'GroupRenamed', data: { name: 'Silver' } }]);
    group
      .given([created('standard')])
      .when((state) => changeGroup(state, { name: 'Gold' }, alone))
      .changesNothing();
    group
      .given([created('dynamic', 'plan = "gold"')])
      .when((state) => changeGroup(state, { rule: rule('plan = "gold"') }, alone))
      .changesNothing();
  });
  it('changes the rule of a dynamic group and refuses one for a standard group', () => {
    const change = { rule: rule('plan = "vip"') };
    group
      .given([created('dynamic', 'plan = "gold"')])
      .when((state) => changeGroup(state, change, alone))
      .emits([{ type: 'GroupRuleChanged', data: { rule: 'plan = "vip"' } }]);
    group
      .given([created('standard')])
      .when((state) => changeGroup(state, change, alone))
      .refuses('group:standard');
  });
  it('refuses a rule that leads back to the group, over however many others', () => {
    const references = new Map([
      [other, new Set([third])],
      [third, new Set([id])],
    ]);
    group
      .given([created('dynamic', 'true')])
      .when((state) => changeGroup(state, { rule: rule('group = "x"', other) }, { ...alone, references }))
      .refuses('rule:invalid_value', { path: 'rule', reason: 'cycle' });
  });
  it('refuses what is not there', () => {
    group
      .given([])
      .when((state) => changeGroup(state, { name: 'New' }, alone))
      .refuses('group:not_found');
    const deleted: GroupEvent[] = [created('standard'), { type: 'GroupDeleted', data: {} }];
    group
      .given(deleted)
      .when((state) => changeGroup(state, { name: 'New' }, alone))
      .refuses('group:not_found');
  });
});

describe('deleting a group', () => {
  it('happens once', () => {
    const gone: GroupEvent = { type: 'GroupDeleted', data: {} };
    group
      .given([created('standard')])
      .when((state) => deleteGroup(state, alone))
      .emits([gone]);
    group
      .given([created('standard'), gone])
      .when((state) => deleteGroup(state, alone))
      .changesNothing();
    group
      .given([])
      .when((state) => deleteGroup(state, alone))
      .refuses('group:not_found');
  });
  it('is refused while the rule of another names it', () => {
    const references = new Map([[other, new Set([id])]]);
    group
      .given([created('standard')])
      .when((state) => deleteGroup(state, { references }))
      .refuses('group:in_use', { users: [{ kind: 'group', id: other }] });
  });
});

describe('members by hand', () => {
  const manual = (state: GroupState): [] => {
    refuseManualMembers(id, state);
    return [];
  };
  it('belong to standard groups only', () => {
    group
      .given([created('standard')])
      .when(manual)
      .changesNothing();
    group
      .given([created('dynamic', 'true')])
      .when(manual)
      .refuses('group:dynamic');
    group.given([]).when(manual).refuses('group:not_found');
  });
  it('cannot be given to All contacts', () => {
    group
      .given([])
      .when(() => {
        refuseBuiltIn('all');
        return [];
      })
      .refuses('group:builtin');
  });
});
