import { defineConfig } from 'vitest/config'

/** Tests against Apache's own clients and brokers: `npm run test:interop`. One file after the other: JVMs are large. */
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    // On a machine that others use too a process may stand still for seconds; a retry is shown in the report.
    retry: process.env.CI === undefined ? 0 : 1,
    pool: 'forks',
    fileParallelism: false,
  },
})
