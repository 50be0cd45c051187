import { createHmac, randomBytes } from 'node:crypto';
import type { Api } from './client.js';

const SENDER = '+12125550100';

/** What a carrier gets back. */
export interface Delivery {
  status: number;
  /** What is texted to the person, or null. */
  reply: string | null;
}

/** A connected Twilio account that delivers messages to the platform, each signed as Twilio signs. */
export class Twilio {
  private constructor(
    readonly webhookUrl: string,
    private readonly accountSid: string,
    private readonly authToken: string,
  ) {}

  static async connect(api: Api): Promise<Twilio> {
    const authToken = randomBytes(16).toString('hex');
    const accountSid = `AC${randomBytes(16).toString('hex')}`;
    const endpoint = await api.post<{ webhookUrl: string }>('/v1/endpoints', {
      provider: 'twilio',
      senders: [SENDER],
      credentials: { accountSid, authToken },
    });
    return new Twilio(endpoint.webhookUrl, accountSid, authToken);
  }

  /** One delivery. The same `messageSid` is the same message, delivered again. Rejects when nobody answers. */
  async deliver(from: string, text: string, messageSid = newMessageSid()): Promise<Delivery> {
    const parameters: Record<string, string> = {
      AccountSid: this.accountSid,
      Body: text,
      From: from,
      MessageSid: messageSid,
      NumMedia: '0',
      To: SENDER,
    };
    const answer = await fetch(this.webhookUrl, {
      method: 'POST',
      body: new URLSearchParams(parameters),
      headers: { 'x-twilio-signature': this.sign(parameters) },
      signal: AbortSignal.timeout(15_000),
    });
    const body = await answer.text();
    return { status: answer.status, reply: /<Message>(.*)<\/Message>/s.exec(body)?.[1] ?? null };
  }

  /**
   * HMAC-SHA1 under the auth token over the public address and every parameter, name and value, sorted by name.
   * Source: Twilio, "Webhooks security".
   */
  private sign(parameters: Readonly<Record<string, string>>): string {
    const names = Object.keys(parameters).sort();
    const signed = this.webhookUrl + names.map((name) => name + parameters[name]).join('');
    return createHmac('sha1', this.authToken).update(signed).digest('base64');
  }
}

export const newMessageSid = (): string => `SM${randomBytes(16).toString('hex')}`;
