import { describe, expect, it } from 'vitest';
import { readSettings } from './config.js';
import { addresses, neededPorts, plan, SERVICES, stages } from './plan.js';
import { portBlock, takenPorts } from './ports.js';

const secrets = { masterKey: 'bWFzdGVy', operatorKey: 'op_1' };
const settings = readSettings(['up', '--ports', '7500', '--state', '/tmp/muster-plan'], {});
const specs = plan(settings, secrets);
const spec = (name: string) => specs.find((one) => one.name === name);

describe('the block of ports', () => {
  it('gives every process a port of its own', () => {
    const ports = Object.values(portBlock(7400));
    expect(new Set(ports).size).toBe(ports.length);
    expect([Math.min(...ports), Math.max(...ports)]).toEqual([7400, 7413]);
  });

  it('names a port that is taken and the option that moves the block', async () => {
    const { createServer } = await import('node:net');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const ports = { ...portBlock(20_000), mongo: port };
    expect(await takenPorts(ports, ['mongo'])).toBe(
      `Port ${port} (mongo) is taken by another program. ` +
        "Move all of Muster's ports with --ports, for example: ./muster up --ports 20100",
    );
    await new Promise((resolve) => server.close(resolve));
    expect(await takenPorts(ports, ['mongo'])).toBeUndefined();
  });
});

describe('the plan', () => {
  it('starts stores, then services, then the gateway', () => {
    const order = stages(specs).map((stage) => stage.map(({ name }) => name));
    expect(order).toEqual([
      ['eventstore', 'mongo', 'nats', 'redis'],
      ['compliance', 'contacts', 'groups', 'imports', 'inbound'],
      ['gateway'],
    ]);
  });

  it('does not start a store whose address is given, and gives that address to the services', () => {
    const url = 'mongodb://db.example.com/?replicaSet=rs0';
    const elsewhere = readSettings(['up'], { MONGO_URL: url });
    const names = plan(elsewhere, secrets).map(({ name }) => name);
    expect(names).not.toContain('mongo');
    expect(neededPorts(elsewhere)).not.toContain('mongo');
    expect(addresses(elsewhere).mongo).toBe(url);
    for (const service of plan(elsewhere, secrets).filter(({ stage }) => stage > 0)) {
      expect(service.env['MONGO_URL']).toBe(url);
    }
  });

  it('gives every service its addresses, its own port and the loopback interface', () => {
    for (const name of SERVICES) {
      expect(spec(name)?.env).toMatchObject({
        NATS_URL: 'nats://127.0.0.1:7512',
        EVENTSTORE_URL: 'esdb://127.0.0.1:7510?tls=false',
        MONGO_URL: 'mongodb://127.0.0.1:7511',
        MASTER_KEY: secrets.masterKey,
        HTTP_HOST: '127.0.0.1',
        HTTP_PORT: `${settings.ports[name]}`,
      });
    }
  });

  it('gives the operator key to the gateway only, and Redis to the imports only', () => {
    expect(specs.filter(({ env }) => 'OPERATOR_KEY' in env).map(({ name }) => name)).toEqual(['gateway']);
    expect(specs.filter(({ env }) => 'REDIS_URL' in env).map(({ name }) => name)).toEqual(['imports']);
    expect(spec('gateway')?.env).toMatchObject({
      PUBLIC_URL: 'http://127.0.0.1:7500',
      IMPORTS_URL: 'http://127.0.0.1:7504',
    });
  });

  it('puts no secret on a command line, where every user of the machine can read it', () => {
    for (const { args } of specs) {
      expect(args.join(' ')).not.toContain(secrets.masterKey);
      expect(args.join(' ')).not.toContain(secrets.operatorKey);
    }
  });

  it('runs Redis so that it loses no job', () => {
    expect(spec('redis')?.args.join(' ')).toContain('--appendonly yes');
    expect(spec('redis')?.args.join(' ')).toContain('--maxmemory-policy noeviction');
  });
});
