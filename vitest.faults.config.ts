import { defineConfig } from 'vitest/config'

const isLong = process.env.BASALT_CAMPAIGN === 'long'

/** The fault campaign, a file a row: `npm run faults`, `npm run faults -- 3`. One row after the other: each loads the machine. */
export default defineConfig({
  test: {
    include: ['test/faults/**/*.test.ts'],
    testTimeout: isLong ? 3_600_000 : 120_000,
    hookTimeout: 60_000,
    // On a machine that others use too a process may stand still for seconds; a retry is shown in the report.
    retry: process.env.CI === undefined ? 0 : 1,
    pool: 'forks',
    fileParallelism: false,
  },
})
