import { createServer } from 'node:net';

/** The first port of the block unless `--ports` says otherwise. */
export const DEFAULT_FIRST_PORT = 7400;
const BLOCK = 14;

/** Every process and the place of its port in the block; the order of this list is the order in which they are named. */
const OFFSETS = {
  gateway: 0,
  compliance: 1,
  contacts: 2,
  groups: 3,
  imports: 4,
  inbound: 5,
  eventstore: 10,
  mongo: 11,
  nats: 12,
  redis: 13,
} as const;

export type ProcessName = keyof typeof OFFSETS;
export type Ports = Readonly<Record<ProcessName, number>>;

/** The ports of a block. Throws a RangeError when the block does not fit between 1024 and 65535. */
export function portBlock(first: number): Ports {
  if (!Number.isInteger(first) || first < 1024 || first + BLOCK - 1 > 65_535) {
    throw new RangeError(`--ports takes a number from 1024 to ${65_536 - BLOCK}`);
  }
  const entries = Object.entries(OFFSETS).map(([name, offset]) => [name, first + offset]);
  return Object.fromEntries(entries) as Ports;
}

/** Whether a server could listen on the loopback port now. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** A sentence that names the ports that are taken and the option that moves the block; undefined when none is. */
export async function takenPorts(ports: Ports, needed: readonly ProcessName[]): Promise<string | undefined> {
  const taken: string[] = [];
  for (const name of needed) if (!(await isFree(ports[name]))) taken.push(`${ports[name]} (${name})`);
  if (taken.length === 0) return undefined;
  const what = taken.length === 1 ? `Port ${taken[0]} is` : `Ports ${taken.join(', ')} are`;
  const advice = `Move all of Muster's ports with --ports, for example: ./muster up --ports ${ports.gateway + 100}`;
  return `${what} taken by another program. ${advice}`;
}
