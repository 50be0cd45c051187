import { ACCOUNT_EVENTS } from './account.js';
import { AUDIENCE_EVENTS } from './audience.js';
import { CONSENT_EVENTS } from './consent.js';
import { CONTACT_EVENTS } from './contact.js';
import type { EventDefinition } from './event.js';
import { FIELD_EVENTS } from './field.js';
import { GROUP_EVENTS, MEMBERSHIP_EVENTS } from './group.js';
import { IMPORT_EVENTS } from './import.js';
import { ENDPOINT_EVENTS, INBOUND_EVENTS, KEYWORD_EVENTS } from './inbound.js';

/** Every event that Muster appends. */
export const ALL_EVENTS: readonly EventDefinition[] = [
  ...ACCOUNT_EVENTS,
  ...CONTACT_EVENTS,
  ...FIELD_EVENTS,
  ...CONSENT_EVENTS,
  ...GROUP_EVENTS,
  ...MEMBERSHIP_EVENTS,
  ...AUDIENCE_EVENTS,
  ...IMPORT_EVENTS,
  ...INBOUND_EVENTS,
  ...ENDPOINT_EVENTS,
  ...KEYWORD_EVENTS,
];

const byType = new Map(ALL_EVENTS.map((definition) => [definition.type, definition]));

/** The definition of an event type, or undefined for one that this release does not know. */
export function eventDefinition(type: string): EventDefinition | undefined {
  return byType.get(type);
}
