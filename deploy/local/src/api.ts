/** What the public API answered instead of a success. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const TIMEOUT_MS = 60_000;

export interface Request {
  body?: unknown;
  /** Makes a repeat of the request harmless. */
  idempotencyKey?: string;
}

/** The public API, called as any program would call it. */
export class Api {
  constructor(
    readonly url: string,
    private readonly key: string,
  ) {}

  /** Sends JSON, or a form when the body is FormData. Throws an ApiError on any status but 2xx. */
  async call<T>(method: string, path: string, request: Request = {}): Promise<T> {
    const { body, idempotencyKey } = request;
    const isForm = body instanceof FormData;
    const headers: Record<string, string> = { authorization: `Bearer ${this.key}` };
    if (idempotencyKey !== undefined) headers['idempotency-key'] = idempotencyKey;
    if (body !== undefined && !isForm) headers['content-type'] = 'application/json';
    const response = await fetch(this.url + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    if (!response.ok) throw apiError(`${method} ${path}`, response.status, text);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }
}

function apiError(call: string, status: number, text: string): ApiError {
  let problem: { code?: string; detail?: string; title?: string } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    problem = { detail: text.slice(0, 200) };
  }
  const code = problem.code ?? `http:${status}`;
  return new ApiError(
    status,
    code,
    `${call} answered ${status} ${code}: ${problem.detail ?? problem.title ?? ''}`,
  );
}
