import { describe, expect, it } from 'vitest';
import { docsPage } from './docs.page.js';
import { codes, openApi, operationId } from './openapi.js';
import { isWrite, routeName, type Route } from './route.js';
import { ROUTES } from './routes.js';

interface Operation {
  operationId: string;
  security: object[];
  parameters: { name: string; in: string; required: boolean }[];
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { content?: Record<string, { schema: object }> }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
}

const document = JSON.parse(JSON.stringify(openApi(ROUTES))) as Document;
const operationOf = (route: Route): Operation | undefined =>
  document.paths[route.path]?.[route.method.toLowerCase()];
const named = ROUTES.map((route): [string, Route] => [routeName(route), route]);

describe('the OpenAPI document', () => {
  it('is 3.1 and lists every route once', () => {
    const listed = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(document.openapi).toBe('3.1.0');
    expect(listed.sort()).toEqual(ROUTES.map(routeName).sort());
    expect(new Set(ROUTES.map(operationId)).size).toBe(ROUTES.length);
  });

  it.each(named)('describes the parameters of %s', (_name, route) => {
    const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const parameters = operationOf(route)?.parameters ?? [];
    expect(parameters.filter((each) => each.in === 'path').map((each) => each.name)).toEqual(inPath);
    expect(parameters.filter((each) => each.in === 'path' && !each.required)).toEqual([]);
    expect(Object.keys(route.query?.shape ?? {}).sort()).toEqual(
      parameters
        .filter((each) => each.in === 'query')
        .map((each) => each.name)
        .sort(),
    );
    expect(parameters.some((each) => each.name === 'Idempotency-Key')).toBe(isWrite(route));
  });

  it.each(named)('gives a schema to each body and answer of %s', (_name, route) => {
    const operation = operationOf(route) as Operation;
    const contents = [operation.requestBody, ...Object.values(operation.responses)].flatMap((part) =>
      Object.values(part?.content ?? {}),
    );
    expect(contents.filter(({ schema }) => Object.keys(schema).length === 0)).toEqual([]);
    expect(Object.keys(operation.responses)).toContain('default');
  });

  it('says of the properties of a contact what they are', () => {
    const schema = operationOf(ROUTES.find((route) => routeName(route) === 'GET /v1/contacts/{id}') as Route)
      ?.responses['200']?.content?.['application/json']?.schema as { properties: Record<string, object> };
    expect(Object.keys(schema.properties)).toContain('optedInAt');
    expect(schema.properties['revision']).toMatchObject({ type: 'integer' });
  });

  it('says of query parameters what numbers they are, and their limits', () => {
    const list = operationOf(ROUTES.find((route) => routeName(route) === 'GET /v1/contacts') as Route);
    expect(list?.parameters).toContainEqual(
      expect.objectContaining({
        name: 'limit',
        schema: { type: 'integer', minimum: 1, maximum: 500, default: 50 },
      }),
    );
  });

  it('refers only to what it has', () => {
    const text = JSON.stringify(document);
    const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1] as string);
    const missing = references.filter(
      (reference) =>
        reference
          .split('/')
          .reduce<unknown>((at, name) => (at as Record<string, unknown>)?.[name], document) === undefined,
    );
    expect(missing).toEqual([]);
  });
});

describe('the documentation page', () => {
  const page = docsPage(ROUTES);
  it('lists every call and every code', () => {
    expect(ROUTES.filter((route) => !page.includes(`id="${operationId(route)}"`))).toEqual([]);
    expect(codes().filter(({ code }) => !page.includes(`<tr id="${code}">`))).toEqual([]);
  });
  it('needs nothing from elsewhere', () => {
    expect(page).not.toMatch(/<script|<link|<img|url\(|https?:\/\/(?!json-schema)/);
  });
});
