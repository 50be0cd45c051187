/** What of a problem document the tests look at (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  path?: string;
  errors?: { path: string; code: string; detail: string }[];
  requestId: string;
  position?: number;
  expected?: unknown;
}
