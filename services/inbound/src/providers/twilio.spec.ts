import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { providerOf } from './all.js';
import type { WebhookRequest } from './provider.js';
import { twilio } from './twilio.js';

const accountSid = `AC${'0123456789abcdef'.repeat(2)}`;
const authToken = 'f'.repeat(32);
const credentials = { accountSid, authToken };
const address = 'https://muster.example/v1/webhooks/twilio/01890a5d-ac96-774b-bcce-b302099a8057';

/** Twilio's published algorithm, written a second time: URL, then each parameter by name, then HMAC-SHA1. */
function signatureOf(token: string, url: string, parameters: readonly (readonly [string, string])[] = []) {
  const unique = [...new Map(parameters.map((pair) => [JSON.stringify(pair), pair])).values()];
  const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  unique.sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]));
  const data = unique.reduce((text, [name, value]) => text + name + value, url);
  return createHmac('sha1', token).update(Buffer.from(data, 'utf8')).digest('base64');
}

type Pairs = (readonly [string, string])[];
const usual: Pairs = [
  ['MessageSid', 'SM0123'],
  ['AccountSid', accountSid],
  ['From', '+14155550100'],
  ['To', '+15555550199'],
  ['Body', 'Stop'],
  ['NumMedia', '0'],
];
const withBody = (text: string): Pairs =>
  usual.map(([name, value]) => [name, name === 'Body' ? text : value]);

function posted(pairs: Pairs, more: Partial<WebhookRequest> & { signed?: string } = {}): WebhookRequest {
  const { signed = address, ...rest } = more;
  return {
    method: 'POST',
    url: address,
    headers: {
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
      'x-twilio-signature': signatureOf(authToken, signed, pairs),
    },
    body: Buffer.from(
      new URLSearchParams(pairs.map(([name, value]): [string, string] => [name, value])).toString(),
    ),
    ...rest,
  };
}
const isTaken = (request: WebhookRequest): boolean => twilio.verify(request, credentials);
const resigned = (request: WebhookRequest, signature: string): WebhookRequest => ({
  ...request,
  headers: { ...request.headers, 'x-twilio-signature': signature },
});

describe('the signer of this file', () => {
  it("gives the signature of Twilio's documented example", () => {
    const example: Pairs = [
      ['CallSid', 'CA1234567890ABCDE'],
      ['Caller', '+14158675309'],
      ['Digits', '1234'],
      ['From', '+14158675309'],
      ['To', '+18005551212'],
    ];
    const url = 'https://mycompany.com/myapp.php?foo=1&bar=2';
    expect(signatureOf('12345', url, example)).toBe('RSOYDt4T1cUTdK1PDd93/VVr8B8=');
  });
});

