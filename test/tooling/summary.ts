/**
 * The closing line of .ci/run: `N passed, N failed`, from vitest's JSON report and the names of the steps that failed.
 * A step other than the tests counts as one failure when it fails; a report that says "failed" never counts as none.
 */
import { existsSync, readFileSync } from 'node:fs';

interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

const [path = '', ...failedSteps] = process.argv.slice(2);
let passed = 0;
let failed = failedSteps.filter(step => step !== 'test').length;
if (existsSync(path)) {
  const report: Report = JSON.parse(readFileSync(path, 'utf8'));
  // A file that could not even be loaded holds no failed test, but is one.
  const broken = report.testResults.filter(
    file => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  passed = report.numPassedTests;
  if (report.numPendingTests > 0) console.log(`${report.numPendingTests} skipped`);
  failed += Math.max(report.numFailedTests + broken, report.success && !failedSteps.includes('test') ? 0 : 1);
} else if (failedSteps.includes('test')) {
  failed += 1;
}
console.log(`${passed} passed, ${failed} failed`);
