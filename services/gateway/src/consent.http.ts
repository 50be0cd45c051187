import {
  canSend,
  ConsentView,
  DetailInput,
  GATE_MAX,
  getConsent,
  getConsentHistory,
  grantConsent,
  Initiative,
  revokeConsent,
} from '@muster/contracts/consent';
import { Evidence } from '@muster/contracts/detail';
import { Position } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { z } from 'zod';
import { AtLeastQuery } from './query.schemas.js';
import { ok, route, type Route } from './route.js';

const tag = 'Consent';
const missing = 'consent:detail_invalid';

const ByDetail = z.object({
  detail: DetailInput.describe('A phone number or e-mail address, percent-encoded, or its detail key'),
});

/** Who said it: a program by default, a member of staff, or an authority by way of them. */
const Said = {
  reason: z.string().max(200).optional(),
  note: z.string().max(2000).optional(),
  evidence: z.strictObject(Evidence.shape).optional(),
  sender: z.string().max(64).optional(),
  programme: z.string().max(200).optional(),
  initiative: Initiative.optional(),
};
const Revocation = z.strictObject({
  ...Said,
  origin: z.enum(['api', 'staff', 'complaint', 'legal']).default('api'),
});
const Grant = z.strictObject({ ...Said, origin: z.enum(['api', 'staff']).default('api') });
const Written = ConsentView.extend({ changed: z.boolean(), position: Position });

const getRoute = route({
  method: 'GET',
  path: '/v1/consent/{detail}',
  tag,
  summary: 'What the ledger says of a phone number or e-mail address, now.',
  permission: 'consent.read',
  params: ByDetail,
  query: AtLeastQuery,
  missing,
  answers: { 200: ConsentView.extend({ position: Position }) },
  async handle(call) {
    const { consent, position } = await call.ask(getConsent, { detail: call.params.detail });
    return ok({ ...consent, position });
  },
});

const revokeRoute = route({
  method: 'POST',
  path: '/v1/consent/{detail}/revoke',
  tag,
  summary:
    'Records that a detail may not be texted any more; in force for every audience and gate at the answer.',
  permission: 'consent.write',
  params: ByDetail,
  body: Revocation.prefault({}),
  missing,
  answers: { 200: Written },
  async handle(call) {
    const { evidence, note, ...said } = call.body;
    const kept = note ?? (evidence && `${evidence.source}: ${evidence.statement}`.slice(0, 2000));
    const input = { detail: call.params.detail, ...said, ...(kept !== undefined && { note: kept }) };
    const { consent, changed, position } = await call.ask(revokeConsent, input);
    return ok({ ...consent, changed, position });
  },
});

const grantRoute = route({
  method: 'POST',
  path: '/v1/consent/{detail}/grant',
  tag,
  summary: 'Records newer consent. After a revocation it needs evidence, and the policy must allow it.',
  permission: 'consent.write',
  params: ByDetail,
  body: Grant.prefault({}),
  missing,
  answers: { 200: Written },
  async handle(call) {
    const input = { detail: call.params.detail, ...call.body };
    const { consent, changed, position } = await call.ask(grantConsent, input);
    return ok({ ...consent, changed, position });
  },
});

const historyRoute = route({
  method: 'GET',
  path: '/v1/consent/{detail}/history',
  tag,
  summary: 'Everything that was said about a detail, oldest first.',
  permission: 'consent.read',
  params: ByDetail,
  query: AtLeastQuery,
  missing,
  answers: { 200: getConsentHistory.output },
  handle: async (call) => ok(await call.ask(getConsentHistory, { detail: call.params.detail })),
});

const gateRoute = route({
  method: 'POST',
  path: '/v1/send-gate',
  tag,
  summary: `The send gate: may these be texted now? At most ${GATE_MAX} at a time.`,
  permission: 'gate.ask',
  keyless: true,
  body: z.strictObject({
    to: z.array(DetailInput).min(1).describe(`At most ${GATE_MAX}`),
    sender: z.string().max(64).optional(),
    programme: z.string().max(200).optional(),
  }),
  answers: { 200: canSend.output },
  async handle(call) {
    if (call.body.to.length > GATE_MAX) throw new Refusal('gate:too_many', { path: 'to', limit: GATE_MAX });
    return ok(await call.ask(canSend, call.body));
  },
});

export const consentRoutes: readonly Route[] = [getRoute, revokeRoute, grantRoute, historyRoute, gateRoute];
