import { createHmac } from 'node:crypto';

/**
 * The value of X-Twilio-Signature: HMAC-SHA1 under the auth token over the full public address followed by every
 * parameter, name and value, sorted by name; in base64. Source: Twilio, "Validating Signatures from Twilio".
 */
export function twilioSignature(
  authToken: string,
  url: string,
  parameters: Readonly<Record<string, string>>,
): string {
  const names = Object.keys(parameters).sort();
  const text = url + names.map((name) => name + (parameters[name] as string)).join('');
  return createHmac('sha1', authToken).update(text).digest('base64');
}
