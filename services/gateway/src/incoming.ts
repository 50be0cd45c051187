import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Incoming, Part } from './route.js';

/** A request as routes see it. `draining` ends streams that would stay open for ever. */
export function incoming(request: FastifyRequest, reply: FastifyReply, draining: AbortSignal): Incoming {
  return {
    headers: flatHeaders(request),
    url: request.raw.url ?? '/',
    get origin() {
      return `${request.protocol}://${request.host}`;
    },
    get bytes() {
      return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    },
    parts: () => parts(request),
    get signal() {
      return AbortSignal.any([draining, left(reply)]);
    },
  };
}

/** Aborts when the connection closes before the answer is complete. */
function left(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => controller.abort());
  if (reply.raw.destroyed) controller.abort();
  return controller.signal;
}

function flatHeaders(request: FastifyRequest): Record<string, string> {
  const entries = Object.entries(request.headers).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return [[name, Array.isArray(value) ? value.join(', ') : value] as const];
  });
  return Object.fromEntries(entries);
}

/**
 * The parts of a multipart body. When the reader stops early, as for a file that was refused, the rest is read and
 * thrown away: the caller would otherwise never get to the answer, nor the next request on the connection anywhere.
 */
async function* parts(request: FastifyRequest): AsyncIterable<Part> {
  if (!request.isMultipart()) return;
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') yield { type: 'field', name: part.fieldname, value: String(part.value) };
      else yield { type: 'file', name: part.fieldname, fileName: part.filename, stream: part.file };
    }
  } finally {
    request.raw.unpipe();
    request.raw.resume();
  }
}
