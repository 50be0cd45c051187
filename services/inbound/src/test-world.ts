import { createHmac } from 'node:crypto';
import { canSend, getConsentHistory } from '@muster/contracts/consent';
import { registerContact } from '@muster/contracts/contact';
import type { Envelope } from '@muster/contracts/envelope';
import { isRetryable, Refusal } from '@muster/contracts/errors';
import { uuid7 } from '@muster/contracts/ids';
import { addEndpoint, receiveWebhook } from '@muster/contracts/inbound';
import { streamName } from '@muster/contracts/names';
import { EventStore } from '@muster/event-store/event-store';
import type { Fact } from '@muster/event-store/facts';
import { bootstrap, type Running } from '@muster/runtime/bootstrap';
import { Bus } from '@muster/runtime/bus';
import { RuntimeEnv } from '@muster/runtime/config';
import { systemEnvelope } from '@muster/runtime/envelopes';
import { RuntimeModule } from '@muster/runtime/runtime.module';
import { eventually } from '@muster/testing/eventually';
import { startService, type Service } from '@muster/testing/processes';
import { startServers, type Servers } from '@muster/testing/servers';
import { messageStreamId } from './inbound.webhooks.js';

const MASTER_KEY = Buffer.alloc(32, 7).toString('base64');
const BASE = 'https://muster.example';
export const accountSid = `AC${'0123456789abcdef'.repeat(2)}`;
const authToken = 'f'.repeat(32);
export const SENDER = '+15555550199';

export type ServiceName = 'compliance' | 'contacts' | 'groups' | 'inbound';

/** One message as Twilio would deliver it; what is not given is made up. */
export interface Message {
  sid: string;
  from: string;
  text?: string;
  more?: Readonly<Record<string, string>>;
}

interface Delivery {
  /** When the edge took it in; now unless given. */
  at?: string;
  signature?: string;
  endpointId?: string;
}

let serial = 100;
/** A number that no other test uses. */
export const freshPhone = (): string => `+1415555${String((serial += 1)).padStart(4, '0')}`;

const TAKEN_WITHIN_MS = 30_000;

class Client {}

/** Real servers and real services as child processes, and a client that stands where the gateway would. */
export class World {
  readonly account = uuid7();
  endpointId = '';
  readonly services: Service[] = [];

  private constructor(
    readonly servers: Servers<'nats' | 'eventStore' | 'mongo'>,
    readonly client: Running,
  ) {}

  static async start(names: readonly ServiceName[]): Promise<World> {
    const servers = await startServers({ nats: true, eventStore: true, mongo: true });
    try {
      const env = RuntimeEnv.parse({ ...variables(servers), HTTP_PORT: '0', LOG_LEVEL: 'silent' });
      const module = { module: Client, imports: [RuntimeModule.forService('gateway', env)] };
      const client = await bootstrap({ service: 'gateway', module, env });
      const world = new World(servers, client);
      await world.open(names).catch(async (error: unknown) => {
        await world.stop();
        throw error;
      });
      return world;
    } catch (error) {
      await servers.stop();
      throw error;
    }
  }

  private async open(names: readonly ServiceName[]): Promise<void> {
    await Promise.all(names.map((name) => this.startOne(name)));
    const opened = { accountId: this.account, name: 'Test Club', timeZone: 'UTC', defaultCountry: 'US' };
    await this.appendToAccount([{ type: 'AccountOpened', data: opened }], 'no_stream');
  }

  /** One more replica of a service. */
  async startOne(name: ServiceName): Promise<Service> {
    const service = await startService(name, this.variables);
    this.services.push(service);
    return service;
  }

  get variables(): Record<string, string> {
    return { ...variables(this.servers), LOG_LEVEL: 'info' };
  }

  async stop(): Promise<void> {
    await Promise.all(this.services.map((service) => service.stop()));
    await this.client.close();
    await this.servers.stop();
  }

  get bus(): Bus {
    return this.client.app.get(Bus);
  }

  get store(): EventStore {
    return this.client.app.get(EventStore);
  }

