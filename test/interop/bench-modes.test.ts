/** `bench modes --against apache`: the original's pairs and groups are measured beside ours, and do wait for slave and majority. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { readModesResult } from '../../src/bench/index.ts'
import { apacheIsThere, Scratch } from './support/systems.ts'

const BIN = resolve(dirname(fileURLToPath(import.meta.url)), '../../bin/basaltmq.js')
const RTT_MS = 30

const scratch = new Scratch()
afterAll(() => scratch.remove())

describe.skipIf(!apacheIsThere('4.9.7', '5.3.3'))('bench modes', () => {
  test.each([
    ['4.9.7', 'async+sync'],
    ['5.3.3', 'async+sync'],
    ['4.9.7', 'async+dledger'],
  ])('beside Apache %s, %s, over a link that takes its time', async (version, mode) => {
    const folder = scratch.sub(`bench-${version}-${mode}`)
    const argv = [
      ...['bench', 'modes', '--quick', '--modes', mode, '--in-flight', '4', '--seconds', '1.5', '--size', '200'],
      ...['--inject', `rtt=${RTT_MS}ms`, '--warm-up', '0.5', '--against', `apache:${version}`],
      ...['--out', join(folder, 'out'), '--folder', join(folder, 'stores')],
    ]
    const child = spawn(process.execPath, [BIN, ...argv], { stdio: ['ignore', 'ignore', 'pipe'] })
    let complaints = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text
    })
    const [status] = await once(child, 'close')
    expect(status, complaints).toBe(0)
    const file = readdirSync(join(folder, 'out')).find((name) => name.endsWith('.json'))!
    const { cells, machine } = readModesResult(join(folder, 'out', file))
    expect(machine).toMatchObject({ apache: version, java: expect.stringMatching(/^Java \d+$/) })
    expect(cells.map(({ key }) => key.system)).toEqual(['basalt', 'apache'])
    for (const { key, rounds, waterfall } of cells) {
      const [{ answers, latency, lagBytes, masterCpuUs, slaveCpuUs }] = rounds
      expect(answers['0'], key.system).toBeGreaterThan(0)
      // Nobody is acknowledged in less than the way to another broker and back.
      expect(latency[0][0], key.system).toBeGreaterThanOrEqual(RTT_MS * 1000)
      expect(lagBytes, key.system).toBeGreaterThanOrEqual(0)
      expect(masterCpuUs > 0 && slaveCpuUs > 0, key.system).toBe(true)
      expect(waterfall === undefined, key.system).toBe(key.system === 'apache')
    }
    expect(readdirSync(join(folder, 'stores'))).toEqual([])
  })
})
