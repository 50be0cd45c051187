import { EMAILS_MAX, PHONES_MAX, type ContactEvent, type UpdateMode } from '@muster/contracts/contact';
import type { Basis, DetailKind } from '@muster/contracts/detail';
import { Refusal } from '@muster/contracts/errors';
import type { FieldValue } from '@muster/contracts/field';

export interface Detail {
  kind: DetailKind;
  key: string;
  /** Null after an erasure. */
  value: string | null;
  primary: boolean;
}

export interface ContactState {
  contactId: string | null;
  life: 'none' | 'live' | 'deleted';
  firstName: string | null;
  lastName: string | null;
  externalId: string | null;
  fields: Record<string, FieldValue>;
  details: Detail[];
  source: string;
  createdAt: string;
  updatedAt: string;
  /** What identifies the contact beside its phones, for one indexed look-up: `email:<key>`, `external:<id>`. */
  identifiers: string[];
}

export const NO_CONTACT: ContactState = {
  contactId: null,
  life: 'none',
  firstName: null,
  lastName: null,
  externalId: null,
  fields: {},
  details: [],
  source: '',
  createdAt: '',
  updatedAt: '',
  identifiers: [],
};

/** What the fold needs to know of an event beside its data. */
export interface Occasion {
  at: string;
  source: string;
}

export function evolve(state: ContactState, event: ContactEvent, occasion: Occasion): ContactState {
  const next = apply(state, event, occasion);
  return next === state ? state : { ...next, updatedAt: occasion.at, identifiers: identifiersOf(next) };
}

function apply(state: ContactState, event: ContactEvent, occasion: Occasion): ContactState {
  switch (event.type) {
    case 'ContactRegistered': {
      const { contactId, details, values, firstName, lastName, externalId, fields } = event.data;
      return {
        ...NO_CONTACT,
        contactId,
        life: 'live',
        firstName: firstName ?? null,
        lastName: lastName ?? null,
        externalId: externalId ?? null,
        fields: fields ?? {},
        details: details.map((detail) => ({ ...detail, value: values?.[detail.key] ?? null })),
        source: occasion.source,
        createdAt: occasion.at,
      };
    }
    case 'DetailAdded': {
      const { kind, key, primary, value } = event.data;
      const others = state.details.filter((detail) => detail.key !== key);
      const demoted = primary
        ? others.map((detail) => (detail.kind === kind ? { ...detail, primary: false } : detail))
        : others;
      return { ...state, details: [...demoted, { kind, key, primary, value: value ?? null }] };
    }
    case 'DetailReleased':
      return {
        ...state,
        details: withPrimary(state.details.filter((detail) => detail.key !== event.data.key)),
      };
    case 'PrimaryChanged': {
      const { kind, key } = event.data;
      const details = state.details.map((detail) =>
        detail.kind === kind ? { ...detail, primary: detail.key === key } : detail,
      );
      return { ...state, details };
    }
    case 'ContactRenamed': {
      const { firstName, lastName } = event.data;
      return {
        ...state,
        firstName: firstName === undefined ? state.firstName : firstName,
        lastName: lastName === undefined ? state.lastName : lastName,
      };
    }
    case 'ContactFieldsChanged': {
      const { externalId, fields } = event.data;
      const merged = { ...state.fields, ...fields };
      const kept = Object.entries(merged).filter(([, value]) => value !== null) as [string, FieldValue][];
      return {
        ...state,
        fields: Object.fromEntries(kept),
        externalId: externalId === undefined ? state.externalId : externalId,
      };
    }
    case 'ContactDeleted':
      return { ...NO_CONTACT, contactId: state.contactId, life: 'deleted', createdAt: state.createdAt };
    default:
      return state;
  }
}

/** When the primary detail of a kind goes, the oldest of those left takes its place. */
function withPrimary(details: Detail[]): Detail[] {
  return details.map((detail) => {
    const same = details.filter((one) => one.kind === detail.kind);
    return same.some((one) => one.primary) ? detail : { ...detail, primary: same[0] === detail };
  });
}