  by(more: Partial<Envelope> = {}): Envelope {
    return { ...systemEnvelope(this.account, { source: { kind: 'api' } }), ...more };
  }

  async appendToAccount(
    events: { type: string; data: object }[],
    expected: number | 'no_stream',
  ): Promise<void> {
    await this.store.append(streamName('account', this.account), events, expected, this.by());
  }

  async connect(): Promise<void> {
    const { endpoint } = await this.bus.ask(addEndpoint, this.by(), {
      provider: 'twilio',
      senders: [SENDER],
      credentials: { accountSid, authToken },
    });
    this.endpointId = endpoint.id;
  }

  /** A contact with this number that may be texted. */
  async contact(phone: string): Promise<string> {
    const { contact } = await this.bus.ask(registerContact, this.by(), { contact: { phone } });
    await eventually(async () => expectAllowed(await this.gate(phone)));
    return contact.id;
  }

  /** Delivers a message as Twilio does, signed unless another signature is given. */
  deliver({ sid, from, text, more = {} }: Message, delivery: Delivery = {}) {
    const endpointId = delivery.endpointId ?? this.endpointId;
    const pathAndQuery = `/v1/webhooks/twilio/${endpointId}`;
    const parameters: Record<string, string> = {
      AccountSid: accountSid,
      ...(sid === '' ? {} : { MessageSid: sid }),
      From: from,
      To: SENDER,
      ...(text === undefined ? {} : { Body: text }),
      ...more,
    };
    const signed = Object.keys(parameters)
      .sort()
      .reduce((data, name) => data + name + parameters[name], BASE + pathAndQuery);
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature':
        delivery.signature ?? createHmac('sha1', authToken).update(signed).digest('base64'),
    };
    const body = Buffer.from(new URLSearchParams(parameters).toString()).toString('base64');
    const envelope = this.by(delivery.at ? { at: delivery.at } : {});
    const input = { provider: 'twilio', endpointId, method: 'POST', pathAndQuery, headers, body, base: BASE };
    return this.bus.ask(receiveWebhook, envelope, input);
  }

  /** Delivers a message as often as a carrier would: until it is answered with something else than a 503. */
  bring(message: Message, delivery: Delivery = {}): ReturnType<World['deliver']> {
    return eventually(async () => {
      const answer = await this.deliver(message, delivery).catch((error: unknown) => error as Refusal);
      if (answer instanceof Refusal) return isRetryable(answer.code) ? Promise.reject(answer) : answer;
      return answer.status === 503 ? false : answer;
    }, TAKEN_WITHIN_MS).then((answer) => {
      if (answer instanceof Refusal) throw answer;
      return answer as Awaited<ReturnType<World['deliver']>>;
    });
  }

  /** The stream of a message. */
  messageStream(sid: string): string {
    return streamName('inbound', this.account, messageStreamId('twilio', sid));
  }

  recorded(sid: string): Promise<Fact[]> {
    return this.store.read(this.messageStream(sid));
  }

  async types(sid: string): Promise<string[]> {
    return (await this.recorded(sid)).map((fact) => fact.type);
  }

  /** What the gate says of a number now: `allowed`, or the reason why not. */
  async gate(phone: string): Promise<string> {
    const [result] = (await this.bus.ask(canSend, this.by(), { to: [phone] })).results;
    return result?.allowed ? 'allowed' : String(result?.reason);
  }

  async said(phone: string): Promise<string[]> {
    const { items } = await this.bus.ask(getConsentHistory, this.by(), { detail: phone });
    return items.map((item) => `${item.kind} ${item.standing}`);
  }
}

function variables(servers: Servers<'nats' | 'eventStore' | 'mongo'>): Record<string, string> {
  return {
    NATS_URL: servers.nats.url,
    EVENTSTORE_URL: servers.eventStore.url,
    MONGO_URL: servers.mongo.url,
    MASTER_KEY,
    DRAIN_MS: '500',
  };
}

function expectAllowed(answer: string): void {
  if (answer !== 'allowed') throw new Error(`the gate says ${answer}`);
}
