import { readConfig, RuntimeEnv } from '@muster/runtime/config';
import { z } from 'zod';

export const ImportsEnv = RuntimeEnv.extend({
  REDIS_URL: z.string().regex(/^rediss?:\/\/\S+$/),
  /** Where uploaded files are kept. Replicas must see the same folder. */
  DATA_DIR: z.string().min(1),
});
export type ImportsEnv = z.infer<typeof ImportsEnv>;

export const readImportsConfig = (): ImportsEnv => readConfig(ImportsEnv);
