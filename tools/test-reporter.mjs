// A Vitest reporter that writes down what a closing line needs: what passed, what failed (files that could not be
// loaded, broken hooks and unhandled errors too), and what was skipped with its reason.
import { writeFileSync } from 'node:fs';

/** Whether an entry of the tree was failed by something other than its tests: a load error or a hook. */
const brokenItself = (entry) => entry.errors().length > 0;

export function summarise(modules, unhandledErrors) {
  const summary = { passed: 0, failures: [], skips: [] };
  for (const module of modules) {
    const file = module.relativeModuleId ?? module.moduleId;
    if (brokenItself(module)) summary.failures.push(`${file}: could not be run`);
    for (const suite of module.children.allSuites()) {
      if (brokenItself(suite)) summary.failures.push(`${file} > ${suite.fullName}: a hook failed`);
    }
    for (const test of module.children.allTests()) {
      const { state, note } = test.result();
      const name = `${file} > ${test.fullName}`;
      if (state === 'passed') summary.passed += 1;
      else if (state === 'failed') summary.failures.push(name);
      else summary.skips.push({ name, reason: note ?? '' });
    }
  }
  for (const error of unhandledErrors) summary.failures.push(`unhandled error: ${error.message ?? error}`);
  return summary;
}

export default class SummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const file = process.env['MUSTER_TEST_SUMMARY'];
    if (file) writeFileSync(file, JSON.stringify(summarise(modules, unhandledErrors)));
  }
}
