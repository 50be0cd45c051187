import { createHash } from 'node:crypto';
import { Controller } from '@nestjs/common';
import { Refusal } from '@muster/contracts/errors';
import { receiveWebhook, type InboundEvent } from '@muster/contracts/inbound';
import { Accounts } from '@muster/event-store/accounts';
import { EventStore } from '@muster/event-store/event-store';
import { detailKeys } from '@muster/phone/detail';
import { parseProviderPhone } from '@muster/phone/phone';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { Log } from '@muster/runtime/log';
import { receive } from './domain/inbound.js';
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

@Controller()
export class InboundWebhooks {
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
    const endpoint = (await this.switchboard.endpoints.load(account, input.endpointId)).state;
    if (!provider || endpoint.life !== 'live' || endpoint.provider !== input.provider) {
      throw new Refusal('endpoint:not_found');
    }
    const { publicUrl } = await this.accounts.get(account);
    const base = (publicUrl ?? input.base ?? '').replace(/\/$/, '');
    const request = {
      method: input.method,
      url: base + input.pathAndQuery,
      headers: input.headers,
      body: Buffer.from(input.body, 'base64'),
    };
    if (!provider.verify(request, this.credentialsOf(endpoint))) throw new Refusal('webhook:signature');
    return this.take(account, endpoint, provider, request, at);
  }

  private async take(
    account: string,
    endpoint: EndpointState,
    provider: Provider,
    request: WebhookRequest,
    at: string,
  ): Promise<Answer> {
    const parsed = provider.parse(request);
    if (parsed.kind === 'ignored') return silence(provider);
    if (parsed.kind === 'malformed') {
      this.log.error('a signed webhook is malformed', undefined, {
        endpoint: endpoint.endpointId,
        missing: parsed.missing,
      });
      return silence(provider);
    }
    const working = this.toTheEnd(account, endpoint, provider, parsed.message, at);
    const outcome = await Promise.race([working, late()]);
    if (outcome === 'late') {
      working.catch((error: unknown) => this.log.error('a message was not finished in time', error));
      return {
        status: 503,
        contentType: 'text/plain',
        body: 'Not yet durable. Deliver again.',
        position: null,
      };
    }
    const text = outcome.first ? await this.reply(account, outcome) : null;
    return { status: 200, ...provider.reply(text), position: outcome.position };
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
    await this.mailbox.decider.execute(envelopeOf(account, id, received), id, (state) =>
      receive(state, received),
    );
    return this.driver.drive(account, id);
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

  private async reply(account: string, { state }: Driven): Promise<string | null> {
    const { name } = await this.accounts.get(account);
    const keywordId = state.classification?.keywordId;
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
