import { defineConfig } from 'vitest/config';
import { SkipReporter } from './test/skip-reporter.ts';

// Two cores: unit tests go first and side by side, then those with real parts that wait for nobody's clock (browsers,
// files, models), side by side too; last the players and networks, one file at a time, because one that shares a core
// with others measures the others.
const BESIDE = [
  ...['web', 'library', 'setup', 'model'].map((folder) => `test/${folder}/**/*.test.ts`),
  ...['timeline', 'exact'].map((name) => `test/playback/${name}.test.ts`),
];
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
          exclude: ['test/unit/**', 'test/simulation/**', '**/node_modules/**', ...BESIDE],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          pool: 'forks',
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'beside',
          include: BESIDE,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          pool: 'forks',
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
