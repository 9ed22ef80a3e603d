import { defineConfig } from 'vitest/config'

/** Tests against Apache's own clients and brokers: `npm run test:interop`. One file after the other: JVMs are large. */
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    pool: 'forks',
    fileParallelism: false,
  },
})
