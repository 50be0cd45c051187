import type { ContactRecord } from '@muster/contracts/contact';
import { parsePhone } from '@muster/phone/phone';
import type { ContactState, Detail } from './domain/contact.js';

/** A contact as its stream tells it. Details whose value was erased are left out. */
export function contactRecord(id: string, revision: number, state: ContactState): ContactRecord {
  const of = (kind: Detail['kind']): (Detail & { value: string })[] =>
    state.details
      .filter((detail): detail is Detail & { value: string } => detail.kind === kind && detail.value !== null)
      .sort((a, b) => Number(b.primary) - Number(a.primary));
  const phones = of('phone').map(({ value, key, primary }) => {
    const parsed = parsePhone(value);
    const { type, country } = parsed.ok ? parsed : {};
    return { value, key, primary, ...(type ? { type } : {}), ...(country ? { country } : {}) };
  });
  const emails = of('email').map(({ value, key, primary }) => ({ value, key, primary }));
  return {
    id,
    revision,
    firstName: state.firstName,
    lastName: state.lastName,
    externalId: state.externalId,
    phone: phones.find((phone) => phone.primary)?.value ?? null,
    email: emails.find((email) => email.primary)?.value ?? null,
    phones,
    emails,
    fields: state.fields,
    source: state.source,
    createdAt: state.createdAt,
    updatedAt: state.updatedAt,
  };
}
