// @ts-check
/**
 * Everything at once: all kinds of messages from Java clients, rebalances, topics that change, and a broker that is killed with -9
 * every 40 s, for ten minutes; with a ledger of what was acknowledged. Exits with 1 when a promise was broken.
 *
 *     node tools/everything.mjs [--minutes 10] [--kill-every 40] [--client 4.9.7|5.3.3] [--flush SYNC_FLUSH|ASYNC_FLUSH|both]
 *                               [--pace 100] [--keep]      pace: percent of the usual rate; keep: the folder stays
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ApacheUnavailable } from './apache/apache.mjs'
import { everything } from './everything/run.mjs'
import { report } from './everything/table.mjs'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    'kill-every': { type: 'string', default: '40' },
    client: { type: 'string', default: '4.9.7' },
    flush: { type: 'string', default: 'both' },
    pace: { type: 'string', default: '100' },
    keep: { type: 'boolean', default: false },
  },
})
const modes = values.flush === 'both' ? /** @type {const} */ (['ASYNC_FLUSH', 'SYNC_FLUSH']) : [values.flush]
let failed = 0
for (const mode of modes) {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-everything-'))
  const began = performance.now()
  const say = (/** @type {string} */ line) =>
    console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}`)
  say(
    `${mode}, ${values.minutes} minutes, a kill every ${values['kill-every']} s, client ${values.client}, in ${folder}`,
  )
  try {
    const result = await everything({
      ...{ folder, client: values.client, say, pace: Number(values.pace) },
      flushDiskType: mode === 'SYNC_FLUSH' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH',
      seconds: Number(values.minutes) * 60,
      killEverySeconds: Number(values['kill-every']),
    })
    console.log(report(result))
    if (result.problems.length > 0) failed += 1
  } catch (error) {
    if (error instanceof ApacheUnavailable) console.error(`everything at once needs Apache's client: ${error.message}`)
    else console.error(error)
    failed += 1
  }
  if (!values.keep) rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failed === 0 ? 0 : 1
