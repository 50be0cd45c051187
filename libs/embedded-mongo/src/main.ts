import { parseArgs } from 'node:util';
import { whenParentEnds } from './parent.js';
import { DataFolderInUse, startServer } from './server.js';

const usage = 'usage: main.js --data DIR --port PORT [--sync full|normal]';

/** Reads the command line. @throws with a sentence that names what is wrong */
function readArguments(): { dataDir: string; port: number; sync: 'full' | 'normal' } {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      port: { type: 'string' },
      sync: { type: 'string', default: 'full' },
    },
  });
  const port = Number(values.port);
  if (values.data === undefined || values.data === '') throw new Error('--data is missing');
  if (values.port === undefined || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error('--port must be a port number, or 0 for a free one');
  }
  if (values.sync !== 'full' && values.sync !== 'normal') throw new Error('--sync must be full or normal');
  return { dataDir: values.data, port, sync: values.sync };
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function readOrFail(): ReturnType<typeof readArguments> {
  try {
    return readArguments();
  } catch (error) {
    return fail(`${(error as Error).message}\n${usage}`);
  }
}

const options = readOrFail();
const onError = (error: unknown): void => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
};
const server = await startServer({ ...options, onError }).catch((error: unknown) => {
  if (error instanceof DataFolderInUse) return fail(error.message);
  throw error;
});
const stop = (): void => {
  void server.close().then(
    () => process.exit(0),
    (error: unknown) => {
      onError(error);
      process.exit(1);
    },
  );
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
whenParentEnds(stop);
process.stdout.write(`READY {"port":${server.port}}\n`);
