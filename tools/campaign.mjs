// The long forms: the fault campaign with all its rounds, ten minutes of everything at once in each flush mode and with each client,
// the suite on every supported Node, ten minutes of steady load, and the comparison with Apache. Hours, not minutes: `npm run campaign`.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const steps = [
  ['faults', ['tools/faults.mjs'], { BASALT_CAMPAIGN: 'long' }],
  ['everything at once', ['tools/everything.mjs', '--client', '4.9.7'], {}],
  ['everything at once, client 5.3.3', ['tools/everything.mjs', '--client', '5.3.3', '--flush', 'SYNC_FLUSH'], {}],
  ['tests on Node 22 and 24', ['tools/nodes.mjs'], {}],
  ['steady load', ['bench/steady.mjs'], {}],
  ['against Apache', ['bench/against-apache.mjs', '--rounds', '10'], {}],
]
let failed = 0
for (const [name, args, env] of steps) {
  console.log(`== ${name}`)
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (status !== 0) failed += 1
  console.log(`== ${name}: ${status === 0 ? 'ok' : `FAILED (${status})`}`)
}
process.exitCode = failed === 0 ? 0 : 1
