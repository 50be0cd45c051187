import { accountRoutes } from './account.http.js';
import { audienceRoutes } from './audience.http.js';
import { consentRoutes } from './consent.http.js';
import { contactRoutes } from './contact.http.js';
import { docsRoutes } from './docs.http.js';
import { endpointRoutes } from './endpoint.http.js';
import { fieldRoutes } from './field.http.js';
import { groupRoutes } from './group.http.js';
import { importRoutes } from './import.http.js';
import { inboundRoutes } from './inbound.http.js';
import { jobRoutes } from './job.http.js';
import { keywordRoutes } from './keyword.http.js';
import type { Route } from './route.js';
import { systemRoutes } from './system.http.js';

const calls: readonly Route[] = [
  ...contactRoutes,
  ...fieldRoutes,
  ...groupRoutes,
  ...consentRoutes,
  ...importRoutes,
  ...jobRoutes,
  ...endpointRoutes,
  ...keywordRoutes,
  ...inboundRoutes,
  ...audienceRoutes,
  ...accountRoutes,
  ...systemRoutes,
];

/** The API: every call that exists, in the order of the documentation. */
export const ROUTES: readonly Route[] = [...calls, ...docsRoutes(calls)];
