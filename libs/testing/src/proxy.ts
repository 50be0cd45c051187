import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';

/** A loopback TCP proxy in front of a server, which loses, delays and cuts what passes through it. */
export interface FaultProxy {
  readonly port: number;
  /** From now on what the server answers is dropped; requests still reach it. */
  loseReplies(): void;
  /** From now on what is sent either way arrives this much later. */
  delay(ms: number): void;
  /** Resets every open connection at once and, until `heal`, every new one. */
  cut(): void;
  /** Ends all faults for connections to come; those that lost bytes are reset, since their stream is broken. */
  heal(): void;
  /** How often each fault had an effect: chunks dropped, chunks delayed, connections reset. */
  readonly fired: { readonly lostReplies: number; readonly delayed: number; readonly cut: number };
  stop(): Promise<void>;
}

type Mode = { kind: 'clear' } | { kind: 'lose' } | { kind: 'cut' } | { kind: 'delay'; ms: number };

/** Starts a proxy to `target` on the loopback interface. */
export async function startFaultProxy(target: { port: number; host?: string }): Promise<FaultProxy> {
  const fired = { lostReplies: 0, delayed: 0, cut: 0 };
  const pairs = new Map<Socket, Socket>();
  const broken = new Set<Socket>();
  let mode: Mode = { kind: 'clear' };

  const reset = (client: Socket): void => {
    client.resetAndDestroy();
    pairs.get(client)?.destroy();
  };
  const pass = (client: Socket, to: Socket, chunk: Buffer, isReply: boolean): void => {
    if (mode.kind === 'lose' && isReply) {
      fired.lostReplies += 1;
      broken.add(client);
    } else if (mode.kind === 'delay') {
      fired.delayed += 1;
      setTimeout(() => to.writable && to.write(chunk), mode.ms);
    } else if (to.writable) to.write(chunk);
  };
  const server = createServer((client) => {
    client.on('error', () => undefined);
    if (mode.kind === 'cut') {
      fired.cut += 1;
      client.resetAndDestroy();
      return;
    }
    const upstream = createConnection({ port: target.port, host: target.host ?? '127.0.0.1' });
    pairs.set(client, upstream);
    client.on('data', (chunk) => pass(client, upstream, chunk, false));
    upstream.on('data', (chunk) => pass(client, client, chunk, true));
    upstream.on('error', () => undefined);
    client.on('close', () => {
      upstream.destroy();
      pairs.delete(client);
      broken.delete(client);
    });
    upstream.on('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    fired,
    loseReplies: () => void (mode = { kind: 'lose' }),
    delay: (ms) => void (mode = { kind: 'delay', ms }),
    cut: () => {
      mode = { kind: 'cut' };
      fired.cut += pairs.size;
      for (const client of pairs.keys()) reset(client);
    },
    heal: () => {
      mode = { kind: 'clear' };
      for (const client of broken) reset(client);
    },
    stop: async () => {
      for (const client of pairs.keys()) reset(client);
      server.close();
      await once(server, 'close');
    },
  };
}
