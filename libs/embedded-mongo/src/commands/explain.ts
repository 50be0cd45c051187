import { type Document, isDocument } from '../bson-types.js';
import { failedToParse, notSupported } from '../errors.js';
import { drain, Pacer } from '../pacer.js';
import { PlannedQuery, type Query } from '../query.js';
import type { Access } from '../scan.js';
import { pushDown, stagesOf } from './aggregate.js';
import {
  checkFields,
  type CommandContext,
  Fields,
  fieldsOf,
  type Handler,
  maxTimeOf,
  namespaceOf,
  ok,
} from './context.js';
import { queryOf } from './read.js';

const verbosities = ['queryPlanner', 'executionStats', 'allPlansExecution'];

/**
 * explain: of find, count, distinct, aggregate, update, delete and findAndModify. Writes are not carried
 * out.
 */
export const explain: Handler = async (context) => {
  checkFields(context, ['verbosity']);
  const inner = fieldsOf(context).object(context.name);
  if (inner === undefined) throw failedToParse('explain needs a command');
  const verbosity = fieldsOf(context).string('verbosity') ?? 'allPlansExecution';
  if (!verbosities.includes(verbosity))
    throw failedToParse(`verbosity string must be one of ${verbosities.join(', ')}`);
  const name = Object.keys(inner)[0] ?? '';
  const described: CommandContext = { ...context, name, command: inner };
  const ns = namespaceOf(described);
  const query = describedQuery(described);
  const { catalog, store } = context.engine;
  const collection = catalog.find(ns);
  const queryPlanner: Document = { namespace: ns, parsedQuery: query.filter, rejectedPlans: [] };
  if (collection === undefined) {
    const winningPlan = { stage: 'EOF' };
    return ok({ queryPlanner: { ...queryPlanner, winningPlan }, command: inner });
  }
  const planned = new PlannedQuery(store.reader, collection, query);
  queryPlanner['winningPlan'] = describePlan(planned, query);
  if (verbosity === 'queryPlanner') return ok({ explainVersion: '1', queryPlanner, command: inner });
  const started = performance.now();
  let nReturned = 0;
  const counts = name === 'count';
  const pacer = new Pacer(maxTimeOf(context));
  if (counts) await drain(planned.count(), pacer, (n) => void (nReturned = n));
  else await drain(planned.rows(), pacer, () => void nReturned++);
  const executionStats = {
    executionSuccess: true,
    nReturned,
    executionTimeMillis: Math.round(performance.now() - started),
    totalKeysExamined: planned.stats.keysExamined,
    totalDocsExamined: counts && planned.covered ? 0 : planned.stats.docsExamined,
    executionStages: queryPlanner['winningPlan'],
  };
  return ok({ explainVersion: '1', queryPlanner, executionStats, command: inner });
};

/** The query inside a command that is to be explained. */
function describedQuery(context: CommandContext): Query {
  const fields = fieldsOf(context);
  const first = (list: string): Fields => {
    const statement = fields.array(list)?.[0];
    if (!isDocument(statement))
      throw failedToParse(`explain of ${context.name} needs a statement in ${list}`);
    return new Fields(statement, `${context.name}.${list}`);
  };
  switch (context.name) {
    case 'find':
      return queryOf(context);
    case 'count':
    case 'distinct':
    case 'findAndModify':
      return {
        filter: fields.object('query') ?? {},
        sort: fields.object('sort'),
        hint: fields.hint(),
        limit: context.name === 'findAndModify' ? 1 : 0,
      };
    case 'aggregate':
      return pushDown(stagesOf(context), fields.hint(), fields.variables()).query;
    case 'update':
    case 'delete': {
      const statement = first(context.name === 'update' ? 'updates' : 'deletes');
      const single = context.name === 'update' ? !statement.flag('multi') : statement.count('limit') === 1;
      return { filter: statement.object('q') ?? {}, hint: statement.hint(), limit: single ? 1 : 0 };
    }
    default:
      throw notSupported(`explain of ${context.name}`);
  }
}

function describePlan(planned: PlannedQuery, query: Query): Document {
  const { plan } = planned;
  let described = describeAccess(plan.access);
  if (!plan.exact) described = { ...described, filter: query.filter };
  if (!plan.sorted) described = { stage: 'SORT', sortPattern: query.sort, inputStage: described };
  if (query.limit) described = { stage: 'LIMIT', limitAmount: query.limit, inputStage: described };
  return described;
}

function describeAccess(access: Access): Document {
  switch (access.kind) {
    case 'nothing':
      return { stage: 'EOF' };
    case 'collection':
      return { stage: 'COLLSCAN', direction: access.reverse ? 'backward' : 'forward' };
    case 'ids':
      return access.keys.length === 1
        ? { stage: 'IDHACK' }
        : { stage: 'FETCH', inputStage: { stage: 'IXSCAN', indexName: '_id_', keyPattern: { _id: 1 } } };
    case 'union':
      return {
        stage: 'SUBPLAN',
        inputStage: { stage: 'OR', inputStages: access.branches.map(describeAccess) },
      };
    case 'index': {
      const { index } = access;
      const inputStage = {
        stage: 'IXSCAN',
        keyPattern: index?.key ?? { _id: 1 },
        indexName: index?.name ?? '_id_',
        isMultiKey: (index?.multikey ?? 0) !== 0,
        isUnique: index?.unique ?? true,
        isSparse: index?.sparse ?? false,
        isPartial: index?.partial !== undefined,
        direction: access.reverse ? 'backward' : 'forward',
        ranges: access.ranges.length,
      };
      return { stage: 'FETCH', inputStage };
    }
  }
}
