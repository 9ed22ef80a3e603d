/** The Node client of RocketMQ 4 (ali-ons) sends and receives. It speaks an older dialect: header values as JSON numbers. */
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apacheIsThere, KIND, ORACLE, Scratch, type System, startSystem } from './support/systems.ts'

const COUNT = 50
const PROGRAM = join(dirname(fileURLToPath(import.meta.url)), 'support', 'ali-ons.mjs')

function isInstalled(): boolean {
  try {
    createRequire(import.meta.url).resolve('ali-ons')
    return true
  } catch {
    console.error('\n*** INTEROP TESTS SKIPPED: ali-ons is not installed (npm install) ***\n')
    return false
  }
}

describe.skipIf(!isInstalled() || (KIND === 'apache' && !apacheIsThere(ORACLE)))(
  `ali-ons and the ${KIND} broker`,
  () => {
    const scratch = new Scratch()
    let system: System
    beforeAll(async () => {
      system = await startSystem({ scratch })
      // ali-ons 3.12 throws where Java falls back to TBW102: it can only send to a topic that exists.
      await system.createTopic('OnsTopic')
    })
    afterAll(async () => {
      await system?.close()
      scratch.remove()
    })

    test('what it sends it receives', async () => {
      // It keeps local files under the home folder.
      const env = { ...process.env, HOME: scratch.sub('home') }
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [PROGRAM, system.namesrv, 'OnsTopic', String(COUNT)],
        { env, timeout: 90_000 },
      )
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      const sent = lines.filter((line) => line.sent !== undefined)
      const got = lines.filter((line) => line.got !== undefined)
      expect(sent.map((line) => line.status)).toEqual(new Array(COUNT).fill('SEND_OK'))
      expect(new Set(got.map((line) => line.got))).toEqual(new Set(sent.map((line) => line.sent)))
      expect(new Set(got.map((line) => line.msgId))).toEqual(new Set(sent.map((line) => line.msgId)))
      expect(got.every((line) => line.tags === 'TagA' || line.tags === 'TagB')).toBe(true)
    }, 120_000)
  },
)
