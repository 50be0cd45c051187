/** A webhook as it came: raw bytes, lower-case headers, and every public address under which it may have been signed. */
export interface WebhookRequest {
  method: string;
  /** Public URL with path and query, as the carrier has it configured. */
  url: string;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

/** One message of a webhook, in the same form for every carrier. */
export interface ProviderMessage {
  id: string;
  from: string;
  to: string;
  text: string | null;
  media: number;
  /** The carrier's own reading of the message as STOP, START or HELP. */
  optOutMark: string | null;
  /** The carrier's time of the message; null where it sends none. */
  saidAt: string | null;
}

export type Parsed =
  | { kind: 'message'; message: ProviderMessage }
  /** Signed and of no concern here, such as a delivery report. */
  | { kind: 'ignored' }
  | { kind: 'malformed'; missing: string };

/** A carrier: how its requests are proved to be its own, read, and answered. */
export interface Provider {
  assurance: 'high' | 'low';
  /** The first credential that is wrong, or null. */
  wrongCredential(credentials: Readonly<Record<string, string>>): string | null;
  verify(request: WebhookRequest, credentials: Readonly<Record<string, string>>): boolean;
  parse(request: WebhookRequest): Parsed;
  /** The answer's body; `text` null sends nothing back. */
  reply(text: string | null): { contentType: string; body: string };
}
