import { createConnection } from 'node:net';
import type { Ready } from './plan.js';

const ATTEMPT_MS = 3_000;

/** Whether a TCP port takes a connection and, where asked for, answers with what is expected. */
export function answers(
  address: { host?: string; port: number },
  talk: { send?: string; expect?: RegExp } = {},
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: address.host ?? '127.0.0.1', port: address.port });
    const done = (outcome: boolean): void => {
      socket.destroy();
      resolve(outcome);
    };
    socket.setTimeout(ATTEMPT_MS, () => done(false));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
    socket.once('connect', () => {
      if (talk.send !== undefined) socket.write(talk.send);
      if (talk.expect === undefined) done(true);
    });
    socket.once('data', (data) => done(talk.expect?.test(data.toString()) ?? true));
  });
}

/** Asks once whether a process may be used. Answers undefined when it may, and otherwise what is missing. */
export async function whyNotReady(ready: Ready): Promise<string | undefined> {
  if (ready.kind === 'tcp') {
    return (await answers(ready, ready)) ? undefined : `port ${ready.port} does not answer`;
  }
  try {
    const response = await fetch(ready.url, { signal: AbortSignal.timeout(ATTEMPT_MS) });
    const text = await response.text();
    return response.status === 200
      ? undefined
      : `${ready.url} answers ${response.status}: ${text.slice(0, 300)}`;
  } catch {
    return `${ready.url} does not answer`;
  }
}
