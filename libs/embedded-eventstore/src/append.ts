import type { Call, Handler } from './call.js';
import {
  type AppendOptions,
  MissingProperty,
  type ProposedEvent,
  decodeAppend,
  decodeBatchAppend,
} from './codec.js';
import { badRequest, encodeBatchFailure, encodeBatchResult, timedOut, tooLarge } from './append-answers.js';
import {
  RpcError,
  Status,
  invalidArgument,
  maximumAppendSizeExceeded,
  requiredMetadataMissing,
  streamDeleted,
} from './errors.js';
import { ANY, NO_STREAM, STREAM_EXISTS } from './revision.js';
import type { WriteResult, Writer } from './writer.js';
import { shared, streams } from './generated.js';

/** What one append may hold at most, in bytes: the limit of the real server. */
export const MAX_APPEND_BYTES = 1024 * 1024;

/** An append whose last chunk has not arrived yet. */
interface PendingAppend {
  options: AppendOptions;
  events: ProposedEvent[];
  size: number;
  timer?: NodeJS.Timeout;
}

/** Streams.BatchAppend: many appends over one call, each answered exactly once under its correlation id. */
export function batchAppend(writer: Writer): Handler {
  return (call) => {
    const batch = new BatchAppends(call, writer);
    call.onMessage((message) => batch.receive(message));
    call.onEnd(() => batch.end());
    call.onClose(() => batch.abandon());
  };
}

class BatchAppends {
  readonly #pending = new Map<string, PendingAppend>();
  #answers: Buffer[] = [];
  #inFlight = 0;
  #ended = false;

  constructor(
    private readonly call: Call,
    private readonly writer: Writer,
  ) {}

  receive(message: Buffer): void {
    const request = decodeBatchAppend(message, Date.now());
    const key = request.correlation.toString('latin1');
    if (request.options && !this.#pending.has(key)) {
      if (!this.#open(key, request.correlation, request.options)) return;
    }
    // Further chunks of an append that was answered already are dropped.
    const pending = this.#pending.get(key);
    if (!pending) return;
    const refuse = (failure: Parameters<typeof encodeBatchFailure>[2]): void => {
      this.#close(key);
      this.#answer(encodeBatchFailure(request.correlation, pending.options.stream, failure));
    };
    try {
      for (const event of request.decodeEvents()) {
        pending.events.push(event);
        pending.size += event.size;
      }
    } catch (cause) {
      return refuse(badRequest(cause instanceof Error ? cause.message : String(cause)));
    }
    if (pending.size > MAX_APPEND_BYTES) return refuse(tooLarge(MAX_APPEND_BYTES));
    if (request.isFinal) this.#write(key, request.correlation, pending);
  }

  /** Starts an append; false if it was refused. */
  #open(key: string, correlation: Buffer, options: AppendOptions): boolean {
    const refuse = (failure: Parameters<typeof encodeBatchFailure>[2]): void =>
      this.#answer(encodeBatchFailure(correlation, options.stream, failure));
    if (options.stream === '') {
      refuse(badRequest('Required field StreamIdentifier not set.'));
      return false;
    }
    const pending: PendingAppend = { options, events: [], size: 0 };
    if (options.deadline !== undefined) {
      const left = options.deadline - Date.now();
      if (left <= 0) {
        refuse(timedOut);
        return false;
      }
      const expire = (): void => {
        this.#close(key);
        refuse(timedOut);
      };
      pending.timer = setTimeout(expire, Math.min(left, 0x7fffffff)).unref();
    }
    this.#pending.set(key, pending);
    return true;
  }

  #close(key: string): void {
    clearTimeout(this.#pending.get(key)?.timer);
    this.#pending.delete(key);
  }

  #write(key: string, correlation: Buffer, { options, events }: PendingAppend): void {
    this.#close(key);
    this.#inFlight++;
    const { stream, expected, deadline } = options;
    this.writer.write({
      action: 'append',
      stream,
      expected,
      events,
      deadline,
      done: (result) => {
        this.#inFlight--;
        this.#answer(encodeBatchResult(correlation, stream, expected, result));
      },
    });
  }

  /** Answers of one commit leave in one write. */
  #answer(message: Buffer): void {
    this.#answers.push(message);
    if (this.#answers.length === 1) queueMicrotask(() => this.#sendAnswers());
  }

  #sendAnswers(): void {
    const answers = this.#answers;
    this.#answers = [];
    this.call.send(answers);
    this.#finishIfDone();
  }

  end(): void {
    this.#ended = true;
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (this.#ended && this.#inFlight === 0 && this.#answers.length === 0) this.call.finish();
  }

  abandon(): void {
    for (const key of this.#pending.keys()) this.#close(key);
  }
}

/** Streams.Append: options first, then one event per message; written when the client has ended. */
export function append(writer: Writer): Handler {
  return (call) => {
    call.statusWhenStopped = Status.unavailable;
    let options: AppendOptions | undefined;
    const events: ProposedEvent[] = [];
    let size = 0;
    call.onMessage((message) => {
      const part = decodeClassic(message);
      if ('options' in part) {
        options = part.options;
        return;
      }
      events.push(part.event);
      size += part.event.size;
      if (size > MAX_APPEND_BYTES) throw maximumAppendSizeExceeded(MAX_APPEND_BYTES);
    });
    call.onEnd(() =>
      call.run(async () => {
        if (!options) throw invalidArgument('The append has no options.');
        const { stream, expected } = options;
        const result = await writer.request({ action: 'append', stream, expected, events });
        call.send([encodeAppendResult(stream, expected, result)]);
        call.finish();
      }),
    );
  };
}

function decodeClassic(message: Buffer): ReturnType<typeof decodeAppend> {
  try {
    return decodeAppend(message, Date.now());
  } catch (cause) {
    throw cause instanceof MissingProperty ? requiredMetadataMissing(cause.property) : cause;
  }
}

/** AppendResp: a conflict is an answer, other refusals are errors. */
function encodeAppendResult(stream: string, expected: number, result: WriteResult): Buffer {
  const response = new streams.AppendResp();
  if (result.kind === 'done') response.setSuccess(appendSuccess(result.rev, result.pos));
  else if (result.kind === 'wrong')
    response.setWrongExpectedVersion(appendConflict(expected, result.current));
  else if (result.kind === 'deleted') throw streamDeleted(stream);
  else
    throw new RpcError(
      Status.unknown,
      result.kind === 'failed' ? result.message : 'The append has timed out.',
    );
  return Buffer.from(response.serializeBinary());
}

function appendSuccess(rev: number, pos: number) {
  const success = new streams.AppendResp.Success();
  if (rev < 0) success.setNoStream(new shared.Empty());
  else success.setCurrentRevision(String(rev));
  const position = new streams.AppendResp.Position();
  position.setCommitPosition(String(pos));
  position.setPreparePosition(String(pos));
  success.setPosition(position);
  return success;
}

function appendConflict(expected: number, current: number) {
  const conflict = new streams.AppendResp.WrongExpectedVersion();
  const empty = new shared.Empty();
  if (current < 0) conflict.setCurrentNoStream(empty);
  else conflict.setCurrentRevision(String(current));
  if (expected === ANY) conflict.setExpectedAny(empty);
  else if (expected === NO_STREAM) conflict.setExpectedNoStream(empty);
  else if (expected === STREAM_EXISTS) conflict.setExpectedStreamExists(empty);
  else conflict.setExpectedRevision(String(expected));
  return conflict;
}
