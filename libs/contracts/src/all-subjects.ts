import * as audience from './audience.js';
import * as consent from './consent.js';
import * as contact from './contact.js';
import * as field from './field.js';
import * as group from './group.js';
import * as imports from './import.js';
import * as inbound from './inbound.js';
import type { Subject } from './subject.js';

/** Every request that travels over NATS; each has exactly one handler. */
export const ALL_SUBJECTS: readonly Subject[] = [
  contact,
  field,
  consent,
  group,
  audience,
  imports,
  inbound,
].flatMap((module) => Object.values(module).filter(isSubject));

function isSubject(value: unknown): value is Subject {
  return typeof value === 'object' && value !== null && 'subject' in value && 'timeoutMs' in value;
}
