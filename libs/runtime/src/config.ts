import { z } from 'zod';

const MASTER_KEY_BYTES = 32;

const address = (schemes: readonly string[]): z.ZodString =>
  z.string().regex(new RegExp(`^(${schemes.map((scheme) => scheme.replace('+', '\\+')).join('|')})://\\S+$`));

/** The variables that every service reads. A service extends it in its own `config.ts`. */
export const RuntimeEnv = z.object({
  /** One address or several, separated by commas; `nats://user:password@host` carries credentials. */
  NATS_URL: address(['nats', 'tls']),
  EVENTSTORE_URL: address(['esdb', 'esdb+discover', 'kurrentdb', 'kurrentdb+discover']),
  /** Without a database: each service adds its own. */
  MONGO_URL: address(['mongodb', 'mongodb+srv']),
  /** Base64 of 32 bytes; wraps the data keys. */
  MASTER_KEY: z
    .base64()
    .refine((text) => Buffer.from(text, 'base64').length === MASTER_KEY_BYTES, 'must be 32 bytes'),
  HTTP_HOST: z.string().min(1).default('127.0.0.1'),
  /** 0 takes any free port. */
  HTTP_PORT: z.coerce.number().int().min(0).max(65_535),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** How long a stopping service waits for work in flight, in milliseconds. */
  DRAIN_MS: z.coerce.number().int().min(0).max(600_000).default(8_000),
  /** The service ends when this process does. */
  MUSTER_PARENT_PID: z.coerce.number().int().positive().optional(),
});
export type RuntimeEnv = z.infer<typeof RuntimeEnv>;

/**
 * Parses the environment; an empty variable counts as absent. When something is wrong it prints one line
 * that names every wrong variable, never a value, and ends the process with code 1.
 */
export function readConfig<S extends z.ZodType>(
  schema: S,
  env: Readonly<Record<string, string | undefined>> = process.env,
): z.output<S> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = new Map<string, string>();
  for (const issue of parsed.error.issues) {
    const name = String(issue.path[0] ?? 'the environment');
    problems.set(name, name in given ? 'is wrong' : 'is missing');
  }
  const list = [...problems].map(([name, problem]) => `${name} ${problem}`).join(', ');
  process.stderr.write(`The configuration cannot be used: ${list}.\n`);
  process.exit(1);
}
