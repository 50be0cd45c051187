import { ContactInput } from '@muster/contracts/contact';
import type { ErrorCode } from '@muster/contracts/errors';
import type { Target } from '@muster/contracts/import';
import { parseEmail } from '@muster/phone/email';
import { parsePhone } from '@muster/phone/phone';
import { countryCode } from './country.js';
import type { CsvRow } from './csv.js';
import type { Identity } from './seen.js';

/** How the columns of a file become contacts. */
export interface RowPlan {
  columns: readonly Target[];
  /** ISO 3166-1 alpha-2, for numbers that name no country. */
  country: string;
}

export interface GoodRow {
  contact: ContactInput;
  identity: Identity;
  /** E-mail and external id: what may tie the row to a contact that another row makes. */
  ties: string[];
}

export interface BadRow {
  code: ErrorCode;
  path?: string;
}

const FIELD = 'field:';

/**
 * Makes a contact of a row, or says why it is none. Empty cells are left out and therefore never wipe a value. Phone and
 * e-mail are normalised here, because duplicates are told by them.
 */
export function readRow(row: CsvRow, plan: RowPlan): GoodRow | BadRow {
  if (row.raw !== undefined) return { code: 'row:malformed' };
  if (!fits(row.cells, plan.columns.length)) return { code: 'row:columns' };
  const { fields, ...values } = valuesOf(row.cells, plan.columns);
  const phone = readPhone(values['phone'], values['country'], plan.country);
  if (phone !== undefined && typeof phone !== 'string') return phone;
  const email = values['email'] === undefined ? undefined : parseEmail(values['email']);
  if (email && !email.ok) return { code: 'email:invalid', path: 'email' };
  const { externalId } = values;
  const contact: ContactInput = {
    ...(phone === undefined ? {} : { phone }),
    ...(email === undefined ? {} : { email: email.email }),
    ...namesOf(values),
    ...(externalId === undefined ? {} : { externalId }),
    ...(Object.keys(fields).length === 0 ? {} : { fields }),
  };
  const ties = [
    ...(email === undefined ? [] : [`email:${email.email}`]),
    ...(externalId === undefined ? [] : [`external:${externalId}`]),
  ];
  const identity = phone === undefined ? ties[0] && { text: ties[0] } : { phone };
  if (!identity) return { code: 'contact:identifier_required' };
  return tooLong(contact) ?? { contact, identity, ties };
}

/** Delimiters too many at the end of a line are harmless; any other difference may have shifted the values. */
function fits(cells: readonly string[], columns: number): boolean {
  return cells.length >= columns && cells.slice(columns).every((cell) => cell.trim() === '');
}

type Values = Partial<Record<string, string>> & { fields: Record<string, string> };

function valuesOf(cells: readonly string[], columns: readonly Target[]): Values {
  const values: Record<string, string> = {};
  const fields: Record<string, string> = {};
  columns.forEach((target, index) => {
    const value = target === 'ignore' ? '' : (cells[index] as string).trim();
    if (value === '') return;
    if (target.startsWith(FIELD)) fields[target.slice(FIELD.length)] = value;
    else values[target] = value.normalize('NFC');
  });
  return { ...values, fields } as Values;
}

function readPhone(
  given: string | undefined,
  countryText: string | undefined,
  fallback: string,
): string | BadRow | undefined {
  if (given === undefined) return undefined;
  const country = countryText === undefined ? fallback : countryCode(countryText);
  const parsed = parsePhone(given, country, { shortNational: true });
  if (parsed.ok) return parsed.phone;
  return { code: 'phone:invalid', path: country === undefined ? 'country' : 'phone' };
}

/** A full name gives what its own columns do not: `Ann Lee`, `Ann van der Lee`, `Lee, Ann`. */
function namesOf(values: Partial<Record<string, string>>): Pick<ContactInput, 'firstName' | 'lastName'> {
  const split = splitName(values['fullName'] ?? '');
  const firstName = values['firstName'] ?? split.firstName;
  const lastName = values['lastName'] ?? split.lastName;
  return {
    ...(firstName === undefined ? {} : { firstName }),
    ...(lastName === undefined ? {} : { lastName }),
  };
}

export function splitName(fullName: string): { firstName?: string; lastName?: string } {
  const name = fullName.trim().replace(/\s+/gu, ' ');
  const comma = /^([^,]+), ?([^,]+)$/.exec(name);
  const [first, last] = comma ? [comma[2], comma[1]] : cutAtSpace(name);
  return {
    ...(first ? { firstName: first.trim() } : {}),
    ...(last ? { lastName: last.trim() } : {}),
  };
}

function cutAtSpace(name: string): [string, string] {
  const space = name.indexOf(' ');
  return space < 0 ? [name, ''] : [name.slice(0, space), name.slice(space + 1)];
}

/** The limits of ContactInput, told for the row alone: one long cell must not fail the whole request. */
function tooLong(contact: ContactInput): BadRow | undefined {
  const parsed = ContactInput.safeParse(contact);
  if (parsed.success) return undefined;
  const path = parsed.error.issues[0]?.path.map(String).join('.');
  return { code: 'field:invalid_value', ...(path ? { path } : {}) };
}
