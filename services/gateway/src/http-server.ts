import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import multipart from '@fastify/multipart';
import { Refusal } from '@muster/contracts/errors';
import type { Bootstrap } from '@muster/runtime/bootstrap';
import { Log } from '@muster/runtime/log';
import { Metrics } from '@muster/runtime/metrics';
import { Readiness } from '@muster/runtime/readiness';
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import { Dispatcher } from './dispatcher.js';
import { incoming } from './incoming.js';
import { writePages } from './pages.js';
import { problemOf, refusalIn } from './problem.js';
import type { Principal } from './roles.js';
import { JSON_BYTES_MAX, routeName, type Answer, type BodyKind, type Route } from './route.js';
import { ROUTES } from './routes.js';

const UNKNOWN_ROUTE = 'unknown';

/**
 * Options that Fastify takes only at its making: e-mail addresses in paths are longer than its default allows, and an
 * address that cannot be decoded is refused as everything else is.
 */
export const HTTP_OPTIONS: NonNullable<Bootstrap['http']> = {
  routerOptions: { maxParamLength: 1_000 },
  frameworkErrors: (error, request, reply) => {
    // Before a route is found, Fastify types a reply by a route that is not known; it is a reply like any other.
    answerProblem(
      reply as unknown as FastifyReply,
      request.id,
      refusalIn(error) ?? new Refusal('request:invalid'),
    );
  },
};

/** Puts the table of routes on the HTTP server: bodies in, answers or problems out, a log line for each. */
@Injectable()
export class HttpServer implements OnModuleInit {
  private readonly callers = new WeakMap<FastifyRequest, Principal>();
  private readonly seconds: ReturnType<Metrics['histogram']>;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly dispatcher: Dispatcher,
    private readonly readiness: Readiness,
    private readonly log: Log,
    metrics: Metrics,
  ) {
    this.seconds = metrics.histogram('muster_http_seconds', 'Seconds to answer a call of the API', [
      'route',
      'status',
    ]);
  }

  onModuleInit(): void {
    const fastify: FastifyInstance = this.host.httpAdapter.getInstance();
    for (const kind of ['json', 'bytes', 'upload'] as const)
      fastify.register(async (scope) => this.install(scope, kind));
  }

  private install(scope: FastifyInstance, kind: BodyKind): void {
    scope.removeAllContentTypeParsers();
    if (kind === 'bytes') addBytes(scope);
    else addJson(scope);
    if (kind === 'upload')
      scope.register(multipart, { limits: { files: 1, fields: 20, fieldSize: 100_000, fileSize: Infinity } });
    scope.addHook('onResponse', async (request, reply) => this.report(request, reply));
    scope.setErrorHandler((error, request, reply) => this.refuse(error, request, reply));
    for (const route of ROUTES.filter((each) => (each.bodyKind ?? 'json') === kind)) this.add(scope, route);
    if (kind !== 'json') return;
    const unknown = (): never => {
      throw new Refusal('request:not_found');
    };
    scope.all('/*', { onRequest: async () => unknown() }, unknown);
  }

  private add(scope: FastifyInstance, route: Route): void {
    scope.route({
      method: route.method as HTTPMethods,
      url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      bodyLimit: route.bodyLimit ?? JSON_BYTES_MAX,
      config: { route: routeName(route) },
      handler: async (request, reply) => {
        const raw = {
          requestId: request.id,
          params: request.params,
          query: request.query,
          body: route.bodyKind === 'bytes' ? undefined : request.body,
          incoming: incoming(request, reply, this.readiness.draining),
        };
        const answer = await this.dispatcher.answer(route, raw, (caller) =>
          this.callers.set(request, caller),
        );
        if (answer.pages) return this.write(request, reply, answer, answer.pages);
        return send(reply, request.id, answer);
      },
    });
  }

  /** Writes to the connection itself: between it and the pages, no buffer may be filled ahead of the reader. */
  private async write(
    request: FastifyRequest,
    reply: FastifyReply,
    answer: Answer,
    pages: AsyncIterable<string>,
  ): Promise<FastifyReply> {
    const headers = headersOf(request.id, answer);
    reply.hijack();
    reply.raw.writeHead(answer.status, headers);
    try {
      if (request.method === 'HEAD') reply.raw.end();
      else await writePages(reply.raw, pages);
    } catch (error) {
      const reason = { route: templateOf(request), requestId: request.id, code: refusalIn(error)?.code };
      this.log.error('answer broken off', error, reason);
    }
    return reply;
  }

  private refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const refusal = refusalIn(error);
    if (refusal === null)
      this.log.error('unforeseen', error, { route: templateOf(request), requestId: request.id });
    return answerProblem(reply, request.id, refusal ?? new Refusal('service:internal'));
  }

  /** The template of the route stands for the address, which may hold a phone number. */
  private report(request: FastifyRequest, reply: FastifyReply): void {
    const route = templateOf(request);
    const caller = this.callers.get(request);
    const ms = Math.round(reply.elapsedTime * 10) / 10;
    this.seconds.observe({ route, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
    this.log.info('answered', {
      route,
      status: reply.statusCode,
      ms,
      requestId: request.id,
      ...(caller?.kind === 'key' && { account: caller.account, key: caller.keyId }),
    });
  }
}

function answerProblem(reply: FastifyReply, requestId: string, refusal: Refusal): FastifyReply {
  const { status, headers, problem } = problemOf(refusal, requestId);
  return reply
    .code(status)
    .headers({ ...headers, 'x-request-id': requestId })
    .send(problem);
}

function templateOf(request: FastifyRequest): string {
  const { route } = request.routeOptions.config as { route?: string };
  return route ?? UNKNOWN_ROUTE;
}

function addJson(scope: FastifyInstance): void {
  const parse = scope.getDefaultJsonParser('error', 'ignore');
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else parse(request, body as string, done);
  });
}

function addBytes(scope: FastifyInstance): void {
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
}

function send(reply: FastifyReply, requestId: string, answer: Answer): FastifyReply {
  reply.code(answer.status).headers(headersOf(requestId, answer));
  return reply.send(answer.stream ?? answer.text ?? answer.body);
}

function headersOf(requestId: string, { headers }: Answer): Record<string, string> {
  return { 'cache-control': 'no-store', ...headers, 'x-request-id': requestId };
}
