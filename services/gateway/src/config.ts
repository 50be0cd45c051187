import { RuntimeEnv, readConfig } from '@muster/runtime/config';
import { z } from 'zod';

const HttpUrl = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''));

/** Everything that the gateway reads from its environment. */
export const GatewaySettings = RuntimeEnv.extend({
  /** Opens accounts and changes what they cannot; at least 24 characters. */
  OPERATOR_KEY: z.string().min(24),
  /** Where carriers and callers reach the gateway; without it, the address that each caller used. Behind a proxy, set it. */
  PUBLIC_URL: HttpUrl.optional(),
  /** The imports service over HTTP, for files in and rejects out. */
  IMPORTS_URL: HttpUrl,
});
export type GatewaySettings = z.infer<typeof GatewaySettings>;

export const readGatewayConfig = (): GatewaySettings => readConfig(GatewaySettings);
