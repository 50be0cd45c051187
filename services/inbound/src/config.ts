import { readConfig, RuntimeEnv } from '@muster/runtime/config';

export const InboundEnv = RuntimeEnv;
export type InboundEnv = RuntimeEnv;

export const readInboundConfig = (): InboundEnv => readConfig(InboundEnv);
