import { Injectable } from '@nestjs/common';
import { Refusal } from '@muster/contracts/errors';
import { Accounts } from '@muster/event-store/accounts';
import { ServiceEnv } from '@muster/runtime/edge.module';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSameSecret, parseApiKey, secretHash } from './api-key.js';
import type { GatewaySettings } from './config.js';
import type { Permission, Principal } from './roles.js';

/** A key issued by another replica is known here a moment later; a call that comes sooner waits for it. */
const UNKNOWN_KEY_WAIT_MS = 300;
const POLL_MS = 20;

const NOBODY: Principal = { kind: 'nobody' };

/** Finds out who calls. What they may do is decided in roles.ts. */
@Injectable()
export class Authenticator {
  constructor(
    private readonly accounts: Accounts,
    private readonly settings: ServiceEnv<GatewaySettings>,
  ) {}

  /** @throws Refusal `request:unauthenticated` for credentials that are wrong; none at all is `nobody`. */
  async identify(permission: Permission, authorization: string | undefined): Promise<Principal> {
    if (permission === 'public' || authorization === undefined) return NOBODY;
    const [, token] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
    if (token === undefined) throw new Refusal('request:unauthenticated');
    const parts = parseApiKey(token);
    if (parts === null) return this.operator(token);
    const hash = secretHash(parts.secret);
    const found = this.accounts.findApiKey(hash) ?? (await this.await(hash));
    if (found === null || !isSameSecret(found.keyId, parts.keyId))
      throw new Refusal('request:unauthenticated');
    return { kind: 'key', account: found.account, keyId: found.keyId, role: found.role };
  }

  private operator(token: string): Principal {
    if (!isSameSecret(token, this.settings.env.OPERATOR_KEY)) throw new Refusal('request:unauthenticated');
    return { kind: 'operator' };
  }

  private async await(hash: string): Promise<ReturnType<Accounts['findApiKey']>> {
    for (let waited = 0; waited < UNKNOWN_KEY_WAIT_MS; waited += POLL_MS) {
      await sleep(POLL_MS);
      const found = this.accounts.findApiKey(hash);
      if (found !== null) return found;
    }
    return null;
  }
}
