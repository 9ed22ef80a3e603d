import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take longest, so that none of them is the last one to start. */
const LONGEST = [
  'client-consumer',
  'transactions',
  'migration',
  'bench-modes',
  'replication-kills',
  'dledger-members',
  'replication',
  'everything',
  'delay',
  'stores',
  'filters',
  'restarts',
  'clients',
  'namesrv-cluster',
  'acl',
  'mqadmin',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`))
      return at < 0 ? LONGEST.length : at
    }
    return [...files].sort((a, b) => place(a) - place(b))
  }
}

/** Tests against Apache's own clients and brokers: `npm run test:interop`. They mostly wait: three files at a time keep two cores busy. */
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    // On a machine that others use too a process may stand still for seconds; a retry is shown in the report.
    retry: process.env.CI === undefined ? 0 : 1,
    pool: 'forks',
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    globalSetup: ['test/interop/support/prepare.ts'],
  },
})
