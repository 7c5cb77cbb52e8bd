// Prints "passed failed" of a vitest JSON report, then a line for each failed test: its file, its name, what went wrong.
// Usage: node count.mjs REPORT EXIT_CODE_OF_THE_TEST_COMMAND
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

const [path, exitCode] = process.argv.slice(2);
const MESSAGE_LINES = 12; // a full trace of every test would push the others out of a kept log

const shorten = (message) => (message ?? '').split('\n').slice(0, MESSAGE_LINES).join('\n    ');
const describe = (file, test) =>
  `${relative('.', file.name)} > ${test.fullName}\n    ${shorten(test.failureMessages.join('\n'))}`;

let passed = 0;
const failures = [];
try {
  const report = JSON.parse(readFileSync(path, 'utf8'));
  passed = report.numPassedTests;
  for (const file of report.testResults) {
    const failedTests = file.assertionResults.filter((test) => test.status === 'failed');
    for (const test of failedTests) failures.push(describe(file, test));
    // Tests that could not even be loaded count as one failed test a file.
    if (file.status === 'failed' && failedTests.length === 0)
      failures.push(`${relative('.', file.name)}\n    ${shorten(file.message)}`);
  }
} catch (error) {
  console.error(`no test report: ${error.message}`);
}
// A run that failed without a failed test (no report, an unhandled error, time out) failed all the same.
if (exitCode !== '0' && failures.length === 0)
  failures.push(`the test command ended with ${exitCode}, and no test says why`);
if (exitCode === '0' && passed === 0) failures.push('no test was run');
console.log(`${passed} ${failures.length}`);
for (const failure of failures) console.log(failure);
