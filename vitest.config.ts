import { defineConfig } from 'vitest/config';

// Two cores: files in parallel starve the tests that run real processes, so those have a project of their own.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/simulation/**/*.test.ts'],
          testTimeout: 30_000,
          pool: 'forks',
        },
      },
      {
        test: {
          name: 'real',
          include: ['test/network/**/*.test.ts', 'test/playback/**/*.test.ts', 'test/library/**/*.test.ts', 'test/flock/**/*.test.ts', 'test/web/**/*.test.ts', 'test/setup/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          pool: 'forks',
        },
      },
    ],
  },
});
