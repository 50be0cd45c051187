import { getConsentMany } from '@muster/contracts/consent';
import { listFields } from '@muster/contracts/field';
import { parseRuleText } from '@muster/contracts/group';
import { listImports } from '@muster/contracts/import';
import { listEndpoints } from '@muster/contracts/inbound';
import type { ServiceName } from '@muster/contracts/names';
import { z } from 'zod';
import { ok, route, type Call, type Route } from './route.js';

const tag = 'Operations';

const ServiceStatus = z.object({
  name: z.string(),
  ok: z.boolean(),
  ms: z.number().describe('Time that a small question took'),
});

/** One small question to each service: what answers it also takes commands. */
const QUESTIONS: Record<Exclude<ServiceName, 'gateway'>, (call: Call) => Promise<unknown>> = {
  contacts: (call) => call.ask(listFields, {}),
  groups: (call) => call.ask(parseRuleText, { rule: 'has phone' }),
  compliance: (call) => call.ask(getConsentMany, { keys: [] }),
  imports: (call) => call.ask(listImports, { limit: 1 }),
  inbound: (call) => call.ask(listEndpoints, {}),
};

async function look(call: Call, name: keyof typeof QUESTIONS): Promise<z.infer<typeof ServiceStatus>> {
  const started = performance.now();
  const answered = await QUESTIONS[name](call).then(
    () => true,
    () => false,
  );
  return { name, ok: answered, ms: Math.round((performance.now() - started) * 10) / 10 };
}

export const systemRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/status',
    tag,
    summary: 'Whether each part of the platform answers.',
    permission: 'status.read',
    answers: { 200: z.object({ status: z.enum(['ok', 'degraded']), services: z.array(ServiceStatus) }) },
    async handle(call) {
      const names = Object.keys(QUESTIONS) as (keyof typeof QUESTIONS)[];
      const services = await Promise.all(names.map((name) => look(call, name)));
      return ok({ status: services.every((service) => service.ok) ? 'ok' : 'degraded', services });
    },
  }),
];