describe('a signed message', () => {
  it('is taken', () => expect(isTaken(posted(usual))).toBe(true));

  it.each([' Stop.\n', '\r\nSTOP\t ', '   ', 'a+b & c=d %20', 'Grüße 🛑 “stop”', ''])(
    'is taken with the text %j as it came',
    (text) => {
      const request = posted(withBody(text));
      expect(isTaken(request)).toBe(true);
      expect(twilio.parse(request)).toMatchObject({ kind: 'message', message: { text } });
    },
  );

  it('is taken with parameters that nobody knows, repeated ones and empty ones', () => {
    const pairs: Pairs = [...usual, ['Zeta', '2'], ['Zeta', '10'], ['Zeta', '2'], ['alpha', ''], ['A', 'ü']];
    expect(isTaken(posted(pairs))).toBe(true);
    expect(isTaken({ ...posted(usual), body: posted(pairs).body })).toBe(false);
  });

  it('is taken whatever the parameters are', () => {
    const pair = fc.tuple(fc.string({ minLength: 1, unit: 'grapheme' }), fc.string({ unit: 'grapheme' }));
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 8 }), (pairs) => {
        const extra = pairs.filter(([name]) => name !== 'AccountSid');
        expect(isTaken(posted([...usual, ...extra]))).toBe(true);
      }),
    );
  });

  const rest = address.slice('https://muster.example'.length);
  it.each([
    [`https://muster.example${rest}`, `https://muster.example:443${rest}`],
    [`https://muster.example:443${rest}`, `https://muster.example${rest}`],
    [`https://muster.example:8443${rest}`, `https://muster.example${rest}`],
    [`https://muster.example:8443${rest}`, `https://muster.example:8443${rest}`],
    [`http://muster.example${rest}`, `http://muster.example:80${rest}`],
    [`https://Muster.Example${rest}`, `https://Muster.Example:443${rest}`],
    [`https://[::1]:8443${rest}`, `https://[::1]${rest}`],
    [`${address}?name=O'Neil`, `${address}?name=O%27Neil`],
    [`${address}?name=O%27Neil`, `${address}?name=O'Neil`],
    [`${address}?a=1?b=2`, `${address}?a=1?b=2`],
    [`${address}?a=x y`, `${address}?a=x%20y`],
    [`${address}?a=(1)`, `${address}?a=(1)`],
  ])('is taken at %s when signed for %s', (url, signed) => {
    expect(isTaken(posted(usual, { url, signed }))).toBe(true);
  });

  it.each([
    [address, `${address}?x=1`],
    [address, address.replace('https', 'http')],
    [address, address.replace('muster.example', 'other.example')],
    [`${address}?a=1`, address],
  ])('is refused at %s when signed for %s', (url, signed) => {
    expect(isTaken(posted(usual, { url, signed }))).toBe(false);
  });

  it('is taken by GET, with its parameters in the signed address', () => {
    const url = `${address}?${new URLSearchParams(usual.map(([name, value]): [string, string] => [name, value])).toString()}`;
    const headers = { 'x-twilio-signature': signatureOf(authToken, url) };
    const request = { method: 'GET', url, headers, body: Buffer.alloc(0) };
    expect(isTaken(request)).toBe(true);
    expect(twilio.parse(request)).toMatchObject({ kind: 'message', message: { id: 'SM0123', text: 'Stop' } });
  });

  it('is taken as JSON when the hash of its body is in the signed address', () => {
    const body = Buffer.from('{"Body": "Stop"}\n');
    const hash = createHash('sha256').update(body).digest('hex');
    const url = `${address}?AccountSid=${accountSid}&bodySHA256=${hash}`;
    const headers = {
      'content-type': 'application/json',
      'x-twilio-signature': signatureOf(authToken, url),
    };
    const request = { method: 'POST', url, headers, body };
    expect(isTaken(request)).toBe(true);
    expect(isTaken({ ...request, body: Buffer.from('{"Body": "Start"}\n') })).toBe(false);
    const bare = `${address}?AccountSid=${accountSid}`;
    expect(isTaken(resigned({ ...request, url: bare }, signatureOf(authToken, bare)))).toBe(false);
  });
});

