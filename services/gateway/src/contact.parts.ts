import { getConsentMany, type ConsentView } from '@muster/contracts/consent';
import type { Contact, ContactRecord } from '@muster/contracts/contact';
import { Refusal } from '@muster/contracts/errors';
import { getMemberships } from '@muster/contracts/group';
import type { DetailKey, Id } from '@muster/contracts/ids';
import { mergeContact, type Membership } from './contact.view.js';
import type { Call } from './route.js';

interface Detail {
  key: DetailKey;
  value: string;
}
type Consents = ReadonlyMap<DetailKey, ConsentView>;

/** Parts of a contact that are on their way while it is changed. */
export interface Meanwhile {
  membership: Promise<Membership | undefined>;
  consents: Promise<Consents>;
}

interface Extra {
  meanwhile?: Meanwhile;
  basisAt?: string | null;
  joined?: Id[];
  /** Wait for the groups service to have seen this position. */
  seen?: number;
  /** Refuse rather than go on when the groups service is too far behind: the caller asked for the position. */
  strict?: boolean;
}

/** The whole contact: the record from its stream, what may be texted from the ledger, groups and dates. */
export async function assemble(call: Call, record: ContactRecord, extra: Extra = {}): Promise<Contact> {
  const { meanwhile, basisAt = null, joined = [] } = extra;
  const [membership, consents] = await Promise.all([
    meanwhile?.membership ?? membershipOf(call, record.id, extra),
    consentsOf(call, [...record.phones, ...record.emails], await meanwhile?.consents),
  ]);
  return mergeContact({ record, membership, consents, basisAt, joined });
}

/**
 * Asks for the groups of a contact beside a change of it, which they follow a moment later anyway, and then for what was said
 * of the details that it had before: a change of a field leaves them as they are.
 */
export function askMeanwhile(call: Call, id: Id): Meanwhile {
  const membership = membershipOf(call, id, {});
  // Where this fails, assemble asks again; where groups fails, so does the answer, and until then neither is unhandled.
  const consents = membership
    .then((found) => consentsOf(call, found?.details ?? []))
    .catch((): Consents => new Map());
  return { membership, consents };
}

/** Asked by value, so that what was said under another form of the number counts too. */
async function consentsOf(
  call: Call,
  details: readonly Detail[],
  known: Consents = new Map(),
): Promise<Consents> {
  const consents = new Map<DetailKey, ConsentView>();
  const missing: Detail[] = [];
  for (const detail of details) {
    const consent = known.get(detail.key);
    if (consent) consents.set(detail.key, consent);
    else missing.push(detail);
  }
  if (missing.length === 0) return consents;
  const { items } = await call.ask(getConsentMany, { details: missing.map(({ value }) => value) });
  for (const [n, { key }] of missing.entries()) consents.set(key, items[n] as ConsentView);
  return consents;
}

async function membershipOf(call: Call, id: Id, { seen, strict }: Extra): Promise<Membership | undefined> {
  const ask = (input: { ids: Id[]; atLeast?: number }): Promise<Membership | undefined> =>
    call.ask(getMemberships, input).then(({ items }) => items[0]);
  if (seen === undefined) return ask({ ids: [id] });
  return ask({ ids: [id], atLeast: seen }).catch((error: unknown) => {
    if (strict !== true && error instanceof Refusal && error.code === 'read:behind')
      return ask({ ids: [id] });
    throw error;
  });
}
