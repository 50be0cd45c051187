import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api, ApiError } from './api.js';
import { repository } from './config.js';
import type { Demo, Run } from './state.js';
import { twilioSignature } from './twilio.js';

const PEOPLE = join(repository, 'deploy/local/demo/people.csv');
const SENDER = '+12125550100';
const IMPORT_MS = 300_000;
const POLL_MS = 300;

const COLUMNS = [
  'firstName',
  'lastName',
  'phone',
  'email',
  'field:city',
  'field:plan',
  'field:age',
  'ignore',
] as const;

const FIELDS = [
  { key: 'plan', name: 'Plan', type: 'choice', choices: ['free', 'gold', 'vip'] },
  { key: 'city', name: 'City', type: 'text' },
  { key: 'age', name: 'Age', type: 'number' },
];

const GROUPS = [
  { name: 'Members', kind: 'standard', categories: ['demo'] },
  { name: 'Newsletter', kind: 'standard', categories: ['demo'] },
  { name: 'Gold and VIP', kind: 'dynamic', categories: ['demo'], rule: 'plan in ("gold", "vip")' },
  {
    name: 'Adults in Israel',
    kind: 'dynamic',
    categories: ['demo'],
    rule: 'phone.country = "IL" and age >= 18',
  },
];

interface Group {
  id: string;
  name: string;
  kind: string;
  ready: boolean;
  counts: { members: number; sms: number };
}
interface ImportView {
  id: string;
  state: string;
  visible: boolean;
  counts: Record<'rows' | 'new' | 'updated' | 'unchanged' | 'rejected' | 'duplicates' | 'suppressed', number>;
  rowsPerSecond: number | null;
  error?: { code: string };
}
interface Count {
  recipients: number;
  excluded: Record<string, number>;
}

export interface TourOptions {
  run: Run;
  say(line: string): void;
  /** Called as soon as the account exists, so that a tour that was interrupted goes on with the same account. */
  keep(run: Run): void;
}

/** Answers may carry their noun inside (`{ group: {…} }`) or be it. */
function inside<T>(answer: unknown, noun: string): T {
  const wrapped = answer as Record<string, unknown>;
  return (wrapped[noun] ?? answer) as T;
}

const number = (value: number): string => value.toLocaleString('en-US');

async function demoAccount({ run, keep }: TourOptions): Promise<Demo> {
  if (run.demo) return run.demo;
  const operator = new Api(run.url, run.operatorKey);
  const answer = await operator.call<{ account: { id: string }; apiKey: string }>('POST', '/v1/accounts', {
    body: { name: 'Demo', timeZone: 'Asia/Jerusalem', defaultCountry: 'US' },
  });
  const demo = { accountId: answer.account.id, apiKey: answer.apiKey };
  keep({ ...run, demo });
  return demo;
}

async function addFields(api: Api): Promise<void> {
  const { items } = await api.call<{ items: { key: string }[] }>('GET', '/v1/fields');
  for (const field of FIELDS.filter(({ key }) => items.every((existing) => existing.key !== key))) {
    await api.call('POST', '/v1/fields', { body: field, idempotencyKey: `tour-field-${field.key}` });
  }
}

async function groups(api: Api): Promise<Group[]> {
  return (await api.call<{ items: Group[] }>('GET', '/v1/groups')).items;
}

/** Creates the groups that are not there yet and answers all four, in the order of GROUPS. */
async function addGroups(api: Api): Promise<Group[]> {
  const existing = await groups(api);
  const all: Group[] = [];
  for (const wanted of GROUPS) {
    const found = existing.find(({ name }) => name === wanted.name);
    const key = `tour-group-${wanted.name.toLowerCase().replaceAll(' ', '-')}`;
    const request = { body: wanted, idempotencyKey: key };
    all.push(found ?? inside<Group>(await api.call('POST', '/v1/groups', request), 'group'));
  }
  return all;
}

async function untilImported(api: Api, id: string): Promise<ImportView> {
  const end = performance.now() + IMPORT_MS;
  for (;;) {
    const view = inside<ImportView>(await api.call('GET', `/v1/imports/${id}`), 'import');
    if (view.state === 'completed' && view.visible) return view;
    if (view.state === 'failed' || view.state === 'cancelled') {
      throw new Error(`the import ended as ${view.state} (${view.error?.code ?? 'no code'})`);
    }
    if (performance.now() > end) throw new Error(`the import is still ${view.state} after five minutes`);
    await sleep(POLL_MS);
  }
}

async function importPeople(api: Api, group: Group): Promise<ImportView> {
  const form = new FormData();
  form.set('file', new Blob([readFileSync(PEOPLE)], { type: 'text/csv' }), 'people.csv');
  const { id } = inside<ImportView>(await api.call('POST', '/v1/imports', { body: form }), 'import');
  await api.call('PUT', `/v1/imports/${id}/mapping`, {
    body: { header: true, columns: COLUMNS, country: 'US' },
  });
  await api.call('PUT', `/v1/imports/${id}/groups`, { body: { existing: [group.id], create: [] } });
  await api.call('POST', `/v1/imports/${id}/start`, {
    body: { consent: { source: 'Demo data', wording: 'Yes, text me.' } },
  });
  return untilImported(api, id);
}

async function untilReady(api: Api): Promise<Group[]> {
  for (;;) {
    const all = await groups(api);
    if (all.every(({ ready }) => ready)) return all;
    await sleep(POLL_MS);
  }
}

