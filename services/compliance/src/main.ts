import { bootstrap } from '@muster/runtime/bootstrap';
import { complianceModule } from './compliance.module.js';
import { readComplianceConfig } from './config.js';

const env = readComplianceConfig();
await bootstrap({ service: 'compliance', module: complianceModule(env), env });