describe('what is refused', () => {
  const good = posted(usual);
  const signature = good.headers['x-twilio-signature'] as string;

  it.each([
    ['none', ''],
    ['one character less', signature.slice(0, -1)],
    ['one character more', `${signature}=`],
    ['no base64', '*'.repeat(28)],
    ['non-ASCII of the same length', 'é'.repeat(28)],
    ['hex', Buffer.from(signature, 'base64').toString('hex')],
    ['that of another token', signatureOf('e'.repeat(32), address, usual)],
    ['that of another text', signatureOf(authToken, address, withBody('Start'))],
    ['that of the trimmed text', signatureOf(authToken, address, withBody('Stop'))],
  ])('a signature: %s', (_name, given) => {
    const request = _name === 'that of the trimmed text' ? posted(withBody(' Stop ')) : good;
    expect(isTaken(resigned(request, given))).toBe(false);
  });

  it('a request without the header, and one for which no token is known', () => {
    expect(isTaken({ ...good, headers: { 'content-type': 'application/x-www-form-urlencoded' } })).toBe(
      false,
    );
    expect(twilio.verify(good, {})).toBe(false);
    expect(twilio.verify(good, { accountSid, authToken: '' })).toBe(false);
  });

  it('a message of another Twilio account, of two, or of none', () => {
    const other = `AC${'f'.repeat(32)}`;
    const of = (pairs: Pairs): Pairs => [...usual.filter(([name]) => name !== 'AccountSid'), ...pairs];
    expect(isTaken(posted(of([['AccountSid', other]])))).toBe(false);
    expect(isTaken(posted(of([])))).toBe(false);
    expect(
      isTaken(
        posted(
          of([
            ['AccountSid', accountSid],
            ['AccountSid', other],
          ]),
        ),
      ),
    ).toBe(false);
    expect(twilio.verify(posted(usual), { authToken, accountSid: accountSid.toUpperCase() })).toBe(true);
  });

  it.each(['', '/v1/webhooks', 'muster.example/x', 'https://', 'ftp://muster.example/', 'https://a b/'])(
    'an address that is none: %j',
    (url) => expect(isTaken(posted(usual, { url, signed: url }))).toBe(false),
  );

  it('garbage, without ever failing', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(address, 'POST', signature));
    const request = fc.record({
      method: fc.constantFrom('POST', 'GET', ''),
      url: fc.oneof(text, fc.webUrl({ withQueryParameters: true }), fc.constant(`${address}?%E0%A4%A&'`)),
      headers: fc.oneof(
        fc.dictionary(fc.string(), text),
        fc.record({
          'content-type': fc.constantFrom('application/x-www-form-urlencoded', 'application/json'),
          'x-twilio-signature': text,
        }),
      ),
      body: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    });
    fc.assert(
      fc.property(request, (one) => {
        expect(isTaken(one)).toBe(false);
        twilio.parse(one);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('what a message says', () => {
  const parsed = (pairs: Pairs) => twilio.parse(posted(pairs));
  const without = (...names: string[]): Pairs => usual.filter(([name]) => !names.includes(name));

  it('is read into one form', () => {
    expect(parsed([...usual, ['OptOutType', 'STOP']])).toEqual({
      kind: 'message',
      message: {
        id: 'SM0123',
        from: '+14155550100',
        to: '+15555550199',
        text: 'Stop',
        media: 0,
        optOutMark: 'STOP',
        saidAt: null,
      },
    });
  });

  it.each([
    ['0', 0],
    ['3', 3],
    ['-1', 0],
    ['1e99', 1],
    ['99999999999999999999999', 100],
    ['many', 0],
    ['', 0],
  ])('counts %j attachments as %i', (given, media) => {
    const answer = parsed([...without('NumMedia', 'Body'), ['NumMedia', given]]);
    expect(answer).toMatchObject({ kind: 'message', message: { media, text: null } });
  });

  it('takes the older names of the id', () => {
    const answer = parsed([...without('MessageSid'), ['SmsSid', 'SM9']]);
    expect(answer).toMatchObject({ kind: 'message', message: { id: 'SM9' } });
  });

  it.each(['MessageSid', 'From', 'To'])('is malformed without %s', (name) => {
    expect(parsed(without(name))).toEqual({ kind: 'malformed', missing: name });
  });

  it.each([
    ['delivered', 'ignored'],
    ['failed', 'ignored'],
    ['received', 'message'],
    ['receiving', 'message'],
  ])('with the status %s is %s', (status, kind) => {
    expect(parsed([...usual, ['SmsStatus', status]]).kind).toBe(kind);
  });
});

describe('what is answered', () => {
  it('is an empty response, or one message with its text escaped', () => {
    expect(twilio.reply(null)).toEqual({
      contentType: 'text/xml; charset=utf-8',
      body: '<?xml version="1.0" encoding="UTF-8"?><Response></Response>',
    });
    expect(twilio.reply('A & B <ok>\0\u0007\n').body).toContain(
      '<Response><Message>A &amp; B &lt;ok&gt;\n</Message></Response>',
    );
  });
});

describe('credentials', () => {
  it.each([
    [credentials, null],
    [{ ...credentials, accountSid: 'AC1' }, 'accountSid'],
    [{ authToken }, 'accountSid'],
    [{ accountSid }, 'authToken'],
    [{ accountSid, authToken: 'short' }, 'authToken'],
    [{ accountSid, authToken: `${authToken} ` }, 'authToken'],
  ])('%# are judged', (given, wrong) => {
    expect(twilio.wrongCredential(given as Record<string, string>)).toBe(wrong);
  });
});

describe('carriers', () => {
  it('are known by their own names only', () => {
    expect(providerOf('twilio')).toBe(twilio);
    for (const name of ['', 'Twilio', 'constructor', '__proto__']) expect(providerOf(name)).toBeUndefined();
  });
});
