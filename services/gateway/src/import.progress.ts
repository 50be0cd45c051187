import { Refusal } from '@muster/contracts/errors';
import type { Id } from '@muster/contracts/ids';
import { getImport, type ImportState, type ImportView } from '@muster/contracts/import';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { canonical } from './canonical.js';
import type { Answer, Call } from './route.js';

const LOOK_MS = 500;
/** Silence after which a comment is sent, so that no proxy takes the connection for dead. */
const HEARTBEAT_MS = 15_000;

const ENDED: ReadonlySet<ImportState> = new Set(['completed', 'failed', 'cancelled', 'undone']);

/**
 * Server-sent events of an import until it ends or the caller leaves. `show` makes an event's data of the import. The
 * first look happens before the answer begins, so that an unknown import is a problem document and no stream.
 */
export async function progress(call: Call, id: Id, show: (view: ImportView) => unknown): Promise<Answer> {
  const first = (await call.ask(getImport, { id })).import;
  const stream = Readable.from(events(call, first, show), { objectMode: false });
  return { status: 200, stream, headers: { 'content-type': 'text/event-stream; charset=utf-8' } };
}

async function* events(
  call: Call,
  first: ImportView,
  show: (view: ImportView) => unknown,
): AsyncGenerator<string> {
  const { signal } = call.http;
  let view = first;
  let sent = '';
  let sentAt = Date.now();
  while (!signal.aborted) {
    const data = canonical(show(view));
    const ended = ENDED.has(view.state);
    if (ended || data !== sent) {
      yield `event: ${ended ? 'end' : 'progress'}\ndata: ${data}\n\n`;
      [sent, sentAt] = [data, Date.now()];
    } else if (Date.now() - sentAt > HEARTBEAT_MS) {
      yield ': still here\n\n';
      sentAt = Date.now();
    }
    if (ended) return;
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    if (!signal.aborted) view = await look(call, view);
  }
}

/** The import as it is now, or as it was last seen while its service does not answer. */
async function look(call: Call, last: ImportView): Promise<ImportView> {
  try {
    return (await call.ask(getImport, { id: last.id })).import;
  } catch (error) {
    if (error instanceof Refusal && error.code.startsWith('service:')) return last;
    throw error;
  }
}
