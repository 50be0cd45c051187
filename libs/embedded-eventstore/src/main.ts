import { parseArgs } from 'node:util';
import { onEndOfLife } from './lifetime.js';
import { type ServerOptions, startServer } from './server.js';

const USAGE = 'usage: main.js --data DIR --port PORT [--sync full|normal]';

/** Reads the command line. Throws with the usage if it is wrong. */
function optionsOf(args: string[]): ServerOptions {
  const { values } = parseArgs({
    args,
    options: {
      data: { type: 'string' },
      port: { type: 'string' },
      sync: { type: 'string', default: 'full' },
    },
  });
  const { data, sync } = values;
  const port = /^\d{1,5}$/.test(values.port ?? '') ? Number(values.port) : NaN;
  if (!data || !(port <= 65_535) || (sync !== 'full' && sync !== 'normal')) throw new Error(USAGE);
  return { dataDir: data, port, sync };
}

try {
  const server = await startServer(optionsOf(process.argv.slice(2)));
  onEndOfLife(() => {
    server.close().then(
      () => process.exit(0),
      (cause: unknown) => {
        console.error(cause);
        process.exit(1);
      },
    );
  });
  console.log(`READY ${JSON.stringify({ port: server.port })}`);
} catch (cause) {
  console.error(cause instanceof Error ? cause.message : String(cause));
  process.exit(1);
}
