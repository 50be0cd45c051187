import { Position } from '@muster/contracts/envelope';
import { Id } from '@muster/contracts/ids';
import { z } from 'zod';

/** Every query takes it: the answer includes at least what that write changed, or is 503 `read:behind`. */
export const atLeast = {
  atLeast: z.coerce
    .number()
    .int()
    .nonnegative()
    .optional()
    .describe('A position that a write answered: wait briefly until it is included'),
};

export const AtLeastQuery = z.strictObject(atLeast);

/** A place in a list, from `next` of the page before; its text means nothing to callers. */
export const after = z.string().min(1).max(2000).optional().describe('`next` of the page before');

/** @param max largest page; @param usual page size without `limit` */
export const limit = (max: number, usual: number) =>
  z.coerce.number().int().min(1).max(max).default(usual).describe(`Items a page, at most ${max}`);

export const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');

export const PageQuery = z.strictObject({ after, limit: limit(100, 50), ...atLeast });

export const ById = z.object({ id: Id });

/** What every write answers at least. */
export const Done = z.object({ position: Position });

export const pageOf = <S extends z.ZodType>(item: S) =>
  z.object({ items: z.array(item), next: z.string().nullable() });
export const listOf = <S extends z.ZodType>(item: S) => z.object({ items: z.array(item) });
