import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/interop/**', 'test/faults/**', 'node_modules/**'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // What is polled for comes by other threads: a second is not enough on a busy machine.
    expect: { poll: { timeout: 5_000 } },
    // On a machine that others use too a process may stand still for seconds; a retry is shown in the report.
    retry: process.env.CI === undefined ? 0 : 1,
    pool: 'forks',
    maxWorkers: 2,
  },
})
