import type { Variables } from './aggregate-values.js';
import type { Document } from './bson-types.js';
import { compileStages } from './aggregate-stages.js';

/** What a pipeline may reach beyond its input. */
export type PipelineContext = {
  /** All documents of another collection; with a filter, only those that meet it (an index may serve it). */
  readonly lookup: (collection: string, filter?: Document) => Iterable<Document>;
  readonly let?: Variables;
};

/**
 * Runs an aggregation pipeline. Input documents are not changed; results may share parts with them.
 * @throws CommandError 40324 for stages and 168 for expressions that are unknown or not on the allow-list
 */
export function runPipeline(
  stages: readonly Document[],
  source: Iterable<Document>,
  context: PipelineContext,
): Document[] {
  let documents: Iterable<Document> = source;
  for (const stage of compileStages(stages, context)) documents = stage(documents);
  return [...documents];
}
