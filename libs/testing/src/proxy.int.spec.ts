import { createConnection, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { eventually } from './eventually.js';
import { startFaultProxy, type FaultProxy } from './proxy.js';
import { startRedis, type Server } from './servers.js';

let redis: Server;
let proxy: FaultProxy;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  proxy = await startFaultProxy(redis);
});
afterEach(() => proxy.stop());

interface Talk {
  socket: Socket;
  heard: string;
  reset: boolean;
}

function connect(port: number): Talk {
  const talk: Talk = { socket: createConnection({ port, host: '127.0.0.1' }), heard: '', reset: false };
  talk.socket.on('data', (data) => (talk.heard += data.toString()));
  talk.socket.on('error', () => (talk.reset = true));
  return talk;
}

describe('a fault proxy', () => {
  it('passes bytes both ways when nothing is wrong', async () => {
    const talk = connect(proxy.port);
    talk.socket.write('PING\r\n');
    await eventually(() => talk.heard === '+PONG\r\n');
    expect(proxy.fired).toEqual({ lostReplies: 0, delayed: 0, cut: 0 });
    talk.socket.destroy();
  });

  it('loses replies although the server has done what was asked', async () => {
    const talk = connect(proxy.port);
    proxy.loseReplies();
    talk.socket.write('SET lost done\r\n');
    await eventually(() => proxy.fired.lostReplies === 1);
    expect(talk.heard).toBe('');
    const direct = connect(redis.port);
    direct.socket.write('GET lost\r\n');
    await eventually(() => direct.heard.includes('done'));
    proxy.heal();
    await eventually(() => talk.reset);
    direct.socket.destroy();
  });

  it('delays without losing or reordering', async () => {
    proxy.delay(20);
    const talk = connect(proxy.port);
    talk.socket.write('ECHO one\r\n');
    await eventually(() => proxy.fired.delayed > 0);
    talk.socket.write('ECHO two\r\n');
    await eventually(() => talk.heard === '$3\r\none\r\n$3\r\ntwo\r\n');
    talk.socket.destroy();
  });

  it('cuts open and new connections until it is healed', async () => {
    const talk = connect(proxy.port);
    talk.socket.write('PING\r\n');
    await eventually(() => talk.heard === '+PONG\r\n');
    proxy.cut();
    await eventually(() => talk.reset);
    const second = connect(proxy.port);
    await eventually(() => second.reset);
    expect(proxy.fired.cut).toBe(2);
    proxy.heal();
    const third = connect(proxy.port);
    third.socket.write('PING\r\n');
    await eventually(() => third.heard === '+PONG\r\n');
    third.socket.destroy();
  });
});
