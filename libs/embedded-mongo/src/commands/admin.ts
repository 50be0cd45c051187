import { Long, ObjectId } from 'bson';
import type { Document } from '../bson-types.js';
import { MAX_DOCUMENT_BYTES } from '../document-bytes.js';
import { serverError } from '../errors.js';
import { MAX_MESSAGE_BYTES } from '../wire.js';
import { checkFields, type Handler, ok } from './context.js';
import { requireAdmin } from './collections.js';

/** The version of MongoDB whose behaviour is imitated. */
const VERSION = '7.0.14';
const versionArray = [7, 0, 14, 0];
/** Wire version 21 is MongoDB 7.0. */
const MAX_WIRE_VERSION = 21;

const processId = new ObjectId();

/**
 * hello, isMaster. The server calls itself a standalone: sessions exist, transactions, retryable writes and
 * change
 * streams do not, and drivers know that from this answer.
 */
export const hello: Handler = (context) => {
  const legacy = context.name.toLowerCase() === 'ismaster';
  return ok({
    ...(legacy ? { ismaster: true } : { isWritablePrimary: true }),
    helloOk: true,
    maxBsonObjectSize: MAX_DOCUMENT_BYTES,
    maxMessageSizeBytes: MAX_MESSAGE_BYTES,
    maxWriteBatchSize: 100_000,
    localTime: new Date(),
    logicalSessionTimeoutMinutes: 30,
    connectionId: context.connectionId,
    minWireVersion: 0,
    maxWireVersion: MAX_WIRE_VERSION,
    readOnly: false,
  });
};

/** Commands that have nothing to do here but succeed: sessions hold no state. */
export const accept: Handler = () => ok();

/** buildInfo */
export const buildInfo: Handler = (context) => {
  checkFields(context, []);
  return ok({
    version: VERSION,
    versionArray,
    gitVersion: 'embedded',
    modules: [],
    bits: 64,
    debug: false,
    maxBsonObjectSize: MAX_DOCUMENT_BYTES,
    storageEngines: ['sqlite'],
  });
};

const parameters: Document = {
  featureCompatibilityVersion: { version: '7.0' },
  authenticationMechanisms: [],
  enableTestCommands: false,
  cursorTimeoutMillis: Long.fromNumber(600_000),
};

/** getParameter, for the few parameters that drivers and tools ask for */
export const getParameter: Handler = (context) => {
  requireAdmin(context);
  const wanted = context.command[context.name];
  if (wanted === '*') return ok(parameters);
  const found = Object.keys(context.command).filter((name) => Object.hasOwn(parameters, name));
  if (found.length === 0) throw serverError(72, 'no option found to get');
  return ok(Object.fromEntries(found.map((name) => [name, parameters[name]])));
};

/** connectionStatus: nobody is logged in, because there are no users. */
export const connectionStatus: Handler = (context) => {
  checkFields(context, ['showPrivileges']);
  return ok({ authInfo: { authenticatedUsers: [], authenticatedUserRoles: [] } });
};

/** serverStatus: what monitoring needs to see that the server lives. */
export const serverStatus: Handler = (context) => {
  const { engine } = context;
  const { rss, heapUsed } = process.memoryUsage();
  return ok({
    host: '127.0.0.1',
    version: VERSION,
    process: 'embedded-mongo',
    pid: Long.fromNumber(process.pid),
    processId,
    uptime: (Date.now() - engine.startedAt) / 1000,
    localTime: new Date(),
    metrics: { cursor: { open: { total: engine.cursors.size } } },
    mem: { bits: 64, resident: Math.round(rss / 1024 ** 2), heap: Math.round(heapUsed / 1024 ** 2) },
    storageEngine: { name: 'sqlite', supportsCommittedReads: true, persistent: true },
  });
};
