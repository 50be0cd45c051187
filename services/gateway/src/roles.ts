import type { Policy, Role } from '@muster/contracts/account';
import { Refusal } from '@muster/contracts/errors';
import type { Id } from '@muster/contracts/ids';

/**
 * What each role may do. `sender` may only resolve audiences and ask the gate. A route names one permission, so this
 * table and the table of routes together are the matrix of roles and calls.
 */
export const MAY = {
  'account.read': ['owner', 'admin', 'editor', 'viewer'],
  'account.change': ['owner', 'admin'],
  'keys.manage': ['owner', 'admin'],
  'contacts.read': ['owner', 'admin', 'editor', 'viewer'],
  'contacts.write': ['owner', 'admin', 'editor'],
  'contacts.delete': ['owner', 'admin', 'editor'],
  'fields.read': ['owner', 'admin', 'editor', 'viewer'],
  'fields.change': ['owner', 'admin'],
  'groups.read': ['owner', 'admin', 'editor', 'viewer'],
  'groups.write': ['owner', 'admin', 'editor'],
  'consent.read': ['owner', 'admin', 'editor', 'viewer'],
  'consent.write': ['owner', 'admin', 'editor'],
  'gate.ask': ['owner', 'admin', 'editor', 'viewer', 'sender'],
  'imports.read': ['owner', 'admin', 'editor', 'viewer'],
  'imports.write': ['owner', 'admin', 'editor'],
  'inbound.read': ['owner', 'admin', 'editor', 'viewer'],
  'keywords.write': ['owner', 'admin', 'editor'],
  'endpoints.change': ['owner', 'admin'],
  'audiences.count': ['owner', 'admin', 'editor', 'viewer', 'sender'],
  'audiences.read': ['owner', 'admin', 'editor', 'viewer', 'sender'],
  'audiences.freeze': ['owner', 'admin', 'editor', 'sender'],
  'status.read': ['owner', 'admin', 'editor', 'viewer', 'sender'],
} as const satisfies Record<string, readonly Role[]>;

/** `operator` asks for the operator key; `public` for nothing, as a carrier's signature or a document needs none. */
export type Permission = keyof typeof MAY | 'operator' | 'public';

/** Who makes a call. */
export type Principal =
  { kind: 'key'; account: Id; keyId: Id; role: Role } | { kind: 'operator' } | { kind: 'nobody' };

/**
 * Lets a principal through or refuses: 401 for one that is not known, 403 for one that may not. The policy of the
 * account can take deleting away from everybody.
 */
export function authorise(permission: Permission, principal: Principal, policy: Policy | null): void {
  if (permission === 'public') return;
  if (principal.kind === 'nobody') throw new Refusal('request:unauthenticated');
  if (permission === 'operator') {
    if (principal.kind !== 'operator') throw new Refusal('request:forbidden');
    return;
  }
  if (principal.kind !== 'key') throw new Refusal('request:forbidden');
  const roles: readonly Role[] = MAY[permission];
  if (!roles.includes(principal.role)) throw new Refusal('request:forbidden');
  if (permission === 'contacts.delete' && policy?.delete !== true)
    throw new Refusal('request:forbidden', { path: 'policy.delete' });
}
