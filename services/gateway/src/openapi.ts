import { ERRORS } from '@muster/contracts/errors';
import { z } from 'zod';
import { Problem, STATUS } from './problem.js';
import { MAY, type Permission } from './roles.js';
import { isWrite, JSON_BYTES_MAX, type AnswerShape, type Route } from './route.js';

type Json = Record<string, unknown>;

const DESCRIPTION = `The platform for contacts, consent, groups and audiences.

- Every write answers \`position\`; every query takes \`?atLeast=<position>\` and waits briefly until it is included.
- Every write takes an \`Idempotency-Key\`: the same request with the same key is done once, for seven days.
- Lists page by \`next\` → \`?after=\`.
- Refusals are problem documents (RFC 9457) with a closed \`code\`.
- Every answer carries \`x-request-id\`.
- Limits: JSON bodies ${JSON_BYTES_MAX / 1024} KiB, pasted rows 16 MiB, files 512 MiB, webhooks 256 KiB.`;

/** OpenAPI 3.1 of the table of routes; schemas are those that requests are parsed with. */
export function openApi(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const methods = (paths[route.path] ??= {});
    methods[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Muster', version: '1', description: DESCRIPTION },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Problem: jsonSchema(Problem, 'output') },
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key of an account: mk_…' },
        operator: { type: 'http', scheme: 'bearer', description: 'The key of the operator' },
      },
      responses: {
        Problem: {
          description: `Refused. Codes: ${Object.keys(ERRORS).join(', ')}`,
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  };
}

/** Name of an operation: `get_v1_contacts_id`. */
export function operationId(route: Pick<Route, 'method' | 'path'>): string {
  return `${route.method.toLowerCase()}${route.path.replaceAll(/[^a-zA-Z0-9]+/g, '_')}`.replace(/_$/, '');
}

function operation(route: Route): Json {
  return {
    operationId: operationId(route),
    tags: [route.tag],
    summary: route.summary,
    description: whoMay(route.permission),
    security: security(route.permission),
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query'), ...headers(route)],
    ...(hasBody(route) && { requestBody: requestBody(route) }),
    responses: {
      ...Object.fromEntries(Object.entries(route.answers).map(([status, shape]) => [status, answer(shape)])),
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

/** Who may make a call, in words. */
export function whoMay(permission: Permission): string {
  if (permission === 'public') return 'Needs no key.';
  if (permission === 'operator') return 'For the operator.';
  return `Roles: ${MAY[permission].join(', ')}.`;
}

function security(permission: Permission): Json[] {
  if (permission === 'public') return [];
  return permission === 'operator' ? [{ operator: [] }] : [{ apiKey: [] }];
}

function parameters(schema: z.ZodObject | undefined, place: 'path' | 'query'): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...property }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description !== undefined && { description }),
    schema: property,
  }));
}

function headers(route: Route): Json[] {
  const header = (name: string, description: string): Json => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string', maxLength: 255 },
  });
  return [
    ...(isWrite(route) ? [header('Idempotency-Key', 'Makes the call repeatable')] : []),
    ...(route.ifMatch ? [header('If-Match', 'The revision that the change is meant for')] : []),
  ];
}

const hasBody = (route: Route): boolean => route.body !== undefined || route.bodyKind === 'bytes';

function requestBody(route: Route): Json {
  if (route.bodyKind === 'bytes')
    return { required: true, content: { '*/*': { schema: { description: 'As the carrier sends it' } } } };
  const json = { 'application/json': { schema: jsonSchema(route.body as z.ZodType, 'input') } };
  if (route.bodyKind !== 'upload') return { required: true, content: json };
  const form = {
    type: 'object',
    required: ['file'],
    properties: {
      groups: { type: 'string', description: 'Ids of groups, separated by commas' },
      file: { type: 'string', contentMediaType: 'application/octet-stream' },
    },
  };
  return { required: true, content: { 'multipart/form-data': { schema: form }, ...json } };
}

function answer(shape: AnswerShape): Json {
  if (!(shape instanceof z.ZodType))
    return { description: shape.description, content: { [shape.mediaType]: { schema: { type: 'string' } } } };
  return { description: 'Done', content: { 'application/json': { schema: jsonSchema(shape, 'output') } } };
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
  });
  return json;
}

/** Every code with its status and sentence, for the documentation. */
export function codes(): { code: string; status: number; sentence: string }[] {
  return Object.entries(ERRORS).map(([code, sentence]) => ({
    code,
    status: STATUS[code as keyof typeof STATUS],
    sentence,
  }));
}
