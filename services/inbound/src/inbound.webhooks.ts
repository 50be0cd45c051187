import { createHash } from 'node:crypto';
import { Controller } from '@nestjs/common';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { receiveWebhook, type InboundEvent } from '@muster/contracts/inbound';
import { Accounts } from '@muster/event-store/accounts';
import { EventStore } from '@muster/event-store/event-store';
import type { Head } from '@muster/event-store/heads';
import { detailKeys } from '@muster/phone/detail';
import { parseProviderPhone } from '@muster/phone/phone';
import { callFields } from '@muster/runtime/call-context';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { Log } from '@muster/runtime/log';
import { isMandatory, take, type InboundState } from './domain/inbound.js';
import type { EndpointState } from './domain/endpoint.js';
import { Driver, envelopeOf, type Driven } from './inbound.driver.js';
import { Mailbox } from './mailbox.js';
import { providerOf } from './providers/all.js';
import type { Provider, ProviderMessage, WebhookRequest } from './providers/provider.js';
import { replyText } from './replies.js';
import { Switchboard } from './switchboard.js';

type Received = Extract<InboundEvent, { type: 'InboundReceived' }>['data'];
type Answer = AnswerOf<typeof receiveWebhook>;

/**
 * How long a carrier waits before it is told to come again. Twilio gives up after 15 s and Telnyx after 2 s; the work
 * goes on meanwhile, and the next delivery finds it done.
 */
const ACKNOWLEDGE_WITHIN_MS = 1_500;
const REPLY_WITHIN_MS = 5 * 60_000;

const REFRESH_EVERY_MS = 1_000;

@Controller()
export class InboundWebhooks {
  private readonly refreshedAt = new Map<string, number>();

  constructor(
    private readonly switchboard: Switchboard,
    private readonly mailbox: Mailbox,
    private readonly driver: Driver,
    private readonly accounts: Accounts,
    private readonly store: EventStore,
    private readonly log: Log,
  ) {}

  @Handles(receiveWebhook)
  async receive({ envelope, input }: Ask<typeof receiveWebhook>): Promise<Answer> {
    const { account, at } = envelope;
    const provider = providerOf(input.provider);
    const endpoint = await this.switchboard.endpointOfWebhook(account, input.endpointId);
    if (!provider || endpoint.life !== 'live' || endpoint.provider !== input.provider) {
      throw new Refusal('endpoint:not_found');
    }
    const request = await this.verified(account, endpoint, provider, input);
    const parsed = provider.parse(request);
    if (parsed.kind === 'ignored') return silence(provider);
    if (parsed.kind === 'malformed') {
      const fields = {
        ...callFields(envelope, receiveWebhook.subject),
        endpoint: endpoint.endpointId,
        missing: parsed.missing,
      };
      this.log.error('a signed webhook is malformed', undefined, fields);
      return silence(provider);
    }
    const working = this.toTheEnd(account, endpoint, provider, parsed.message, at);
    return this.acknowledge(envelope, provider, working);
  }

  /**
   * The request under the public address that it was signed for. An account's address may have changed a moment ago, and
   * a carrier may still be configured with the gateway's own: neither may cost a STOP.
   * @throws Refusal `webhook:signature`, or `service:unavailable` where no public address is known
   */
  private async verified(
    account: string,
    endpoint: EndpointState,
    provider: Provider,
    input: Ask<typeof receiveWebhook>['input'],
  ): Promise<WebhookRequest> {
    const { method, headers, pathAndQuery } = input;
    const body = Buffer.from(input.body, 'base64');
    const match = async (known: EndpointState): Promise<WebhookRequest | undefined> => {
      const credentials = this.credentialsOf(known);
      const { publicUrl } = await this.accounts.get(account);
      const bases = [publicUrl, input.base].filter((base) => typeof base === 'string' && base !== '');
      if (bases.length === 0) throw new Refusal('service:unavailable', { missing: 'publicUrl' });
      return bases
        .map((base) => ({ method, url: base?.replace(/\/+$/, '') + pathAndQuery, headers, body }))
        .find((request) => provider.verify(request, credentials));
    };
    const found = await match(endpoint);
    if (found) return found;
    const again = this.mayRefresh(account) && (await match(await this.refreshed(account, endpoint)));
    if (!again) throw new Refusal('webhook:signature');
    return again;
  }

  private async refreshed(account: string, { endpointId }: EndpointState): Promise<EndpointState> {
    await this.accounts.refresh(account);
    return this.switchboard.endpointOfWebhook(account, endpointId, true);
  }

  /**
   * A bad signature may be one under an address or credentials that changed a moment ago. Subscriptions tell of those within
   * milliseconds, so looking again once a second is enough, and a flood of bad signatures costs no more than that.
   */
  private mayRefresh(account: string): boolean {
    const now = Date.now();
    if (now - (this.refreshedAt.get(account) ?? 0) < REFRESH_EVERY_MS) return false;
    this.refreshedAt.set(account, now);
    return true;
  }

