import { Refusal } from '@muster/contracts/errors';
import { getGroup } from '@muster/contracts/group';
import type { Id } from '@muster/contracts/ids';
import type { Call } from './route.js';

/**
 * Groups that contacts are to join are checked before anything is written: a call that is refused has changed nothing.
 * @throws Refusal `group:not_found` or `group:dynamic` with the place in `groups`.
 */
export async function requireStandard(call: Call, groups: readonly Id[]): Promise<void> {
  await Promise.all(
    groups.map(async (id, index) => {
      const { group } = await call.ask(getGroup, { id }).catch((error: unknown) => {
        if (error instanceof Refusal && error.code === 'group:not_found')
          throw new Refusal('group:not_found', { path: `groups[${index}]` });
        throw error;
      });
      if (group.kind === 'dynamic') throw new Refusal('group:dynamic', { path: `groups[${index}]` });
    }),
  );
}
