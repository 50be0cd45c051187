import type { AccountEvent, AccountState, ApiKeyState, Policy, Role } from '@muster/contracts/account';
import { evolveAccount } from '@muster/contracts/account';
import type { Instant } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import type { Id } from '@muster/contracts/ids';

/** The state that decisions are made on; null before the account is opened. */
export type State = AccountState | null;

/** An event together with the time of its append, which the fold keeps. */
export type TimedEvent = AccountEvent & { at: Instant };

export const initial: State = null;

export function evolve(state: State, event: TimedEvent): State {
  return evolveAccount(state, event, event.at);
}

/** Who asks: the operator may change what is locked, a key only what its account leaves open. */
export type Asker = 'operator' | 'account';

export interface OpenAccount {
  accountId: Id;
  name: string;
  timeZone: string;
  defaultCountry: string;
  publicUrl?: string;
  policy?: Partial<Policy>;
  /** The first key, which owns the account. */
  key: IssueApiKey;
}

/** Opens an account with its first key. An account that exists already is left as it is. */
export function openAccount(state: State, command: OpenAccount): AccountEvent[] {
  if (state !== null) return [];
  const name = requireName(command.name);
  const { accountId, timeZone, defaultCountry, publicUrl, policy } = command;
  const opened: AccountEvent = {
    type: 'AccountOpened',
    data: { accountId, name, timeZone, defaultCountry, ...(publicUrl !== undefined && { publicUrl }) },
  };
  const { keyId, role, secretHash } = command.key;
  return [
    opened,
    ...(policy && Object.keys(policy).length > 0
      ? [{ type: 'PolicyChanged' as const, data: { policy } }]
      : []),
    { type: 'ApiKeyIssued', data: { keyId, name: command.key.name, role, secretHash } },
  ];
}

export interface ChangeAccount {
  name?: string;
  timeZone?: string;
  defaultCountry?: string;
  /** Null goes back to the gateway's own address. */
  publicUrl?: string | null;
}

/** Changes what is named and differs. */
export function changeAccount(state: State, command: ChangeAccount): AccountEvent[] {
  const account = requireOpen(state);
  const wanted = command.name === undefined ? command : { ...command, name: requireName(command.name) };
  const data = differing(account, wanted);
  return Object.keys(data).length === 0 ? [] : [{ type: 'AccountChanged', data }];
}

/**
 * Changes the policy keys that are named and differ. A locked key, and the list of locked keys itself, only the
 * operator changes; naming one with the value that it has is no change and no offence.
 */
export function changePolicy(state: State, command: Partial<Policy>, asker: Asker): AccountEvent[] {
  const account = requireOpen(state);
  const policy = differing(account.policy, command);
  const changed = Object.keys(policy);
  if (changed.length === 0) return [];
  const closed = changed.find((key) => key === 'locked' || account.policy.locked.includes(key));
  if (asker === 'account' && closed !== undefined)
    throw new Refusal('request:forbidden', { path: `policy.${closed}`, reason: 'locked_by_operator' });
  return [{ type: 'PolicyChanged', data: { policy } }];
}

export interface IssueApiKey {
  keyId: Id;
  name: string;
  role: Role;
  /** SHA-256 of the secret, in hexadecimal. */
  secretHash: string;
}

/** Issues a key. Only an owner makes owners, so that no key can raise itself. */
export function issueApiKey(state: State, command: IssueApiKey, asker: Role): AccountEvent[] {
  const account = requireOpen(state);
  if (command.role === 'owner' && asker !== 'owner')
    throw new Refusal('request:forbidden', { path: 'role', reason: 'owner_only' });
  if (account.apiKeys[command.keyId] !== undefined) return [];
  const { keyId, name, role, secretHash } = command;
  return [{ type: 'ApiKeyIssued', data: { keyId, name, role, secretHash } }];
}

/** Revokes a key; an unknown or revoked one changes nothing. The last owner stays, or nobody could let others in. */
export function revokeApiKey(state: State, keyId: Id, asker: Role): AccountEvent[] {
  const key = requireOpen(state).apiKeys[keyId];
  if (key === undefined) return [];
  if (key.role === 'owner' && asker !== 'owner')
    throw new Refusal('request:forbidden', { reason: 'owner_only' });
  if (key.role === 'owner' && ownersOf(state).length === 1)
    throw new Refusal('request:forbidden', { reason: 'last_owner' });
  return [{ type: 'ApiKeyRevoked', data: { keyId } }];
}

function ownersOf(state: State): ApiKeyState[] {
  return Object.values(requireOpen(state).apiKeys).filter((key) => key.role === 'owner');
}

function requireOpen(state: State): AccountState {
  if (state === null) throw new Refusal('account:not_found');
  return state;
}

function requireName(name: string): string {
  const trimmed = name.trim();
  if (trimmed === '') throw new Refusal('account:name_required', { path: 'name' });
  return trimmed;
}

/** The properties of `wanted` whose value is another one in `current`; lists compare by their members, in any order. */
function differing<T extends object>(current: object, wanted: T): Partial<T> {
  const held = current as Record<string, unknown>;
  const entries = Object.entries(wanted).filter(
    ([key, value]) => value !== undefined && !isSame(held[key], value),
  );
  return Object.fromEntries(entries) as Partial<T>;
}

function isSame(a: unknown, b: unknown): boolean {
  if (!Array.isArray(a) || !Array.isArray(b)) return a === b;
  return a.length === b.length && a.every((value) => b.includes(value));
}
