/**
 * What this machine takes for the parts of a synchronous mode, whatever the broker: one fdatasync, one round trip over loopback,
 * one wake-up of a thread. A mode cannot cost less than the sum of the parts that it has.
 *
 * Blocks on: fdatasync, for a second at most.
 */
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { fallocate, fdatasync, MapSlot } from '../native/index.ts'
import { PACKAGE } from './broker-node.ts'
import { runLoad } from './load.ts'
import { freeBrokerPort } from './ports.ts'
import type { Floors } from './results.ts'
import { ServerProcess } from './server-process.ts'
import { median } from './stats.ts'

const RECORD_BYTES = 1300
const FILE_BYTES = 256 << 20
const SYNCS = 2000
const SYNCS_MS_MAX = 1000
const WAKES = 300

const ECHO = `
const { workerData: { shared, count } } = require('node:worker_threads')
const words = new Int32Array(shared)
for (let n = 1; n <= count; n++) {
  while (Atomics.load(words, 0) !== n) Atomics.wait(words, 0, n - 1)
  Atomics.store(words, 1, n)
  Atomics.notify(words, 1)
}`
const CALLER = `
const { workerData: { shared, count }, parentPort } = require('node:worker_threads')
const words = new Int32Array(shared)
const rest = new Int32Array(new SharedArrayBuffer(4))
const took = []
for (let n = 1; n <= count; n++) {
  Atomics.wait(rest, 0, 0, 1) // both sleep before each call
  const began = performance.now()
  Atomics.store(words, 0, n)
  Atomics.notify(words, 0)
  while (Atomics.load(words, 1) !== n) Atomics.wait(words, 1, n - 1)
  took.push((performance.now() - began) * 1000)
}
parentPort.postMessage(took)`

/** Medians. `folder`: on the disk of the stores, made when it is not there. */
export async function measureFloors(folder: string, seconds: number, signal: AbortSignal): Promise<Floors> {
  mkdirSync(folder, { recursive: true })
  const fdatasyncUs = fdatasyncMedian(join(folder, 'extents'))
  rmSync(join(folder, 'extents'), { force: true })
  return { fdatasyncUs, wakeUpUs: (await twoWakes()) / 2, roundTripUs: await roundTrip(folder, seconds, signal) }
}

/**
 * Median of fdatasync, µs, after each 1.3 KB stored behind the last into a fresh mapped file: the store's own kind of extent,
 * allocated and not yet written.
 */
export function fdatasyncMedian(path: string): number {
  rmSync(path, { force: true })
  const fd = openSync(path, 'w+')
  const slot = new MapSlot(FILE_BYTES)
  try {
    fallocate(fd, 0, FILE_BYTES)
    slot.map(fd, 0, FILE_BYTES, true)
    const took: number[] = []
    const end = performance.now() + SYNCS_MS_MAX
    for (let n = 0; n < SYNCS && performance.now() < end; n += 1) {
      slot.bytes.fill(n & 0xff, n * RECORD_BYTES, (n + 1) * RECORD_BYTES)
      const began = performance.now()
      fdatasync(fd)
      took.push((performance.now() - began) * 1000)
    }
    return median(took)
  } finally {
    slot.close()
    closeSync(fd)
  }
}

/** Median, µs, of waking a thread that sleeps and being woken by it: two wake-ups of threads that slept for a while. */
export async function twoWakes(): Promise<number> {
  const shared = new SharedArrayBuffer(8)
  const echo = new Worker(ECHO, { eval: true, workerData: { shared, count: WAKES } })
  const caller = new Worker(CALLER, { eval: true, workerData: { shared, count: WAKES } })
  const took = await new Promise<number[]>((done) => caller.once('message', done))
  await Promise.all([echo.terminate(), caller.terminate()])
  return median(took)
}

/** Median, µs, of a send to a Node server that only answers. */
async function roundTrip(folder: string, seconds: number, signal: AbortSignal): Promise<number> {
  const port = await freeBrokerPort()
  const server = new ServerProcess({
    name: 'bare server',
    command: process.execPath,
    args: [join(PACKAGE, 'bench', 'bare-server.mjs'), '--port', String(port)],
    cwd: folder,
    log: join(folder, 'bare.out'),
    ownGroup: true,
  })
  try {
    await server.listening(port)
    const load = { mode: 'send', topic: 'Floor', connections: 1, depth: 1, bodySize: 1024, queues: 4 } as const
    const times = { create: false, warmupMs: 250, durationMs: seconds * 1000 }
    return (await runLoad({ ...load, ...times, address: `127.0.0.1:${port}` }, signal)).latency.p50
  } finally {
    await server.kill()
  }
}
