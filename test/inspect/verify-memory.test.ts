/** What verify takes of memory: many index files of RocketMQ's size do not add up. */
import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { HEADER, indexLayout, writeHeader } from '../../src/store/index/index.ts'
import { recordedStore, storeSettings } from '../store/scratch.ts'

const SIZES = { maxHashSlotNum: 5_000_000, maxIndexNum: 100_000 }
const FILES = 40
const INSPECT = fileURLToPath(new URL('../../dist/inspect/index.js', import.meta.url))

const PROGRAM = `
  const [inspect, root, sizes] = process.argv.slice(1)
  const { openStore, verifyStore } = await import(inspect)
  const { findings } = await verifyStore(openStore(root, { known: JSON.parse(sizes) }), { threads: 2 })
  const rss = process.resourceUsage().maxRSS / 1024
  console.log(JSON.stringify({ rss, codes: findings.map(({ code }) => code) }))
  process.exit()
`

test(`${FILES} index files of 5,000,000 slots each: the peak of all threads is below 200 MB`, () => {
  const root = recordedStore('clean')
  const folder = join(root, 'index')
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  for (let i = 0; i < FILES; i += 1) {
    const fd = openSync(join(folder, `202611270000000${String(i).padStart(2, '0')}`), 'w')
    const header = Buffer.alloc(HEADER.size)
    const empty = { beginTimestamp: 0, endTimestamp: 0, beginPhyOffset: 0, endPhyOffset: 0, hashSlotCount: 0 }
    writeHeader(new DataView(header.buffer, header.byteOffset, header.length), { ...empty, indexCount: 1 })
    writeSync(fd, header)
    ftruncateSync(fd, indexLayout(storeSettings(root, SIZES)).fileSize)
    closeSync(fd)
  }
  const argv = ['--input-type=module', '-e', PROGRAM, INSPECT, root, JSON.stringify(SIZES)]
  const { rss, codes } = JSON.parse(execFileSync(process.execPath, argv, { encoding: 'utf8' })) as {
    rss: number
    codes: string[]
  }
  expect(codes).toEqual(['INDEX_INCOMPLETE', 'CHECKPOINT'])
  expect(rss).toBeLessThan(200)
}, 60_000)
