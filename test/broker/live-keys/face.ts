/** What test/broker/config-changes.test.ts gives to the tests of this folder. */
import type { TestBroker } from '../../../src/testing/index.ts'
import type { TestClient } from '../../support/client.ts'

export interface LiveKeys {
  broker(): TestBroker
  client(): TestClient
  /** The key at `value` by request 25 while `run` runs, then as before. */
  withKey(key: string, value: string | number | boolean, run: () => Promise<void>): Promise<void>
  /** Keys that have their test. */
  proved: Set<string>
}
