import { DEFAULT_POLICY, Role, type Policy } from '@muster/contracts/account';
import { Refusal } from '@muster/contracts/errors';
import { idNumber } from '@muster/testing/universe';
import { describe, expect, it } from 'vitest';
import { authorise, type Principal } from './roles.js';
import { routeName } from './route.js';
import { ROUTES } from './routes.js';

/** Who may make which call: Owner, Admin, Editor, Viewer, Sender; `operator` alone, or `public` for everybody. */
const MATRIX: Record<string, string> = {
  'POST /v1/contacts': 'OAE',
  'GET /v1/contacts': 'OAEV',
  'GET /v1/contacts/{id}': 'OAEV',
  'PATCH /v1/contacts/{id}': 'OAE',
  'DELETE /v1/contacts/{id}': 'OAE',
  'GET /v1/contacts/{id}/history': 'OAEV',
  'GET /v1/fields': 'OAEV',
  'POST /v1/fields': 'OA',
  'GET /v1/groups': 'OAEV',
  'POST /v1/groups': 'OAE',
  'GET /v1/groups/{id}': 'OAEV',
  'PATCH /v1/groups/{id}': 'OAE',
  'DELETE /v1/groups/{id}': 'OAE',
  'GET /v1/groups/{id}/members': 'OAEV',
  'POST /v1/groups/{id}/members': 'OAE',
  'POST /v1/groups/{id}/members/remove': 'OAE',
  'GET /v1/groups/{id}/members/{contactId}/why': 'OAEV',
  'GET /v1/groups/{id}/log': 'OAEV',
  'POST /v1/rules/parse': 'OAEV',
  'GET /v1/consent/{detail}': 'OAEV',
  'POST /v1/consent/{detail}/revoke': 'OAE',
  'POST /v1/consent/{detail}/grant': 'OAE',
  'GET /v1/consent/{detail}/history': 'OAEV',
  'POST /v1/send-gate': 'OAEVS',
  'POST /v1/imports': 'OAE',
  'GET /v1/imports': 'OAEV',
  'GET /v1/imports/{id}': 'OAEV',
  'PUT /v1/imports/{id}/mapping': 'OAE',
  'PUT /v1/imports/{id}/groups': 'OAE',
  'POST /v1/imports/{id}/start': 'OAE',
  'POST /v1/imports/{id}/cancel': 'OAE',
  'GET /v1/imports/{id}/events': 'OAEV',
  'GET /v1/imports/{id}/rejected.csv': 'OAEV',
  'GET /v1/jobs': 'OAEV',
  'GET /v1/jobs/{id}': 'OAEV',
  'GET /v1/jobs/{id}/events': 'OAEV',
  'POST /v1/jobs/{id}/cancel': 'OAE',
  'GET /v1/endpoints': 'OAEV',
  'POST /v1/endpoints': 'OA',
  'DELETE /v1/endpoints/{id}': 'OA',
  'GET /v1/keywords': 'OAEV',
  'POST /v1/keywords': 'OAE',
  'PATCH /v1/keywords/{id}': 'OAE',
  'DELETE /v1/keywords/{id}': 'OAE',
  'POST /v1/webhooks/{provider}/{endpointId}': 'public',
  'GET /v1/inbound': 'OAEV',
  'POST /v1/audiences/count': 'OAEVS',
  'POST /v1/audiences': 'OAES',
  'GET /v1/audiences': 'OAEVS',
  'GET /v1/audiences/{id}': 'OAEVS',
  'GET /v1/audiences/{id}/recipients': 'OAEVS',
  'GET /v1/audiences/{id}/excluded': 'OAEVS',
  'POST /v1/accounts': 'operator',
  'PATCH /v1/accounts/{id}': 'operator',
  'GET /v1/account': 'OAEV',
  'PATCH /v1/account': 'OA',
  'GET /v1/api-keys': 'OA',
  'POST /v1/api-keys': 'OA',
  'DELETE /v1/api-keys/{id}': 'OA',
  'GET /v1/status': 'OAEVS',
  'GET /v1/openapi.json': 'public',
  'GET /docs': 'public',
};

const key = (role: Role): Principal => ({ kind: 'key', account: idNumber(1), keyId: idNumber(2), role });
const PRINCIPALS: [string, Principal][] = [
  ...Role.options.map((role): [string, Principal] => [role, key(role)]),
  ['operator', { kind: 'operator' }],
  ['nobody', { kind: 'nobody' }],
];

/** What a principal meets at a call: null when let through, else the code. */
function met(name: string, principal: Principal, policy: Policy | null = DEFAULT_POLICY): string | null {
  const route = ROUTES.find((each) => routeName(each) === name);
  if (!route) throw new Error(`no route ${name}`);
  try {
    authorise(route.permission, principal, policy);
    return null;
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

function expected(who: string, allowed: string): string | null {
  if (allowed === 'public') return null;
  if (who === 'nobody') return 'request:unauthenticated';
  if (who === 'operator') return allowed === 'operator' ? null : 'request:forbidden';
  return allowed !== 'operator' && allowed.includes(who[0]?.toUpperCase() ?? '?')
    ? null
    : 'request:forbidden';
}

describe('the matrix of roles and calls', () => {
  it('covers every call', () => {
    expect(ROUTES.map(routeName).sort()).toEqual(Object.keys(MATRIX).sort());
  });

  describe.each(Object.entries(MATRIX))('%s', (name, allowed) => {
    it.each(PRINCIPALS)('meets %s as the matrix says', (who, principal) => {
      expect(met(name, principal)).toBe(expected(who, allowed));
    });
  });

  it('lets nobody delete contacts where the policy forbids it', () => {
    const policy = { ...DEFAULT_POLICY, delete: false };
    expect(met('DELETE /v1/contacts/{id}', key('owner'), policy)).toBe('request:forbidden');
  });
});
