import { docsPage } from './docs.page.js';
import { openApi } from './openapi.js';
import { route, type Answer, type Route } from './route.js';

const tag = 'Operations';
const FRESH_SECONDS = 3_600;

/** The two routes that describe the others, and themselves. The text is made once. */
export function docsRoutes(others: readonly Route[]): readonly Route[] {
  const text = (make: () => string, type: string): (() => Promise<Answer>) => {
    let made: string | undefined;
    return async () => ({
      status: 200,
      text: (made ??= make()),
      headers: { 'content-type': type, 'cache-control': `public, max-age=${FRESH_SECONDS}` },
    });
  };
  const own: Route[] = [
    route({
      method: 'GET',
      path: '/v1/openapi.json',
      tag,
      summary: 'This API in OpenAPI 3.1.',
      permission: 'public',
      answers: { 200: { mediaType: 'application/json', description: 'OpenAPI 3.1' } },
      handle: text(() => JSON.stringify(openApi([...others, ...own])), 'application/json; charset=utf-8'),
    }),
    route({
      method: 'GET',
      path: '/docs',
      tag,
      summary: 'This API as a page to read.',
      permission: 'public',
      answers: {
        200: { mediaType: 'text/html', description: 'The calls, who may make them, and all codes' },
      },
      handle: text(() => docsPage([...others, ...own]), 'text/html; charset=utf-8'),
    }),
  ];
  return own;
}
