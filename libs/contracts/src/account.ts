import { z } from 'zod';
import { Instant } from './envelope.js';
import { defineEvent, type EventOf } from './event.js';
import { Id } from './ids.js';

export const Role = z.enum(['owner', 'admin', 'editor', 'viewer', 'sender']);
export type Role = z.infer<typeof Role>;

/** What an account lets its people do, and how it treats consent. Keys named in `locked` only the operator changes. */
export const Policy = z.object({
  delete: z.boolean(),
  deleteAll: z.boolean(),
  /** When true, creating a contact is no basis: only given consent is. */
  requireEvidence: z.boolean(),
  /** Whether staff may opt a person in again, with evidence. */
  staffReinstate: z.boolean(),
  /** Whether a message from an unknown number makes a contact. */
  inboundCreates: z.boolean(),
  eraseAfterDeleteDays: z.int().min(0).max(3650),
  maxFields: z.int().min(20).max(500),
  /** Permanent delivery failures after which a detail counts as unreachable. */
  unreachableAfter: z.int().min(1).max(100),
  locked: z.array(z.string()),
});
export type Policy = z.infer<typeof Policy>;

export const DEFAULT_POLICY: Policy = {
  delete: true,
  deleteAll: true,
  requireEvidence: false,
  staffReinstate: true,
  inboundCreates: true,
  eraseAfterDeleteDays: 30,
  maxFields: 100,
  unreachableAfter: 3,
  locked: [],
};

/** A time zone of the IANA database, such as `Europe/Paris`. */
export const TimeZone = z.string().refine(isTimeZone, 'is not a time zone of the IANA database');

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

export const AccountOpened = defineEvent(
  'account',
  'AccountOpened',
  z.object({
    accountId: Id,
    name: z.string(),
    timeZone: z.string(),
    defaultCountry: z.string(),
    publicUrl: z.string().optional(),
  }),
  {
    example: {
      accountId: '01890a5d-ac96-774b-bcce-b302099a8057',
      name: 'Example Club',
      timeZone: 'Europe/Paris',
      defaultCountry: 'FR',
    },
  },
);
export const AccountChanged = defineEvent(
  'account',
  'AccountChanged',
  z.object({
    name: z.string().optional(),
    timeZone: z.string().optional(),
    defaultCountry: z.string().optional(),
    publicUrl: z.string().nullable().optional(),
  }),
  { example: { timeZone: 'Europe/Berlin' } },
);
export const PolicyChanged = defineEvent('account', 'PolicyChanged', z.object({ policy: Policy.partial() }), {
  example: { policy: { requireEvidence: true } },
});
export const ApiKeyIssued = defineEvent(
  'account',
  'ApiKeyIssued',
  z.object({
    keyId: Id,
    name: z.string(),
    role: Role,
    /** SHA-256 of the secret; the secret itself is shown once and never kept. */
    secretHash: z.string(),
  }),
  {
    example: {
      keyId: '01890a5d-ac96-774b-bcce-b302099a8057',
      name: 'Website',
      role: 'editor',
      secretHash: 'ab'.repeat(32),
    },
  },
);
export const ApiKeyRevoked = defineEvent('account', 'ApiKeyRevoked', z.object({ keyId: Id }), {
  example: { keyId: '01890a5d-ac96-774b-bcce-b302099a8057' },
});
export const ACCOUNT_EVENTS = [
  AccountOpened,
  AccountChanged,
  PolicyChanged,
  ApiKeyIssued,
  ApiKeyRevoked,
] as const;
export type AccountEvent = EventOf<(typeof ACCOUNT_EVENTS)[number]>;

export const Account = z.object({
  id: Id,
  name: z.string(),
  timeZone: z.string(),
  defaultCountry: z.string(),
  publicUrl: z.string().nullable(),
  policy: Policy,
  createdAt: Instant,
});
export type Account = z.infer<typeof Account>;

export interface ApiKeyState {
  keyId: Id;
  name: string;
  role: Role;
  secretHash: string;
  issuedAt: Instant;
}

/** What every service needs to know of an account; folded from its stream. */
export interface AccountState extends Account {
  apiKeys: Record<Id, ApiKeyState>;
}

/** Folds an account's stream. Shared, because the directory of accounts in every service reads the same facts. */
export function evolveAccount(
  state: AccountState | null,
  event: AccountEvent,
  at: Instant,
): AccountState | null {
  switch (event.type) {
    case 'AccountOpened':
      return {
        id: event.data.accountId,
        name: event.data.name,
        timeZone: event.data.timeZone,
        defaultCountry: event.data.defaultCountry,
        publicUrl: event.data.publicUrl ?? null,
        policy: DEFAULT_POLICY,
        createdAt: at,
        apiKeys: {},
      };
    case 'AccountChanged': {
      if (state === null) return null;
      const { name, timeZone, defaultCountry, publicUrl } = event.data;
      return {
        ...state,
        name: name ?? state.name,
        timeZone: timeZone ?? state.timeZone,
        defaultCountry: defaultCountry ?? state.defaultCountry,
        publicUrl: publicUrl === undefined ? state.publicUrl : publicUrl,
      };
    }
    case 'PolicyChanged':
      return state && { ...state, policy: { ...state.policy, ...event.data.policy } };
    case 'ApiKeyIssued':
      return (
        state && {
          ...state,
          apiKeys: { ...state.apiKeys, [event.data.keyId]: { ...event.data, issuedAt: at } },
        }
      );
    case 'ApiKeyRevoked': {
      if (state === null) return null;
      const { [event.data.keyId]: _revoked, ...apiKeys } = state.apiKeys;
      return { ...state, apiKeys };
    }
  }
}
