import type { Provider as ProviderName } from '@muster/contracts/inbound';
import type { Provider } from './provider.js';
import { twilio } from './twilio.js';

const PROVIDERS: Readonly<Record<ProviderName, Provider>> = { twilio };

/** A carrier by its name in the webhook's address, or undefined. */
export function providerOf(name: string): Provider | undefined {
  return Object.hasOwn(PROVIDERS, name) ? PROVIDERS[name as ProviderName] : undefined;
}
