import { ClientNats, type NatsOptions } from '@nestjs/microservices';

type Options = NonNullable<NatsOptions['options']>;

const RECONNECT_MS = 250;
const PING_MS = 10_000;

/**
 * Connection options that never give up: they wait for the first connection and for every later one. Of
 * several addresses the credentials of the first are used, since the client takes one pair.
 */
export function natsOptions(name: string, urls: string): Options {
  const addresses = urls.split(',').map((text) => new URL(text.trim()));
  const [first] = addresses;
  const credentials = first?.username
    ? { user: decodeURIComponent(first.username), pass: decodeURIComponent(first.password) }
    : {};
  return {
    servers: addresses.map((url) => `${url.protocol}//${url.host}`),
    name,
    ...credentials,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    reconnectJitter: RECONNECT_MS,
    pingInterval: PING_MS,
    maxPingOut: 2,
  } as Options;
}

/** Nobody listens on the subject just now; nothing was done. */
export class NoResponders extends Error {
  override readonly name = 'NoResponders';
}

/**
 * Nest's NATS client, which tells a subject without listeners apart from other failures by a type of our
 * own.
 */
export class NatsClient extends ClientNats {
  override createSubscriptionHandler(
    ...[packet, callback]: Parameters<ClientNats['createSubscriptionHandler']>
  ): ReturnType<ClientNats['createSubscriptionHandler']> {
    const handle = super.createSubscriptionHandler(packet, callback);
    return async (error, message) => {
      if (!error && message['data']?.length === 0) {
        return callback({ err: new NoResponders(), isDisposed: true });
      }
      return handle(error, message);
    };
  }
}
