import { codes, openApi, operationId, whoMay } from './openapi.js';
import { routeName, type Route } from './route.js';

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f23}
h1,h2{line-height:1.2}code{font:14px ui-monospace,monospace}a{color:#0b57d0}
details{border-top:1px solid #ddd;padding:.6rem 0}summary{cursor:pointer}summary code{font-weight:600}
pre{background:#f5f6f8;padding:1rem;overflow:auto;border-radius:6px;font-size:13px}
table{border-collapse:collapse}td{border-top:1px solid #ddd;padding:.3rem .8rem .3rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e6e8ea}pre{background:#1f2428}a{color:#8ab4f8}}`;

type Operations = Record<
  string,
  Record<string, { parameters: Parameter[]; requestBody?: unknown; responses: unknown }>
>;
interface Parameter {
  name: string;
  in: string;
  required: boolean;
  description?: string;
}

/** One page without scripts or outside assets: the calls by area, and every code with what to do. */
export function docsPage(routes: readonly Route[]): string {
  const paths = openApi(routes)['paths'] as Operations;
  const tags = [...new Set(routes.map((route) => route.tag))];
  const areas = tags.map((tag) => {
    const calls = routes.filter((route) => route.tag === tag).map((route) => call(route, paths));
    return `<h2 id="${escape(tag)}">${escape(tag)}</h2>\n${calls.join('\n')}`;
  });
  const rows = codes().map(
    ({ code, status, sentence }) =>
      `<tr id="${escape(code)}"><td><code>${escape(code)}</code></td><td>${status}</td><td>${escape(sentence)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Muster API</title><style>${STYLE}</style></head><body>
<h1>Muster API</h1>
<p>Machine-readable: <a href="/v1/openapi.json">/v1/openapi.json</a>. Areas: ${tags
    .map((tag) => `<a href="#${escape(tag)}">${escape(tag)}</a>`)
    .join(', ')}, <a href="#codes">codes</a>.</p>
${areas.join('\n')}
<h2 id="codes">Codes</h2>
<table>${rows.join('\n')}</table>
</body></html>
`;
}

function call(route: Route, paths: Operations): string {
  const operation = paths[route.path]?.[route.method.toLowerCase()];
  const parameters = (operation?.parameters ?? []).map(
    ({ name, in: place, required, description }) =>
      `<li><code>${escape(name)}</code> (${place}${required ? ', required' : ''}) ${escape(description ?? '')}</li>`,
  );
  const body = operation?.requestBody === undefined ? '' : json('Body', operation.requestBody);
  return `<details id="${operationId(route)}"><summary><code>${escape(routeName(route))}</code> ${escape(route.summary)}</summary>
<p>${escape(whoMay(route.permission))}</p><ul>${parameters.join('')}</ul>${body}${json('Answers', operation?.responses)}</details>`;
}

function json(title: string, value: unknown): string {
  return `<details><summary>${title}</summary><pre>${escape(JSON.stringify(value, null, 2) ?? '')}</pre></details>`;
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
