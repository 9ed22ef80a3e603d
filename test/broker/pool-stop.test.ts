/** A broker that stops while a thread of its pool starts: in a process of its own, because what went wrong here ended the process. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const ROUNDS = 40
const PROGRAM = `
const { Pool } = await import(${JSON.stringify(new URL('../../dist/broker/pool.js', import.meta.url).href)})
const { resolveConfig } = await import(${JSON.stringify(new URL('../../dist/config/index.js', import.meta.url).href)})
const { config } = resolveConfig({ role: 'broker', overrides: {} })
for (let round = 0; round < ${ROUNDS}; round++) {
  await Promise.all([0, 1, 2, 3].map(async (part) => {
    const pool = new Pool(config)
    pool.view(0, 100).catch(() => {})
    await new Promise((done) => setTimeout(done, 10 + round + part * 20))
    await pool.close()
  }))
}
console.log('all stopped')
`

test('a stop at any moment of a first cold read ends the threads and nothing else', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', PROGRAM])
  expect(stdout).toBe('all stopped\n')
}, 60_000)
