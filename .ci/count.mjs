// Prints "passed failed" of a vitest JSON report. Usage: node count.mjs REPORT EXIT_CODE_OF_THE_TEST_COMMAND
import { readFileSync } from 'node:fs';

const [path, exitCode] = process.argv.slice(2);
let passed = 0;
let failed = 0;
try {
  const report = JSON.parse(readFileSync(path, 'utf8'));
  passed = report.numPassedTests;
  const hasFailedTest = (file) => file.assertionResults.some((test) => test.status === 'failed');
  failed =
    report.numFailedTests +
    report.testResults.filter((file) => file.status === 'failed' && !hasFailedTest(file)).length;
} catch (error) {
  console.error(`no test report: ${error.message}`);
}
// A run that failed without a failed test (no report, an unhandled error, time out) failed all the same.
if (exitCode !== '0' && failed === 0) failed = 1;
if (exitCode === '0' && passed === 0) failed = 1;
console.log(`${passed} ${failed}`);
