import { Account, Policy, Role, TimeZone, type AccountState } from '@muster/contracts/account';
import { Instant, Position, type Envelope } from '@muster/contracts/envelope';
import { Id, uuid5 } from '@muster/contracts/ids';
import { z } from 'zod';
import { formatApiKey, secretHash } from './api-key.js';
import {
  changeAccount,
  changePolicy,
  issueApiKey,
  openAccount,
  revokeApiKey,
  type Asker,
  type State,
} from './domain/account.js';
import { AtLeastQuery, ById, Done, listOf } from './query.schemas.js';
import { created, ok, route, type Call, type Route } from './route.js';
import type { Principal } from './roles.js';

const tag = 'Account';

const Name = z.string().max(200);
const Country = z
  .string()
  .regex(/^[A-Z]{2}$/)
  .describe('ISO 3166-1, two capital letters: the country of numbers without one');
const PublicUrl = z
  .url({ protocol: /^https?$/ })
  .max(500)
  .describe("Where carriers reach the gateway; by default the gateway's own address");
const PolicyChanges = z.strictObject(Policy.shape).partial();

const NewAccount = z.strictObject({
  name: Name,
  timeZone: TimeZone.default('UTC'),
  defaultCountry: Country.default('US'),
  publicUrl: PublicUrl.optional(),
  policy: PolicyChanges.optional(),
});
const AccountChanges = z.strictObject({
  name: Name.optional(),
  timeZone: TimeZone.optional(),
  defaultCountry: Country.optional(),
  publicUrl: PublicUrl.nullable().optional(),
  policy: PolicyChanges.optional(),
});

const ApiKeyView = z.object({ id: Id, name: z.string(), role: Role, issuedAt: Instant });
const NewApiKey = z.strictObject({ name: z.string().trim().min(1).max(100), role: Role });
const AccountWritten = Account.extend({ changed: z.boolean(), position: Position });

/** The account as callers see it: without the hashes of its keys. */
function view({ apiKeys: _hashes, ...account }: AccountState): Account {
  return account;
}

function roleOf(principal: Principal): Role {
  if (principal.kind !== 'key') throw new Error('this call is made with an API key');
  return principal.role;
}

const openRoute = route({
  method: 'POST',
  path: '/v1/accounts',
  tag,
  summary: 'Opens an account and issues its first API key, which is shown only here.',
  permission: 'operator',
  body: NewAccount,
  answers: { 201: z.object({ account: Account, apiKey: z.string(), position: Position }) },
  async handle(call) {
    const accountId = uuid5(call.envelope.command, 'account');
    const keyId = uuid5(call.envelope.command, 'api-key');
    const envelope: Envelope = { ...call.envelope, account: accountId };
    const secret = await call.edge.accountCommands.secretFor(envelope, call.keyed);
    const key = { keyId, name: 'Owner', role: 'owner' as const, secretHash: secretHash(secret) };
    const { account, position } = await call.edge.accountCommands.execute(envelope, (state) =>
      openAccount(state, { accountId, ...call.body, key }),
    );
    return created({ account: view(account), apiKey: formatApiKey({ keyId, secret }), position });
  },
});

/** Decides name and policy together, so that a call is done whole or not at all. */
async function change(
  call: Call<unknown, unknown, z.infer<typeof AccountChanges>>,
  account: Id,
  asker: Asker,
) {
  const { policy, ...changes } = call.body;
  const envelope: Envelope = { ...call.envelope, account };
  const written = await call.edge.accountCommands.execute(envelope, (state: State) => [
    ...changeAccount(state, changes),
    ...(policy ? changePolicy(state, policy, asker) : []),
  ]);
  return ok({ ...view(written.account), changed: written.changed, position: written.position });
}

const operatorChangeRoute = route({
  method: 'PATCH',
  path: '/v1/accounts/{id}',
  tag,
  summary: 'Changes an account for its operator, who alone may change what `policy.locked` names.',
  permission: 'operator',
  params: ById,
  body: AccountChanges,
  missing: 'account:not_found',
  answers: { 200: AccountWritten },
  handle: (call) => change(call, call.params.id, 'operator'),
});

const getRoute = route({
  method: 'GET',
  path: '/v1/account',
  tag,
  summary: 'The account of the API key, with its policy.',
  permission: 'account.read',
  query: AtLeastQuery,
  answers: { 200: Account },
  async handle(call) {
    const { account } = call.envelope;
    await call.edge.accounts.refresh(account);
    return ok(view(await call.edge.accounts.get(account)));
  },
});

const changeRoute = route({
  method: 'PATCH',
  path: '/v1/account',
  tag,
  summary: 'Changes name, time zone, country, public address or policy.',
  permission: 'account.change',
  body: AccountChanges,
  answers: { 200: AccountWritten },
  handle: (call) => change(call, call.envelope.account, 'account'),
});

const listKeysRoute = route({
  method: 'GET',
  path: '/v1/api-keys',
  tag,
  summary: 'API keys of the account; never their secrets.',
  permission: 'keys.manage',
  query: AtLeastQuery,
  answers: { 200: listOf(ApiKeyView) },
  async handle(call) {
    await call.edge.accounts.refresh(call.envelope.account);
    const { apiKeys } = await call.edge.accounts.get(call.envelope.account);
    const items = Object.values(apiKeys).map(({ keyId, name, role, issuedAt }) => ({
      id: keyId,
      name,
      role,
      issuedAt,
    }));
    return ok({ items });
  },
});

const issueKeyRoute = route({
  method: 'POST',
  path: '/v1/api-keys',
  tag,
  summary: 'Issues an API key, which is shown only here. Only an owner makes owners.',
  permission: 'keys.manage',
  body: NewApiKey,
  answers: { 201: ApiKeyView.omit({ issuedAt: true }).extend({ apiKey: z.string(), position: Position }) },
  async handle(call) {
    const keyId = uuid5(call.envelope.command, 'api-key');
    const secret = await call.edge.accountCommands.secretFor(call.envelope, call.keyed);
    const key = { keyId, ...call.body, secretHash: secretHash(secret) };
    const { position } = await call.edge.accountCommands.execute(call.envelope, (state) =>
      issueApiKey(state, key, roleOf(call.principal)),
    );
    return created({ id: keyId, ...call.body, apiKey: formatApiKey({ keyId, secret }), position });
  },
});

const revokeKeyRoute = route({
  method: 'DELETE',
  path: '/v1/api-keys/{id}',
  tag,
  summary: 'Revokes an API key; the last owner stays.',
  permission: 'keys.manage',
  params: ById,
  answers: { 200: Done },
  async handle(call) {
    const { position } = await call.edge.accountCommands.execute(call.envelope, (state) =>
      revokeApiKey(state, call.params.id, roleOf(call.principal)),
    );
    return ok({ position });
  },
});

export const accountRoutes: readonly Route[] = [
  openRoute,
  operatorChangeRoute,
  getRoute,
  changeRoute,
  listKeysRoute,
  issueKeyRoute,
  revokeKeyRoute,
];
