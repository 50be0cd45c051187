import { ALL_CONTACTS, type Group } from '@muster/contracts/group';
import type { countAudience, Exclusion, Receipt, Recipient } from '@muster/contracts/audience';
import type { ConsentView, getConsentHistory, GateResult } from '@muster/contracts/consent';
import type { Contact } from '@muster/contracts/contact';
import type { Problem } from './problem.js';
import { eventually } from '@muster/testing/eventually';
import type { Platform } from '@muster/testing/platform';
import type { z } from 'zod';

const TIMEOUT_MS = 30_000;
/** How long a platform under fault may need until it answers again. */
const PATIENCE_MS = 120_000;

export interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

export interface Sending {
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
}

/** An answer that was not 2xx. */
export class ProblemError extends Error {
  constructor(
    readonly call: string,
    readonly problem: Problem,
  ) {
    super(`${call}: ${problem.status} ${problem.code} (${problem.detail})`);
  }
}

/** The public API of the platform, called with one key and over HTTP alone. */
export class Api {
  constructor(
    readonly url: string,
    private readonly key?: string,
  ) {}

  /** One call, whatever it answers. Rejects only when nobody answers. */
  async send(method: string, path: string, { body, headers = {} }: Sending = {}): Promise<Answer> {
    const isJson = body !== undefined && !(body instanceof FormData);
    const answer = await fetch(this.url + path, {
      method,
      headers: {
        ...(this.key && { authorization: `Bearer ${this.key}` }),
        ...(isJson && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: isJson ? JSON.stringify(body) : (body as FormData) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await answer.text();
    const type = answer.headers.get('content-type') ?? '';
    return {
      status: answer.status,
      headers: answer.headers,
      body: /\bjson\b/.test(type) && !type.includes('ndjson') ? JSON.parse(text) : text,
    };
  }

  /** One call that must succeed. @throws ProblemError */
  async call<T>(method: string, path: string, sending: Sending = {}): Promise<T> {
    const answer = await this.send(method, path, sending);
    if (answer.status < 200 || answer.status > 299)
      throw new ProblemError(`${method} ${path}`, answer.body as Problem);
    return answer.body as T;
  }

  get<T>(path: string): Promise<T> {
    return this.call('GET', path);
  }

  post<T>(path: string, body?: unknown): Promise<T> {
    return this.call('POST', path, { body });
  }

  /** Streamed lines of JSON; throws when the stream does not end in order. */
  async lines<T>(path: string): Promise<T[]> {
    const text = await this.call<string>('GET', path);
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T);
  }

  /** Repeats a call until it succeeds, as callers do while a part of the platform is down. 4xx is thrown at once. */
  async persist<T>(method: string, path: string, sending: Sending = {}): Promise<T> {
    const answer = await eventually(async () => {
      const one = await this.send(method, path, sending);
      if (one.status >= 500) throw new ProblemError(`${method} ${path}`, one.body as Problem);
      return one;
    }, PATIENCE_MS);
    if (answer.status > 299) throw new ProblemError(`${method} ${path}`, answer.body as Problem);
    return answer.body as T;
  }
}

/** Opens an account of its own, so that the cases of one platform do not meet. */
export async function openAccount(platform: Platform, changes: object = {}): Promise<Api> {
  const operator = new Api(platform.url, platform.operatorKey);
  const { apiKey } = await operator.persist<{ apiKey: string }>('POST', '/v1/accounts', {
    body: { name: 'Club', timeZone: 'Europe/Paris', defaultCountry: 'FR', ...changes },
  });
  return new Api(platform.url, apiKey);
}

export type Counted = z.infer<(typeof countAudience)['output']>;
export type Frozen = z.infer<typeof Receipt>;
export type Written = Contact & { position: number };
export type Received = z.infer<typeof Recipient>;
export type LeftOut = z.infer<typeof Exclusion>;
export type Said = z.infer<(typeof getConsentHistory)['output']>['items'][number];
export interface Page {
  items: Contact[];
  next: string | null;
  total?: number;
  position: number;
}

const detailPath = (detail: string): string => `/v1/consent/${encodeURIComponent(detail)}`;

/** Registers a contact; `created` says whether there was none yet. */
export async function register(api: Api, body: object): Promise<Written & { created: boolean }> {
  const answer = await api.post<{ contact: Contact; created: boolean; position: number }>(
    '/v1/contacts',
    body,
  );
  return { ...answer.contact, created: answer.created, position: answer.position };
}

export const consentOf = (api: Api, detail: string): Promise<ConsentView> =>
  api.persist('GET', detailPath(detail));

export const historyOf = async (api: Api, detail: string): Promise<Said[]> =>
  (await api.persist<{ items: Said[] }>('GET', `${detailPath(detail)}/history`)).items;

export const say = (api: Api, detail: string, what: 'revoke' | 'grant', body: object = {}): Promise<Answer> =>
  api.send('POST', `${detailPath(detail)}/${what}`, { body });

/** What the send gate says of one number, once it answers. */
export async function gateOf(api: Api, to: string): Promise<z.infer<typeof GateResult>> {
  const body = { to: [to] };
  const answer = await api.persist<{ results: z.infer<typeof GateResult>[] }>('POST', '/v1/send-gate', {
    body,
  });
  return answer.results[0] as z.infer<typeof GateResult>;
}

const question = (include: readonly string[]): object => ({ include, channel: 'sms' });
const seen = (atLeast?: number): string => (atLeast === undefined ? '' : `?atLeast=${atLeast}`);

export const count = (api: Api, include: string[] = [ALL_CONTACTS], atLeast?: number): Promise<Counted> =>
  api.persist('POST', `/v1/audiences/count${seen(atLeast)}`, { body: question(include) });

export const freeze = (api: Api, include: string[] = [ALL_CONTACTS], atLeast?: number): Promise<Frozen> =>
  api.persist('POST', `/v1/audiences${seen(atLeast)}`, { body: question(include) });

export const recipientsOf = (api: Api, receipt: Frozen): Promise<Received[]> =>
  eventually(() => api.lines<Received>(`/v1/audiences/${receipt.id}/recipients`), PATIENCE_MS);

export const excludedOf = (api: Api, receipt: Frozen): Promise<LeftOut[]> =>
  eventually(() => api.lines<LeftOut>(`/v1/audiences/${receipt.id}/excluded`), PATIENCE_MS);

/** A page of contacts, asked with the parameters of the list. */
export const contacts = (
  api: Api,
  parameters: Readonly<Record<string, string | number>> = {},
): Promise<Page> => {
  const search = new URLSearchParams(
    Object.entries(parameters).map(([name, value]): [string, string] => [name, `${value}`]),
  );
  return api.persist('GET', `/v1/contacts?${search}`);
};

export const createGroup = (api: Api, body: object): Promise<Group & { position: number }> =>
  api.post('/v1/groups', body);

/** All groups by id, once none is still being evaluated. */
export async function readyGroups(api: Api): Promise<Map<string, Group>> {
  const items = await eventually(async () => {
    const answer = await api.get<{ items: Group[] }>('/v1/groups');
    if (!answer.items.every((group) => group.ready)) throw new Error('a group is not ready');
    return answer.items;
  }, PATIENCE_MS);
  return new Map(items.map((group) => [group.id, group]));
}
