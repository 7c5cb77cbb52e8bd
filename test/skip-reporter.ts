import type { Reporter, TestModule } from 'vitest/node';

/** Ends a test run with every test that was skipped, and why: what did not run must not look as if it had. */
export class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        const result = test.result();
        const reason = result.state === 'skipped' && result.note ? result.note : 'no reason given';
        lines.push(`  ${module.relativeModuleId}: ${test.fullName}\n    ${reason}`);
      }
    }
    if (lines.length > 0) console.log(`\n${lines.length} skipped:\n${lines.join('\n')}\n`);
  }
}
