import { type Document, isDocument } from '../bson-types.js';
import type { Engine } from '../engine.js';
import { badValue, CommandError, commandNotFound, illegalOperation, serverError } from '../errors.js';
import type { Reply, Request } from '../wire.js';
import * as admin from './admin.js';
import { aggregate } from './aggregate.js';
import * as collections from './collections.js';
import type { CommandContext, Handler } from './context.js';
import { explain } from './explain.js';
import * as indexes from './indexes.js';
import * as read from './read.js';
import * as write from './write.js';

const handlers = new Map<string, Handler>([
  ['hello', admin.hello],
  ['isMaster', admin.hello],
  ['ismaster', admin.hello],
  ['ping', admin.accept],
  ['endSessions', admin.accept],
  ['refreshSessions', admin.accept],
  ['killSessions', admin.accept],
  ['buildInfo', admin.buildInfo],
  ['buildinfo', admin.buildInfo],
  ['getParameter', admin.getParameter],
  ['connectionStatus', admin.connectionStatus],
  ['serverStatus', admin.serverStatus],
  ['find', read.find],
  ['getMore', read.getMore],
  ['killCursors', read.killCursors],
  ['count', read.count],
  ['distinct', read.distinct],
  ['aggregate', aggregate],
  ['explain', explain],
  ['insert', write.insert],
  ['update', write.update],
  ['delete', write.remove],
  ['findAndModify', write.findAndModify],
  ['findandmodify', write.findAndModify],
  ['create', collections.create],
  ['drop', collections.drop],
  ['dropDatabase', collections.dropDatabase],
  ['listCollections', collections.listCollections],
  ['listDatabases', collections.listDatabases],
  ['collStats', collections.collStats],
  ['collstats', collections.collStats],
  ['dbStats', collections.dbStats],
  ['dbstats', collections.dbStats],
  ['createIndexes', indexes.createIndexes],
  ['listIndexes', indexes.listIndexes],
  ['dropIndexes', indexes.dropIndexes],
  ['deleteIndexes', indexes.dropIndexes],
]);

/**
 * Runs one command and turns what goes wrong into an error reply. Unexpected errors go to `report` as well.
 */
export async function runCommand(
  engine: Engine,
  request: Request,
  connectionId: number,
  report: (error: unknown) => void,
): Promise<Reply> {
  const name = Object.keys(request.command)[0] ?? '';
  try {
    const handler = handlers.get(name);
    if (handler === undefined) throw commandNotFound(name);
    const { command, sequences } = request;
    const database = command['$db'];
    if (typeof database !== 'string') throw serverError(40571, 'OP_MSG requests require a $db argument');
    checkGenericFields(command);
    const context: CommandContext = { engine, name, command, sequences, database, connectionId };
    return await handler(context);
  } catch (error) {
    if (!(error instanceof CommandError)) report(error);
    return errorReply(error);
  }
}

function errorReply(error: unknown): Document {
  if (error instanceof CommandError) {
    const labels = error.errorLabels.length > 0 ? { errorLabels: error.errorLabels } : {};
    return {
      ok: 0,
      errmsg: error.message,
      code: error.code,
      codeName: error.codeName,
      ...error.extra,
      ...labels,
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { ok: 0, errmsg: `internal error: ${message}`, code: 1, codeName: 'InternalError' };
}

/** Read and write concerns and transaction fields mean the same in every command. */
function checkGenericFields(command: Document): void {
  if (command['txnNumber'] !== undefined || command['startTransaction'] !== undefined) {
    throw illegalOperation('Transaction numbers are only allowed on a replica set member or mongos');
  }
  const api = command['apiVersion'];
  if (api !== undefined && api !== '1') {
    throw new CommandError(322, 'APIVersionError', 'API version must be "1"');
  }
  checkReadConcern(command['readConcern']);
  checkWriteConcern(command['writeConcern']);
}

function checkReadConcern(concern: unknown): void {
  if (!isDocument(concern)) return;
  const level = concern['level'] ?? 'local';
  if (level !== 'local' && level !== 'majority' && level !== 'available') {
    throw new CommandError(
      123,
      'NotAReplicaSet',
      `node needs to be a replica set member to use readConcern level ${String(level)}`,
    );
  }
  if (concern['afterClusterTime'] !== undefined || concern['atClusterTime'] !== undefined) {
    throw new CommandError(
      123,
      'NotAReplicaSet',
      'node needs to be a replica set member to use read concern',
    );
  }
}

/**
 * Every acknowledged write is on disk, so each concern of a single server is met; those of a cluster are
 * refused.
 */
function checkWriteConcern(concern: unknown): void {
  if (!isDocument(concern)) return;
  const w = concern['w'];
  if (w === undefined || w === 'majority' || w === 0 || w === 1) return;
  if (typeof w === 'string') {
    throw badValue(`cannot use non-majority 'w' mode ${w} when a host is not a member of a replica set`);
  }
  throw badValue("cannot use 'w' > 1 when a host is not replicated");
}
