import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { parse as parseQuery, stringify as printQuery } from 'node:querystring';
import type { Parsed, Provider, WebhookRequest } from './provider.js';

/** Twilio sends at most ten; more than this is no number of attachments. */
const MEDIA_MAX = 100;

/**
 * Twilio's incoming message webhook: HMAC-SHA1 over the public URL and every form parameter, sorted by name
 * (Twilio docs, "Webhooks security"). There is no timestamp; a replay is recognised by its MessageSid. All parameters
 * are signed, also ones that are not known here, and the body must not be trimmed before.
 */
export const twilio: Provider = {
  assurance: 'high',
  wrongCredential(credentials) {
    if (!/^AC[0-9a-f]{32}$/i.test(credentials['accountSid'] ?? '')) return 'accountSid';
    return /^\S{16,}$/.test(credentials['authToken'] ?? '') ? null : 'authToken';
  },
  verify(request, credentials) {
    const signature = request.headers['x-twilio-signature'];
    const token = credentials['authToken'];
    if (!signature || !token) return false;
    const form = isForm(request);
    if (!form && request.body.length > 0 && !bodyHashMatches(request)) return false;
    const parameters = form ? sortedParameters(request.body) : '';
    const signed = urlForms(request.url).some((url) => equal(signature, sign(token, url + parameters)));
    return signed && isOfAccount(request, credentials['accountSid'] ?? '');
  },
  parse(request): Parsed {
    const form = parametersOf(request);
    const id = form.get('MessageSid') ?? form.get('SmsMessageSid') ?? form.get('SmsSid');
    const status = form.get('MessageStatus') ?? form.get('SmsStatus');
    if (status !== null && status !== 'received' && status !== 'receiving') return { kind: 'ignored' };
    const [from, to] = [form.get('From'), form.get('To')];
    if (!id || !from || !to)
      return { kind: 'malformed', missing: !id ? 'MessageSid' : !from ? 'From' : 'To' };
    const message = {
      id,
      from,
      to,
      text: form.get('Body'),
      media: mediaOf(form),
      optOutMark: form.get('OptOutType'),
      saidAt: null,
    };
    return { kind: 'message', message };
  },
  reply(text) {
    const message = text === null ? '' : `<Message>${escapeXml(text)}</Message>`;
    return {
      contentType: 'text/xml; charset=utf-8',
      body: `<?xml version="1.0" encoding="UTF-8"?><Response>${message}</Response>`,
    };
  },
};

function isForm(request: WebhookRequest): boolean {
  return (
    request.method === 'POST' &&
    /^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '')
  );
}

/** GET webhooks carry their parameters in the query. */
function parametersOf(request: WebhookRequest): URLSearchParams {
  return new URLSearchParams(isForm(request) ? request.body.toString('utf8') : queryOf(request.url));
}

function queryOf(url: string): string {
  const mark = url.indexOf('?');
  return mark < 0 ? '' : url.slice(mark + 1);
}

/** The message must be of the Twilio account that the endpoint was connected for (R7). */
function isOfAccount(request: WebhookRequest, accountSid: string): boolean {
  const given = parametersOf(request).getAll('AccountSid');
  return given.length > 0 && given.every((one) => one.toLowerCase() === accountSid.toLowerCase());
}

function mediaOf(form: URLSearchParams): number {
  const count = Number.parseInt(form.get('NumMedia') ?? '', 10);
  return Number.isNaN(count) ? 0 : Math.min(Math.max(count, 0), MEDIA_MAX);
}

/** Name and value of each parameter, sorted by name; of a repeated one, each distinct value once, sorted. */
function sortedParameters(body: Buffer): string {
  const form = new URLSearchParams(body.toString('utf8'));
  const names = [...new Set(form.keys())].sort();
  return names
    .map((name) =>
      [...new Set(form.getAll(name))]
        .sort()
        .map((value) => name + value)
        .join(''),
    )
    .join('');
}

const sign = (token: string, data: string): string =>
  createHmac('sha1', token).update(data, 'utf8').digest('base64');

function equal(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** A body that is no form is signed through `bodySHA256` in the query. */
function bodyHashMatches(request: WebhookRequest): boolean {
  const hash = new URLSearchParams(queryOf(request.url)).get('bodySHA256');
  return hash !== null && equal(hash.toLowerCase(), createHash('sha256').update(request.body).digest('hex'));
}

/**
 * Twilio signs with and without the port, and escapes the path and the query in more than one way, depending on the
 * sender. All of them name the same address. None for what is no absolute URL.
 */
function urlForms(url: string): string[] {
  const [, scheme, authority, rest = ''] = /^(https?):\/\/([^/?#]+)(.*)$/is.exec(url) ?? [];
  if (scheme === undefined || authority === undefined || !URL.canParse(url)) return [];
  const [, host, given] = /^(.*?)(?::(\d*))?$/.exec(authority) ?? [];
  const port = given || (scheme.toLowerCase() === 'https' ? '443' : '80');
  const heads = [authority, host, `${host}:${port}`].map((one) => `${scheme}://${one}`);
  const query = queryOf(rest);
  const path = query === '' ? rest : rest.slice(0, -query.length);
  const parsed = new URL(url);
  const rests = [
    rest,
    rest.replace(/'/g, '%27'),
    rest.replace(/%27/g, "'"),
    parsed.pathname + parsed.search,
    path + printQuery(parseQuery(query)),
  ];
  return [...new Set(heads.flatMap((head) => rests.map((one) => head + one)))];
}

function escapeXml(text: string): string {
  return text
    .replace(/(?![\t\n\r])\p{Cc}/gu, '')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;');
}
