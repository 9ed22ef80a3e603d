/** Bodies that Java's client packs with LZ4 and ZSTD are read by ours, and ours by Java's, sizes of one block and of many. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { differences, hashes, producer, pushConsumer } from './support/programs.ts'
import { apacheIsThere, Scratch, type System, startSystem } from './support/systems.ts'

const VERSION = '5.3.3'
const HERE = dirname(fileURLToPath(import.meta.url))
const PROGRAM = join(HERE, 'support', 'compressed.mjs')
const NODES = resolve(HERE, '../../.cache/nodes')

/** A Node with ZSTD: this one, or one that `npm run test:nodes` has fetched. */
function nodeWithZstd(): string | undefined {
  if ('zstdCompressSync' in zlib) return process.execPath
  const name = `node-${process.platform}-${process.arch}`
  return ['24', '22'].map((major) => join(NODES, major, 'node_modules', name, 'bin', 'node')).find(existsSync)
}

const zstdNode = nodeWithZstd()
if (zstdNode === undefined) {
  console.error('\n*** INTEROP OF ZSTD SKIPPED: no Node of 22.15 or later ("npm run test:nodes" fetches some) ***\n')
}
const CASES: ['LZ4' | 'ZSTD', string][] = [
  ['LZ4', process.execPath],
  ...(zstdNode === undefined ? [] : [['ZSTD', zstdNode] as ['ZSTD', string]]),
]

describe.skipIf(!apacheIsThere(VERSION))(`packed by Java's client ${VERSION} and by ours`, () => {
  const scratch = new Scratch()
  let system: System

  beforeAll(async () => {
    system = await startSystem({ scratch, config: { maxMessageSize: 4 << 20 } })
  })
  afterAll(async () => {
    await system?.close()
    scratch.remove()
  })

  test.concurrent.each(CASES)('%s, both directions', async (type, node) => {
    const [theirs, ours] = [`Java-${type}`, `Ours-${type}`]
    await Promise.all([theirs, ours].map((topic) => system.createTopic(topic)))
    const receiving = pushConsumer(scratch, VERSION, {
      ...{ namesrv: system.namesrv, topic: ours, group: `G-${ours}`, distinct: 5, idle: 60_000 },
    })
    const java = [`-Drocketmq.message.compressType=${type}`]
    const options = { namesrv: system.namesrv, topic: theirs, count: 60, seed: 11, max: 300_000 }
    const { acknowledged } = await producer(scratch, VERSION, options, java).done()
    const settings = { namesrv: system.namesrv, take: theirs, count: acknowledged.length, give: ours, type }
    const { stdout } = await promisify(execFile)(node, [PROGRAM, JSON.stringify(settings)])
    const { got, sent } = JSON.parse(stdout) as {
      got: { key: string; hash: string; type?: string }[]
      sent: { key: string; hash: string }[]
    }
    expect(differences(hashes(acknowledged), hashes(got))).toEqual([])
    expect(got.filter((one) => one.type === type).length).toBeGreaterThan(3)
    expect(differences(hashes(sent), hashes(await receiving.done()))).toEqual([])
  })
})
