/**
 * Everything at once, the short form: all kinds of messages, rebalances, topics that come, go and change, and two kills, with the
 * ledger's verdict at the end. The long form is `node tools/everything.mjs`.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { everything } from '../../tools/everything/run.mjs'
import { report } from '../../tools/everything/table.mjs'
import { apacheIsThere, KIND, ORACLE, Scratch } from './support/systems.ts'

const SECONDS = 26
const KILL_EVERY_SECONDS = 11
/** Delays up to 3 s, retries up to 3 s, transactions looked at every 2 s. */
const DELAYS = '1:1000,2:2000,5:3000'
const QUIET_MS = 6000
const KINDS = [
  'async',
  'batch',
  'broadcast',
  'delayed',
  'filter',
  'made',
  'normal',
  'ordered',
  'resized',
  'retry',
  'transaction',
]

describe.skipIf(KIND !== 'basalt' || !apacheIsThere(ORACLE))('everything at once', () => {
  const scratch = new Scratch()
  afterAll(() => scratch.remove())

  test('two kills in half a minute: nothing lost, transactions whole, order and delays kept', async () => {
    const result = await everything({
      ...{ folder: scratch.sub('everything'), client: ORACLE, flushDiskType: 'ASYNC_FLUSH' },
      ...{ seconds: SECONDS, killEverySeconds: KILL_EVERY_SECONDS, delays: DELAYS, quietMs: QUIET_MS },
    })
    expect(result.problems, report(result)).toEqual([])
    expect(result.outages.length).toBe(2)
    // A run in which little happened would prove little.
    expect(result.rows.map(({ kind }) => kind).sort()).toEqual(KINDS)
    for (const { kind, acknowledged } of result.rows) expect(acknowledged, kind).toBeGreaterThan(50)
    expect(result.counts.rebalances).toBeGreaterThan(5)
    expect(result.counts.topicsMade).toBeGreaterThan(2)
  }, 300_000)
})
