/**
 * Question: what does it cost to build ConsumeQueues and index, CPU time a record, and to read 32 units for a pull?
 *
 * Setup: a log of 64 MiB of records (1 KiB, UNIQ_KEY, TAGS, CLUSTER as a producer of 4.9 sends them) in the temporary folder,
 *   dispatched from start to end in batches of 64 KiB by one thread, files made anew each round. Includes reading the log
 *   through its map, page faults and allocation of files: the figure of a running dispatch thread. Medians of the rounds.
 * Run: node bench/micro-dispatch.mjs [rounds = 5]. Imports the built package (npm run build). Writes bench/results/.
 */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LogReader, writeRecord } from '../dist/store/commitlog/index.js'
import { QueueReader, QueueStore } from '../dist/store/consumequeue/index.js'
import { Dispatcher } from '../dist/store/dispatch/index.js'
import { IndexWriter } from '../dist/store/index/index.js'
import { machine } from './load/servers.mjs'
import { median } from './load/stats.mjs'
import { table, writeResult } from './load/table.mjs'

const LOG_BYTES = 64 * 1024 * 1024
const BATCH_BYTES = 64 * 1024
const READS = 50_000
const HOST = { address: Buffer.from([127, 0, 0, 1]), port: 10911 }
const CASES = [
  { name: '4 queues, no index', queues: 4, hasIndex: false, keys: '' },
  { name: '4 queues, unique key', queues: 4, hasIndex: true, keys: '' },
  { name: '4 queues, unique key and 2 keys', queues: 4, hasIndex: true, keys: 'order customer' },
  { name: '1000 queues, unique key', queues: 1000, hasIndex: true, keys: '' },
]

const rounds = Number(process.argv[2] ?? 5)
const silent = { info() {}, warn() {}, error: console.error }
const result = { machine: machine(), rounds, cpuUs: {} }
console.log(`Node ${process.version}, ${rounds} rounds of ${LOG_BYTES / 2 ** 20} MiB`)
const rows = CASES.map((each) => {
  const measured = measureCase(each)
  result.cpuUs[each.name] = measured
  return [each.name, measured.dispatch.toFixed(2), measured.read.toFixed(2)]
})
console.log(table(['case', 'dispatch, CPU us a record', 'read of 32 units, CPU us'], rows))
console.log(`written: ${writeResult('micro-dispatch', result)}`)

function measureCase({ queues, hasIndex, keys }) {
  const root = mkdtempSync(join(tmpdir(), 'basalt-micro-'))
  process.once('exit', () => rmSync(root, { recursive: true, force: true }))
  const settings = {
    storePathRootDir: root,
    storePathCommitLog: join(root, 'commitlog'),
    mappedFileSizeCommitLog: LOG_BYTES,
    mappedFileSizeConsumeQueue: 6_000_000,
    maxHashSlotNum: 5_000_000,
    maxIndexNum: 20_000_000,
    messageDelayLevel: '1s',
  }
  const { end, count } = writeLog(settings, queues, keys)
  const dispatch = []
  for (let round = 0; round < rounds; round += 1) {
    for (const folder of ['consumequeue', 'index']) rmSync(join(root, folder), { recursive: true, force: true })
    const source = new LogReader(settings)
    const index = hasIndex ? new IndexWriter({ settings, clock: { now: Date.now } }) : undefined
    const dispatcher = new Dispatcher({ settings, source, queues: new QueueStore({ settings }), index, log: silent })
    const spent = process.cpuUsage()
    for (let at = 0; at < end; ) at = dispatcher.dispatch(at, end, BATCH_BYTES)
    dispatch.push(cpuSince(spent) / count)
    dispatcher.close()
    source.close()
  }
  const read = measureReads(settings, Math.floor(count / queues))
  rmSync(root, { recursive: true, force: true })
  return { dispatch: median(dispatch), read }
}

function measureReads(settings, max) {
  const reader = new QueueReader({ settings, topic: 'BenchTopic', queueId: 0 })
  const spent = process.cpuUsage()
  for (let read = 0; read < READS; read += 1) reader.read((read * 32) % max, 32, max)
  const us = cpuSince(spent) / READS
  reader.close()
  return us
}

function writeLog(settings, queues, keys) {
  mkdirSync(settings.storePathCommitLog)
  const bytes = Buffer.alloc(LOG_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const body = Buffer.alloc(790, 97)
  const now = Date.now()
  let end = 0
  let count = 0
  for (; end < LOG_BYTES - 4096; count += 1) {
    const unique = `FD0000000000000000000000000000027ACE5FFD2B2773${count.toString(16).toUpperCase().padStart(10, '0')}`
    const named = keys === '' ? '' : `\u0002KEYS\u0001${keys} ${count}`
    end += writeRecord(bytes, view, end, {
      queueId: count % queues,
      queueOffset: Math.floor(count / queues),
      physicalOffset: end,
      bornTimestamp: now,
      bornHost: HOST,
      storeTimestamp: now,
      storeHost: HOST,
      body,
      topic: 'BenchTopic',
      properties: `UNIQ_KEY\u0001${unique}\u0002CLUSTER\u0001DefaultCluster\u0002TAGS\u0001TagA${named}`,
    })
  }
  const fd = openSync(join(settings.storePathCommitLog, '0'.repeat(20)), 'w')
  writeSync(fd, bytes)
  closeSync(fd)
  return { end, count }
}

function cpuSince(start) {
  const { user, system } = process.cpuUsage(start)
  return user + system
}
