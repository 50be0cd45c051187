import { describe, expect, it } from 'vitest';
import { difference } from './tour.js';
import { twilioSignature } from './twilio.js';

describe('the signature of a Twilio webhook', () => {
  it('is the one of the example that Twilio prints', () => {
    const parameters = {
      CallSid: 'CA1234567890ABCDE',
      Caller: '+14158675309',
      Digits: '1234',
      From: '+14158675309',
      To: '+18005551212',
    };
    const url = 'https://mycompany.com/myapp.php?foo=1&bar=2';
    expect(twilioSignature('12345', url, parameters)).toBe('RSOYDt4T1cUTdK1PDd93/VVr8B8=');
  });
});

describe('the difference between two answers', () => {
  it('names recipients and the reasons that changed', () => {
    const before = { recipients: 10, excluded: { no_detail: 2 } };
    expect(difference(before, { recipients: 9, excluded: { no_detail: 2, opted_out: 1 } })).toBe(
      'recipients -1, opted_out +1',
    );
    expect(difference(before, before)).toBe('recipients 0');
  });
});
