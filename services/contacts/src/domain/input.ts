import type { ContactInput } from '@muster/contracts/contact';
import { Refusal } from '@muster/contracts/errors';
import type { Field, FieldValue } from '@muster/contracts/field';
import { detailKeys } from '@muster/phone/detail';
import { parseEmail } from '@muster/phone/email';
import { parsePhone, parseProviderPhone } from '@muster/phone/phone';
import type { ContactChange, GivenDetail } from './contact.js';
import { fieldValue } from './field.js';

/** What reading a request needs to know of its account. */
export interface Reading {
  peppers: readonly Buffer[];
  country: string;
  fields: readonly Field[];
  /** True for a carrier's message: its sender was reached a moment ago, whatever the numbering tables say. */
  lenientPhone: boolean;
}

/** A request, parsed, with every key under which its phone number may be claimed; the first is the one to claim. */
export interface ReadInput {
  change: ContactChange;
  phoneKeys: string[];
}

/** @throws Refusal `phone:invalid`, `email:invalid`, `field:not_found`, `field:invalid_value`, each with its path */
export function readInput(input: ContactInput, reading: Reading): ReadInput {
  const phone = readPhone(input.phone, reading);
  const email = readEmail(input.email, reading);
  return {
    phoneKeys: phone?.keys ?? [],
    change: {
      ...(phone === undefined ? {} : { phone: phone && phone.detail }),
      ...(email === undefined ? {} : { email }),
      ...text('firstName', input.firstName),
      ...text('lastName', input.lastName),
      ...text('externalId', input.externalId),
      ...(input.fields === undefined ? {} : { fields: readFields(input.fields, reading.fields) }),
    },
  };
}

const isEmpty = (given: string | null): boolean => given === null || given.trim() === '';

function readPhone(
  given: string | null | undefined,
  { peppers, country, lenientPhone }: Reading,
): { detail: GivenDetail; keys: string[] } | null | undefined {
  if (given === undefined) return undefined;
  if (given === null || isEmpty(given)) return null;
  const parsed = lenientPhone
    ? parseProviderPhone(given)
    : parsePhone(given, country, { shortNational: true });
  if (!parsed.ok) throw new Refusal('phone:invalid', { path: 'phone', reason: parsed.reason });
  const keys = detailKeys(peppers, 'phone', parsed.phone);
  return { detail: { kind: 'phone', key: keys[0] as string, value: parsed.phone }, keys };
}

function readEmail(given: string | null | undefined, { peppers }: Reading): GivenDetail | null | undefined {
  if (given === undefined) return undefined;
  if (given === null || isEmpty(given)) return null;
  const parsed = parseEmail(given);
  if (!parsed.ok) throw new Refusal('email:invalid', { path: 'email', reason: parsed.reason });
  return { kind: 'email', key: detailKeys(peppers, 'email', parsed.email)[0] as string, value: parsed.email };
}

function text(name: string, given: string | null | undefined): Record<string, string | null> {
  if (given === undefined) return {};
  return { [name]: given === null || isEmpty(given) ? null : given.trim().normalize('NFC') };
}

function readFields(
  given: Record<string, FieldValue | null>,
  fields: readonly Field[],
): Record<string, FieldValue | null> {
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => {
      const field = fields.find((one) => one.key === key);
      if (!field) throw new Refusal('field:not_found', { path: `fields.${key}` });
      return [key, fieldValue(field, value)];
    }),
  );
}
