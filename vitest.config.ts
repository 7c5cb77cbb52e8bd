import { defineConfig } from 'vitest/config';
import { SkipReporter } from './test/skip-reporter.ts';

// Two cores: unit tests go first and side by side, then the tests with real processes, one file at a time, because
// players and networks that share a core with others measure the others.
const resultsFile = process.env.STARLING_TEST_RESULTS;

export default defineConfig({
  test: {
    reporters: [
      'default',
      new SkipReporter(),
      // For .ci/run, which sums up.
      ...(resultsFile === undefined ? [] : [['json', { outputFile: resultsFile }] as ['json', object]]),
    ],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/simulation/**/*.test.ts'],
          testTimeout: 30_000,
          pool: 'forks',
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'real',
          include: ['test/*/**/*.test.ts'],
          exclude: ['test/unit/**', 'test/simulation/**', '**/node_modules/**'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          pool: 'forks',
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
