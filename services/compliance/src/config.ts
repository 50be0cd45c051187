import { readConfig, RuntimeEnv } from '@muster/runtime/config';

export const ComplianceEnv = RuntimeEnv;
export type ComplianceEnv = RuntimeEnv;

export const readComplianceConfig = (): ComplianceEnv => readConfig(ComplianceEnv);
