import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Parsed, Provider, WebhookRequest } from './provider.js';

/**
 * Twilio's incoming message webhook: HMAC-SHA1 over the public URL and every form parameter, sorted by name
 * (Twilio docs, "Webhooks security"). There is no timestamp; a replay is recognised by its MessageSid. All parameters
 * are signed, also ones that are not known here, and the body must not be trimmed before.
 */
export const twilio: Provider = {
  assurance: 'high',
  wrongCredential(credentials) {
    if (!/^AC[0-9a-f]{32}$/i.test(credentials['accountSid'] ?? '')) return 'accountSid';
    return (credentials['authToken'] ?? '').length >= 16 ? null : 'authToken';
  },
  verify(request, credentials) {
    const signature = request.headers['x-twilio-signature'];
    const token = credentials['authToken'];
    if (!signature || !token) return false;
    const form = isForm(request);
    if (!form && request.body.length > 0 && !bodyHashMatches(request)) return false;
    const parameters = form ? sortedParameters(request.body) : '';
    const signed = urlForms(request.url).some((url) => equal(signature, sign(token, url + parameters)));
    return signed && accountOf(request) === credentials['accountSid'];
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
      media: Number.parseInt(form.get('NumMedia') ?? '0', 10) || 0,
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
  if (isForm(request)) return new URLSearchParams(request.body.toString('utf8'));
  return new URLSearchParams(request.url.split('?')[1] ?? '');
}

const accountOf = (request: WebhookRequest): string | null => parametersOf(request).get('AccountSid');

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
  const hash = new URLSearchParams(request.url.split('?')[1] ?? '').get('bodySHA256');
  return hash !== null && equal(hash.toLowerCase(), createHash('sha256').update(request.body).digest('hex'));
}

/** Twilio signs with and without the standard port, and escapes an apostrophe or not, depending on the sender. */
function urlForms(url: string): string[] {
  const forms = new Set([url]);
  try {
    const parsed = new URL(url);
    const port = parsed.port || (parsed.protocol === 'https:' ? '443' : '80');
    const rest = url.slice(url.indexOf(parsed.host, parsed.protocol.length) + parsed.host.length);
    const head = `${parsed.protocol}//${parsed.hostname}`;
    forms
      .add(head + rest)
      .add(`${head}:${port}${rest}`)
      .add(parsed.href);
  } catch {
    return [];
  }
  const escaped = [...forms].map((form) => form.replace(/'/g, '%27'));
  const plain = [...forms].map((form) => form.replace(/%27/g, "'"));
  return [...forms, ...escaped, ...plain];
}

function escapeXml(text: string): string {
  return text
    .replace(/(?![\t\n\r])\p{Cc}/gu, '')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;');
}
