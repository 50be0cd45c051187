import type { Id } from './ids.js';

/** Stream categories. KurrentDB reads a category as the text before the first dash, so none may hold one. */
export const CATEGORIES = [
  'account',
  'contact',
  'fields',
  'consent',
  'group',
  'membership',
  'audience',
  'import',
  'inbound',
  'endpoint',
  'keyword',
  'clock',
] as const;
export type Category = (typeof CATEGORIES)[number];

export interface StreamName {
  category: Category;
  account: Id;
  /** Absent where the account has one stream of the category. */
  id?: string;
}

/** `<category>-<account>` or `<category>-<account>_<id>`. The id may be a UUID or a keyed hash, never personal data. */
export function streamName(category: Category, account: Id, id?: string): string {
  return id === undefined ? `${category}-${account}` : `${category}-${account}_${id}`;
}

/** The parts of a stream name, or null for a stream that is not Muster's. */
export function parseStreamName(name: string): StreamName | null {
  const dash = name.indexOf('-');
  const category = name.slice(0, dash) as Category;
  if (dash < 0 || !CATEGORIES.includes(category)) return null;
  const rest = name.slice(dash + 1);
  const underscore = rest.indexOf('_');
  if (underscore < 0) return { category, account: rest };
  return { category, account: rest.slice(0, underscore), id: rest.slice(underscore + 1) };
}

/** The prefix that a $all subscription filters by to see one category and no other. */
export function categoryPrefix(category: Category): string {
  return `${category}-`;
}

export const SERVICES = ['gateway', 'contacts', 'groups', 'compliance', 'imports', 'inbound'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** `<service>.<cmd|qry>.<kebab>`, the subject of one kind of request; the queue group is the service's name. */
export function subjectName(service: ServiceName, kind: 'cmd' | 'qry', name: string): string {
  return `${service}.${kind}.${name}`;
}

/** One database per service, and one for the keys, which are backed up apart. */
export function databaseName(owner: ServiceName | 'keys'): string {
  return `muster_${owner}`;
}

/** BullMQ refuses colons in queue names and job ids. */
export const QUEUES = { importRuns: 'imports.runs' } as const;

export function importJobId(importId: Id): string {
  return `run-${importId}`;
}

/** The `_id` of documents that belong to one thing of one account. */
export function documentId(account: Id, id: string): string {
  return `${account}_${id}`;
}

/** The path at which a carrier reaches an endpoint, below the account's public URL. */
export function webhookPath(provider: string, endpointId: Id): string {
  return `/v1/webhooks/${provider}/${endpointId}`;
}
