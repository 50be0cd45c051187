import { DEFAULT_POLICY, type AccountEvent } from '@muster/contracts/account';
import { scenario } from '@muster/testing/given';
import { idNumber } from '@muster/testing/universe';
import { describe, expect, it } from 'vitest';
import * as account from './account.js';

const at = '2026-01-15T12:00:00.000Z';
const timed = (event: AccountEvent): account.TimedEvent => ({ ...event, at });
const { given } = scenario<account.State, AccountEvent>({
  initial: account.initial,
  evolve: (state, event) => account.evolve(state, timed(event)),
});

const opened: AccountEvent = {
  type: 'AccountOpened',
  data: { accountId: idNumber(1), name: 'Club', timeZone: 'Europe/Paris', defaultCountry: 'FR' },
};
const issued = (n: number, role: 'owner' | 'admin' | 'editor'): AccountEvent => ({
  type: 'ApiKeyIssued',
  data: { keyId: idNumber(n), name: 'Key', role, secretHash: `${n}`.repeat(64) },
});
const locked: AccountEvent = { type: 'PolicyChanged', data: { policy: { locked: ['deleteAll'] } } };
const first = { keyId: idNumber(2), name: 'Key', role: 'owner' as const, secretHash: '2'.repeat(64) };
const opening = {
  accountId: idNumber(1),
  name: ' Club ',
  timeZone: 'Europe/Paris',
  defaultCountry: 'FR',
  key: first,
};

describe('openAccount', () => {
  it('opens an account with its first owner key and a trimmed name', () => {
    given([])
      .when((state) => account.openAccount(state, opening))
      .emits([opened, issued(2, 'owner')]);
  });
  it('sets what the operator wants of the policy', () => {
    given([])
      .when((state) => account.openAccount(state, { ...opening, policy: { locked: ['deleteAll'] } }))
      .emits([opened, locked, issued(2, 'owner')]);
  });
  it('needs a name', () => {
    given([])
      .when((state) => account.openAccount(state, { ...opening, name: '  ' }))
      .refuses('account:name_required', { path: 'name' });
  });
  it('leaves an account that exists as it is', () => {
    given([opened])
      .when((state) => account.openAccount(state, opening))
      .changesNothing();
  });
});

describe('changeAccount', () => {
  it('changes only what differs', () => {
    given([opened])
      .when((state) => account.changeAccount(state, { name: 'Club', timeZone: 'Europe/Berlin' }))
      .emits([{ type: 'AccountChanged', data: { timeZone: 'Europe/Berlin' } }]);
  });
  it('takes a public address away with null', () => {
    given([opened, { type: 'AccountChanged', data: { publicUrl: 'https://example.com' } }])
      .when((state) => account.changeAccount(state, { publicUrl: null }))
      .emits([{ type: 'AccountChanged', data: { publicUrl: null } }]);
  });
  it('changes nothing when nothing differs', () => {
    given([opened])
      .when((state) => account.changeAccount(state, { name: 'Club', publicUrl: null }))
      .changesNothing();
  });
  it('keeps a name', () => {
    given([opened])
      .when((state) => account.changeAccount(state, { name: '' }))
      .refuses('account:name_required');
  });
  it('refuses before the account is opened', () => {
    given([])
      .when((state) => account.changeAccount(state, { name: 'Club' }))
      .refuses('account:not_found');
  });
});

describe('changePolicy', () => {
  it('changes what differs from the default', () => {
    given([opened])
      .when((state) => account.changePolicy(state, { requireEvidence: true, delete: true }, 'account'))
      .emits([{ type: 'PolicyChanged', data: { policy: { requireEvidence: true } } }]);
  });
  it('keeps a locked key from the account', () => {
    given([opened, locked])
      .when((state) => account.changePolicy(state, { deleteAll: false }, 'account'))
      .refuses('request:forbidden', { path: 'policy.deleteAll', reason: 'locked_by_operator' });
  });
  it('keeps the list of locked keys from the account', () => {
    given([opened, locked])
      .when((state) => account.changePolicy(state, { locked: [] }, 'account'))
      .refuses('request:forbidden', { path: 'policy.locked', reason: 'locked_by_operator' });
  });
  it('lets the account name a locked key with the value it has', () => {
    given([opened, locked])
      .when((state) =>
        account.changePolicy(state, { deleteAll: true, locked: ['deleteAll'], delete: false }, 'account'),
      )
      .emits([{ type: 'PolicyChanged', data: { policy: { delete: false } } }]);
  });
  it('lets the operator change a locked key', () => {
    given([opened, locked])
      .when((state) => account.changePolicy(state, { deleteAll: false }, 'operator'))
      .emits([{ type: 'PolicyChanged', data: { policy: { deleteAll: false } } }]);
  });
  it('folds into the policy in force', () => {
    expect(given([opened, locked]).state()?.policy).toEqual({ ...DEFAULT_POLICY, locked: ['deleteAll'] });
  });
});

describe('issueApiKey', () => {
  const command = { keyId: idNumber(3), name: 'Key', role: 'admin' as const, secretHash: '3'.repeat(64) };
  it('issues a key', () => {
    given([opened])
      .when((state) => account.issueApiKey(state, command, 'admin'))
      .emits([issued(3, 'admin')]);
  });
  it('lets only an owner make an owner', () => {
    given([opened])
      .when((state) => account.issueApiKey(state, { ...command, role: 'owner' }, 'admin'))
      .refuses('request:forbidden', { path: 'role', reason: 'owner_only' });
  });
  it('issues a key once', () => {
    given([opened, issued(3, 'admin')])
      .when((state) => account.issueApiKey(state, command, 'owner'))
      .changesNothing();
  });
});

describe('revokeApiKey', () => {
  it('revokes a key', () => {
    given([opened, issued(2, 'owner'), issued(3, 'editor')])
      .when((state) => account.revokeApiKey(state, idNumber(3), 'admin'))
      .emits([{ type: 'ApiKeyRevoked', data: { keyId: idNumber(3) } }]);
  });
  it('changes nothing for a key that is not there', () => {
    given([opened, issued(2, 'owner')])
      .when((state) => account.revokeApiKey(state, idNumber(9), 'admin'))
      .changesNothing();
  });
  it('keeps the last owner', () => {
    given([opened, issued(2, 'owner'), issued(3, 'admin')])
      .when((state) => account.revokeApiKey(state, idNumber(2), 'owner'))
      .refuses('request:forbidden', { reason: 'last_owner' });
  });
  it('lets an owner revoke another owner, and nobody else', () => {
    const owners = given([opened, issued(2, 'owner'), issued(3, 'owner')]);
    owners
      .when((state) => account.revokeApiKey(state, idNumber(2), 'owner'))
      .emits([{ type: 'ApiKeyRevoked', data: { keyId: idNumber(2) } }]);
    owners
      .when((state) => account.revokeApiKey(state, idNumber(2), 'admin'))
      .refuses('request:forbidden', { reason: 'owner_only' });
  });
});