function printImport(view: ImportView, say: TourOptions['say']): void {
  const { counts } = view;
  const speed = view.rowsPerSecond ? ` at ${number(Math.round(view.rowsPerSecond))} rows/s` : '';
  say(
    `  people.csv: ${number(counts.rows)} rows${speed}: ${number(counts.new)} new, ${number(counts.updated)} updated, ` +
      `${number(counts.unchanged)} unchanged, ${number(counts.duplicates)} duplicates, ` +
      `${number(counts.rejected)} rejected`,
  );
}

/** Sends STOP from `phone` as Twilio would: to the account's webhook, with a valid signature. */
async function sendStop(api: Api, phone: string): Promise<void> {
  const authToken = randomBytes(16).toString('hex');
  const accountSid = `AC${randomBytes(16).toString('hex')}`;
  const answer = await api.call('POST', '/v1/endpoints', {
    body: { provider: 'twilio', senders: [SENDER], credentials: { accountSid, authToken } },
  });
  const endpoint = inside<{ id: string; webhookUrl?: string; webhookPath?: string }>(answer, 'endpoint');
  const path = endpoint.webhookPath ?? `/v1/webhooks/twilio/${endpoint.id}`;
  const publicAddress = endpoint.webhookUrl ?? api.url + path;
  const parameters = {
    AccountSid: accountSid,
    MessageSid: `SM${randomBytes(16).toString('hex')}`,
    From: phone,
    To: SENDER,
    Body: 'STOP',
    NumMedia: '0',
  };
  const response = await fetch(api.url + path, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': twilioSignature(authToken, publicAddress, parameters),
    },
    body: new URLSearchParams(parameters).toString(),
  });
  if (!response.ok)
    throw new Error(`the STOP webhook was answered ${response.status}: ${await response.text()}`);
}

const count = (api: Api, include: readonly Group[]): Promise<Count> =>
  api.call('POST', '/v1/audiences/count', { body: { include: include.map(({ id }) => id), channel: 'sms' } });

/** What changed between two answers, by reason: `opted_out +1`. */
export function difference(before: Count, after: Count): string {
  const reasons = new Set([...Object.keys(before.excluded), ...Object.keys(after.excluded)]);
  const changes = [...reasons].flatMap((reason) => {
    const by = (after.excluded[reason] ?? 0) - (before.excluded[reason] ?? 0);
    return by === 0 ? [] : [`${reason} ${by > 0 ? '+' : ''}${by}`];
  });
  const recipients = after.recipients - before.recipients;
  return [`recipients ${recipients > 0 ? '+' : ''}${recipients}`, ...changes].join(', ');
}

async function showStop(api: Api, dynamic: readonly Group[], say: TourOptions['say']): Promise<void> {
  const names = dynamic.map(({ name }) => `"${name}"`).join(' and ');
  const before = await count(api, dynamic);
  say(`  An audience of ${names}: ${number(before.recipients)} people, each once`);
  const group = dynamic.at(-1) as Group;
  const page = await api.call<{ items: { phone: string | null; status: string }[] }>(
    'GET',
    `/v1/contacts?group=${group.id}&status=active`,
  );
  const phone = page.items.find((contact) => contact.phone)?.phone;
  if (!phone) throw new Error(`the group ${group.name} has no member who can be texted`);
  await sendStop(api, phone);
  const after = await count(api, dynamic);
  say(
    `  One of them texts STOP to ${SENDER} (a signed Twilio webhook), and the next answer is: ${number(after.recipients)}`,
  );
  say(`  The difference and its reason: ${difference(before, after)}`);
}

/**
 * Fills the demo account through the public API alone and shows what Muster is for: an import, groups that follow their
 * rules, and a STOP that counts in the next answer. A tour that was interrupted can be taken again.
 */
export async function takeTour(options: TourOptions): Promise<Run> {
  const { run, say, keep } = options;
  say('A tour with demo data (skip it with --no-demo):');
  const demo = await demoAccount(options);
  const api = new Api(run.url, demo.apiKey);
  await addFields(api);
  const made = await addGroups(api);
  printImport(await importPeople(api, made[0] as Group), say);
  const ids = new Set(made.map(({ id }) => id));
  const ready = (await untilReady(api)).filter(({ id }) => ids.has(id));
  const dynamic = ready.filter(({ kind }) => kind === 'dynamic');
  printGroups(ready, say);
  await showStop(api, dynamic, say);
  const done = { ...run, demo, toured: true };
  keep(done);
  return done;
}

function printGroups(all: readonly Group[], say: TourOptions['say']): void {
  for (const { name, kind, counts } of all) {
    say(`  ${name} (${kind}): ${number(counts.members)} members, ${number(counts.sms)} can be texted`);
  }
}

/** On later starts: what is in the demo account. */
export async function printCounts(run: Run, say: TourOptions['say']): Promise<void> {
  if (run.demo) printGroups(await groups(new Api(run.url, run.demo.apiKey)), say);
}

/** Whether this stack (still) knows the demo account; not when its stores were changed or emptied. */
export async function isKnown(run: Run): Promise<boolean> {
  if (!run.demo) return false;
  try {
    await new Api(run.url, run.demo.apiKey).call('GET', '/v1/account');
    return true;
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 404)) return false;
    throw error;
  }
}
