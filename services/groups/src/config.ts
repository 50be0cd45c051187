import { readConfig, RuntimeEnv } from '@muster/runtime/config';
import { z } from 'zod';

/** Everything that the groups service reads from its environment. */
export const GroupsEnv = RuntimeEnv.extend({
  /**
   * Loops that share the accounts, the same number in every replica; each has one active owner. A replica is ready when it
   * owns them all, so a second one stands by until the first is gone.
   */
  PARTITIONS: z.coerce.number().int().min(1).max(256).default(1),
  /** How long the owner of a loop may be silent before another takes it over, in milliseconds. */
  LEASE_MS: z.coerce.number().int().min(300).max(120_000).default(3_000),
});
export type GroupsEnv = z.infer<typeof GroupsEnv>;

export const readGroupsConfig = (): GroupsEnv => readConfig(GroupsEnv);