function identifiersOf(state: ContactState): string[] {
  const emails = state.details
    .filter((detail) => detail.kind === 'email')
    .map((detail) => emailIdentifier(detail.key));
  return state.externalId === null ? emails : [...emails, externalIdentifier(state.externalId)];
}

export const emailIdentifier = (key: string): string => `email:${key}`;
export const externalIdentifier = (externalId: string): string => `external:${externalId}`;

/** A detail that a request names, parsed and keyed. */
export interface GivenDetail {
  kind: DetailKind;
  key: string;
  value: string;
}

/** A request, parsed: absent leaves, null takes away. */
export interface ContactChange {
  phone?: GivenDetail | null | undefined;
  email?: GivenDetail | null | undefined;
  firstName?: string | null | undefined;
  lastName?: string | null | undefined;
  externalId?: string | null | undefined;
  fields?: Record<string, FieldValue | null> | undefined;
}

export interface Register {
  contactId: string;
  change: ContactChange;
  /** Basis of the details that this adds; none where the policy asks for evidence and none was given. */
  basis: Basis | undefined;
  update: UpdateMode;
  /** Keys of required fields; checked when the contact is created. */
  required: readonly string[];
}

/**
 * Creates the contact, or brings an existing one to what the request says: `overwrite` takes every value given, `fill`
 * only where there is none, `never` changes nothing.
 * @throws Refusal `contact:identifier_required`, `contact:required`, `contact:not_found` (deleted)
 */
export function registerContact(state: ContactState, register: Register): ContactEvent[] {
  if (state.life === 'deleted') throw new Refusal('contact:not_found');
  if (state.life === 'live') return updateExisting(state, register);
  const { change, contactId, basis } = register;
  const details = [change.phone, change.email].filter((detail) => detail !== null && detail !== undefined);
  if (details.length === 0 && !change.externalId) throw new Refusal('contact:identifier_required');
  requireFields(change, register.required);
  const values = Object.fromEntries(details.map((detail) => [detail.key, detail.value]));
  const fields = present(change.fields);
  return [
    {
      type: 'ContactRegistered',
      data: {
        contactId,
        details: details.map(({ kind, key }) => ({ kind, key, primary: true })),
        ...(basis ? { basis } : {}),
        ...(details.length > 0 ? { values } : {}),
        ...(change.firstName ? { firstName: change.firstName } : {}),
        ...(change.lastName ? { lastName: change.lastName } : {}),
        ...(change.externalId ? { externalId: change.externalId } : {}),
        ...(Object.keys(fields).length > 0 ? { fields } : {}),
      },
    },
  ];
}

function present(fields: Record<string, FieldValue | null> | undefined): Record<string, FieldValue> {
  return Object.fromEntries(
    Object.entries(fields ?? {}).filter((entry): entry is [string, FieldValue] => entry[1] !== null),
  );
}

function requireFields(change: ContactChange, required: readonly string[]): void {
  const missing = required.find((key) => (change.fields?.[key] ?? null) === null);
  if (missing !== undefined) throw new Refusal('contact:required', { path: `fields.${missing}` });
}

function updateExisting(state: ContactState, register: Register): ContactEvent[] {
  if (register.update === 'never') return [];
  const change = register.update === 'fill' ? onlyMissing(state, register.change) : register.change;
  return changeContact(state, { change, basis: register.basis, required: [] });
}

/** What of a change concerns values that the contact does not have yet. */
function onlyMissing(state: ContactState, change: ContactChange): ContactChange {
  const missing = (kind: DetailKind): boolean => !state.details.some((detail) => detail.kind === kind);
  return {
    ...(change.phone && missing('phone') ? { phone: change.phone } : {}),
    ...(change.email && missing('email') ? { email: change.email } : {}),
    ...(change.firstName && state.firstName === null ? { firstName: change.firstName } : {}),
    ...(change.lastName && state.lastName === null ? { lastName: change.lastName } : {}),
    ...(change.externalId && state.externalId === null ? { externalId: change.externalId } : {}),
    fields: Object.fromEntries(
      Object.entries(change.fields ?? {}).filter(([key]) => state.fields[key] === undefined),
    ),
  };
}

