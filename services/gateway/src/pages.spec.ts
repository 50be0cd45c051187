import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { writePages } from './pages.js';

/** More than what the buffers of two sockets hold. */
const PAGES = 400;
const LINE = `${'x'.repeat(99)}\n`;

let server: Server;
let written: Promise<void>;

/** Serves the pages once, and gives a connection that has asked for them and reads nothing yet. */
async function asked(pages: (response: ServerResponse) => AsyncIterable<string>): Promise<Socket> {
  server = createServer((_request, response) => {
    written = writePages(response, pages(response));
    written.catch(() => undefined);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  return socket;
}

async function everything(socket: Socket): Promise<string> {
  let seen = '';
  for await (const bytes of socket) seen += String(bytes);
  return seen;
}

/** Resolves when a number has not grown for a while. */
async function settled(count: () => number): Promise<number> {
  for (let before = -1; ; await sleep(150)) {
    if (count() > 0 && count() === before) return before;
    before = count();
  }
}

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

describe('pages on a connection', () => {
  it('arrive whole and in order, empty ones too', async () => {
    const socket = await asked(async function* () {
      for (const page of ['a\n', '', 'b\nc\n', '']) yield page;
    });
    const text = await everything(socket);
    expect(text.replaceAll(/^[\da-f]+\r$/gm, '')).toContain('a\n');
    expect(text.match(/^[abc]$/gm)).toEqual(['a', 'b', 'c']);
    expect(text.endsWith('0\r\n\r\n')).toBe(true);
  });

  it('are not made for a reader that pauses, who gets nothing in them that was taken out meanwhile', async () => {
    let made = 0;
    let isOut = false;
    const waiting: number[] = [];
    const socket = await asked(async function* (response) {
      for (; made < PAGES;) {
        waiting.push(response.writableLength);
        const page = isOut ? 'without\n' : `with\n${LINE.repeat(1_000)}`;
        made += 1;
        yield page;
      }
    });
    const before = await settled(() => made);
    expect(before).toBeLessThan(PAGES);
    isOut = true;
    const text = await everything(socket);
    expect(made).toBe(PAGES);
    expect(text.match(/^with$/gm)).toHaveLength(before);
    expect(text.match(/^without$/gm)).toHaveLength(PAGES - before);
    expect(waiting.every((bytes) => bytes === 0)).toBe(true);
  });

  it('are asked for no longer when the reader has left', async () => {
    let made = 0;
    let isEnded = false;
    const socket = await asked(async function* () {
      try {
        for (; made < PAGES; made += 1) yield LINE.repeat(1_000);
      } finally {
        isEnded = true;
      }
    });
    await settled(() => made);
    socket.destroy();
    await written;
    expect(isEnded).toBe(true);
    expect(made).toBeLessThan(PAGES);
  });

  it('are asked for no longer when the reader leaves while they are empty', async () => {
    let made = 0;
    const socket = await asked(async function* (response) {
      yield 'one\n';
      await once(response, 'close');
      for (; made < PAGES; made += 1) yield '';
    });
    await once(socket.resume(), 'data');
    socket.destroy();
    await written;
    expect(made).toBeLessThanOrEqual(1);
  });

  it('break the connection when one fails', async () => {
    const socket = await asked(async function* () {
      yield 'one\n';
      throw new Error('gone');
    });
    const text = await everything(socket).catch(() => '');
    await expect(written).rejects.toThrow('gone');
    expect(text.endsWith('0\r\n\r\n')).toBe(false);
  });
});
