import type { FastifyInstance } from 'fastify';

const POLL_MS = 5;

/** Counts the HTTP requests that are being answered, so that a stopping service lets them finish. */
export class HttpInFlight {
  private readonly open = new Set<object>();

  constructor(http: FastifyInstance) {
    http.addHook('onRequest', (_request, reply, done) => {
      this.open.add(reply.raw);
      reply.raw.once('close', () => this.open.delete(reply.raw));
      done();
    });
  }

  get count(): number {
    return this.open.size;
  }

  /** Resolves when none is open, or when `signal` aborts. */
  async idle(signal: AbortSignal): Promise<void> {
    while (this.open.size > 0 && !signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}