  /**
   * The carrier's 2xx, once everything that follows from the message has happened. Until then it is told to come again,
   * with a 503 whatever the reason: a 4xx would make it give up.
   */
  private async acknowledge(
    envelope: Envelope,
    provider: Provider,
    working: Promise<Driven>,
  ): Promise<Answer> {
    const call = callFields(envelope, receiveWebhook.subject);
    try {
      const outcome = await Promise.race([working, late()]);
      if (outcome !== 'late') {
        const text = await this.settledReply(envelope.account, envelope.at, outcome.head);
        return { status: 200, ...provider.reply(text), position: outcome.position };
      }
      working
        .then(({ head }) => this.mailbox.decider.settle(head))
        .catch((error: unknown) => this.log.error('a message was not finished in time', error, call));
    } catch (error) {
      this.log.error('a message is not finished', error, call);
    }
    return {
      status: 503,
      contentType: 'text/plain',
      body: 'Not yet durable. Deliver again.',
      position: null,
    };
  }

  private async toTheEnd(
    account: string,
    endpoint: EndpointState,
    provider: Provider,
    message: ProviderMessage,
    at: string,
  ): Promise<Driven> {
    const id = messageStreamId(endpoint.provider, message.id);
    const received = await this.receivedOf(account, endpoint, provider, message, at);
    const envelope = envelopeOf(account, id, received);
    const keywords = isMandatory(received) ? [] : await this.switchboard.activeKeywords(account);
    // Taken to be new: of a repeated message the append finds out. Its head is written when it is finished.
    const known = this.mailbox.decider.newHead(account, id);
    const options = { known, headFollows: true };
    const decide = (state: InboundState): InboundEvent[] => take(state, received, keywords);
    const { head } = await this.mailbox.decider.execute(envelope, id, decide, options);
    return this.driver.drive(account, id, head);
  }

  private async receivedOf(
    account: string,
    endpoint: EndpointState,
    provider: Provider,
    message: ProviderMessage,
    at: string,
  ): Promise<Received> {
    const phone = parseProviderPhone(message.from);
    const peppers = await this.store.keys.peppers(account);
    const detailKey = phone.ok ? (detailKeys(peppers, 'phone', phone.phone)[0] as string) : null;
    return {
      provider: endpoint.provider,
      endpointId: endpoint.endpointId,
      providerMessageId: message.id,
      detailKey,
      sender: message.to,
      assurance: provider.assurance,
      receivedAt: at,
      ...(message.saidAt === null ? {} : { saidAt: message.saidAt }),
      from: phone.ok ? phone.phone : message.from,
      ...(message.text === null ? {} : { text: message.text }),
      ...(message.optOutMark === null ? {} : { optOutMark: message.optOutMark }),
      media: message.media,
    };
  }

  /**
   * What the answer to this delivery texts back. Of all deliveries that are answered with a 2xx one replies, within five
   * minutes of the first receipt (R31); where a message was finished after its delivery had been told to come again, that
   * is the next one.
   */
  private async settledReply(account: string, at: string, head: Head<InboundState>): Promise<string | null> {
    const text = await this.replyOf(account, at, head.state);
    if (text === null) await this.mailbox.decider.settle(head);
    return text !== null && (await this.mailbox.claimReply(head)) ? text : null;
  }

  private async replyOf(account: string, at: string, state: InboundState): Promise<string | null> {
    const { received, classification } = state;
    if (received === null || Date.parse(at) - Date.parse(received.receivedAt) > REPLY_WITHIN_MS) return null;
    const { name } = await this.accounts.get(account);
    const keywordId = classification?.keywordId;
    const keyword = keywordId ? (await this.switchboard.keywords.load(account, keywordId)).state : null;
    return replyText(state, name, keyword?.response ?? null);
  }

  private credentialsOf(endpoint: EndpointState): Record<string, string> {
    const plain = this.store.keys.unwrap(endpoint.wrappedCredentials, credentialContext(endpoint.endpointId));
    return JSON.parse(plain.toString()) as Record<string, string>;
  }
}

export const credentialContext = (endpointId: string): string => `endpoint|${endpointId}`;

/** The same message of the same carrier has the same stream, however often it is delivered (R10). */
export function messageStreamId(provider: string, messageId: string): string {
  return createHash('sha256').update(`${provider}|${messageId}`).digest('hex');
}

const silence = (provider: Provider): Answer => ({ status: 200, ...provider.reply(null), position: null });

function late(): Promise<'late'> {
  return new Promise((resolve) => setTimeout(() => resolve('late'), ACKNOWLEDGE_WITHIN_MS).unref());
}
