import { Catch, UseFilters, applyDecorators, type ExceptionFilter } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import type { Envelope } from '@muster/contracts/envelope';
import type { Subject } from '@muster/contracts/subject';
import { throwError, type Observable } from 'rxjs';
import type { z } from 'zod';

/**
 * What a handler is given: the envelope and the parsed input. A class, so that it can stand in the
 * signature of a decorated method however it is imported; the runtime passes plain objects of this shape.
 */
export class Ask<S extends Subject> {
  declare readonly envelope: Envelope;
  declare readonly input: z.output<S['input']>;
}

/** What a handler answers; more properties than the contract names are cut off. */
export type AnswerOf<S extends Subject> = z.input<S['output']>;

/** Hands an error to our server as it was thrown; Nest would put another object in its place. */
@Catch()
class KeepError implements ExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/**
 * Answers one subject: `@Handles(revokeConsent) async revoke(request: Ask<typeof revokeConsent>)`. The
 * request arrives parsed and the answer is parsed; a thrown Refusal reaches the caller as one, anything
 * else as `service:internal`.
 */
export function Handles<S extends Subject>(
  subject: S,
): <M extends (request: Ask<S>) => Promise<AnswerOf<S>>>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void {
  return applyDecorators(MessagePattern(subject.subject, { subject }), UseFilters(KeepError));
}