export interface Change {
  change: ContactChange;
  basis: Basis | undefined;
  /** Keys of required fields: a change may not take one away. */
  required: readonly string[];
}

/**
 * Changes what is named and leaves the rest. A new phone number takes the place of the primary one and has only the
 * basis of this change; null takes all numbers away.
 * @throws Refusal `contact:not_found`, `contact:required`, `contact:too_many_details`
 */
export function changeContact(state: ContactState, { change, basis, required }: Change): ContactEvent[] {
  if (state.life !== 'live') throw new Refusal('contact:not_found');
  const taken = required.find((key) => change.fields?.[key] === null);
  if (taken !== undefined) throw new Refusal('contact:required', { path: `fields.${taken}` });
  return [
    ...detailEvents(state, 'phone', change.phone, basis),
    ...detailEvents(state, 'email', change.email, basis),
    ...nameEvents(state, change),
    ...fieldEvents(state, change),
  ];
}

function detailEvents(
  state: ContactState,
  kind: DetailKind,
  given: GivenDetail | null | undefined,
  basis: Basis | undefined,
): ContactEvent[] {
  if (given === undefined) return [];
  const held = state.details.filter((detail) => detail.kind === kind);
  const primary = held.find((detail) => detail.primary);
  const released = (key: string): ContactEvent => ({ type: 'DetailReleased', data: { kind, key } });
  if (given === null) return held.map((detail) => released(detail.key));
  if (primary?.key === given.key) return [];
  if (held.some((detail) => detail.key === given.key)) {
    return [{ type: 'PrimaryChanged', data: { kind, key: given.key } }];
  }
  const max = kind === 'phone' ? PHONES_MAX : EMAILS_MAX;
  if (!primary && held.length >= max) throw new Refusal('contact:too_many_details', { path: kind });
  const added: ContactEvent = {
    type: 'DetailAdded',
    data: { kind, key: given.key, primary: true, value: given.value, ...(basis ? { basis } : {}) },
  };
  return primary ? [added, released(primary.key)] : [added];
}

function nameEvents(state: ContactState, change: ContactChange): ContactEvent[] {
  const firstName = differs(change.firstName, state.firstName) ? { firstName: change.firstName } : {};
  const lastName = differs(change.lastName, state.lastName) ? { lastName: change.lastName } : {};
  const data = { ...firstName, ...lastName };
  return Object.keys(data).length === 0 ? [] : [{ type: 'ContactRenamed', data }];
}

function fieldEvents(state: ContactState, change: ContactChange): ContactEvent[] {
  const changed = Object.entries(change.fields ?? {}).filter(([key, value]) =>
    differs(value, state.fields[key] ?? null),
  );
  const externalId = differs(change.externalId, state.externalId) ? { externalId: change.externalId } : {};
  const fields = changed.length > 0 ? { fields: Object.fromEntries(changed) } : {};
  const data = { ...externalId, ...fields };
  return Object.keys(data).length === 0 ? [] : [{ type: 'ContactFieldsChanged', data }];
}

const differs = (given: FieldValue | null | undefined, known: FieldValue | null): boolean =>
  given !== undefined && given !== known;

/** @throws Refusal `contact:not_found` for a contact that never was; deleting twice changes nothing. */
export function deleteContact(state: ContactState): ContactEvent[] {
  if (state.life === 'none') throw new Refusal('contact:not_found');
  if (state.life === 'deleted') return [];
  const details = state.details.map(({ kind, key, primary }) => ({ kind, key, primary }));
  return [{ type: 'ContactDeleted', data: { details } }];
}

/**
 * Makes sure by an event that whoever adds the detail at this moment, or creates the contact with it, fails and looks
 * at the claims again: appended before the claim on a number is given to another contact. A deleted contact adds nothing.
 */
export function fenceDetail(state: ContactState, kind: DetailKind, key: string): ContactEvent[] {
  return state.life === 'deleted' ? [] : [{ type: 'DetailReleased', data: { kind, key } }];
}
