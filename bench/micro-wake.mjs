/**
 * Question: which way of waking the network thread's idle event loop from a worker is cheapest: the addon's waker
 * (napi_threadsafe_function), Atomics.waitAsync, or a MessagePort?
 *
 * Setup: a worker wakes the main thread, which is in epoll_wait, and waits for the answer in Atomics.wait.
 *   rare   a wake each millisecond: latency from just before the wake to the callback
 *   busy   one wake behind the other: CPU time of the process a round trip, both threads together, and what the call
 *          itself takes of the worker
 * Run: node bench/micro-wake.mjs [busy wakes = 20000]. Imports the built package (npm run build).
 */
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Waker, wakeNetwork } from '../dist/native/index.js'

const PING = 0
const PONG = 1
const STAMP = 1 // in 64-bit words: when the wake was asked for
const SPENT = 2 // nanoseconds that the worker spent in busy wakes
const RARE = 1000

if (isMainThread) await main()
else work()

async function main() {
  const busy = Number(process.argv[2] ?? 20_000)
  console.log(`Node ${process.version}, ${RARE} rare and ${busy} busy wakes`)
  const rows = {}
  for (const way of ['waker', 'waitAsync', 'port']) {
    if (way === 'waitAsync' && typeof Atomics.waitAsync !== 'function') continue
    rows[way] = await measure(way, busy)
  }
  console.table(rows)
}

async function measure(way, busy) {
  const memory = new SharedArrayBuffer(64)
  const words = new Int32Array(memory)
  const stamps = new BigInt64Array(memory)
  const latencies = []
  let seen = 0
  let cpu
  const onWake = () => {
    const ping = Atomics.load(words, PING)
    if (ping === seen) return
    if (ping <= RARE) latencies.push(Number(process.hrtime.bigint() - Atomics.load(stamps, STAMP)) / 1000)
    if (ping === RARE) cpu = process.cpuUsage()
    seen = ping
    Atomics.store(words, PONG, ping)
    Atomics.notify(words, PONG)
  }
  const waker = new Waker(onWake)
  const worker = new Worker(new URL(import.meta.url), { workerData: { memory, way, handle: waker.handle, busy } })
  if (way === 'port') worker.on('message', onWake)
  let ended = false
  if (way === 'waitAsync') {
    const arm = () => {
      onWake()
      if (ended) return
      const wait = Atomics.waitAsync(words, PING, seen)
      if (wait.async) wait.value.then(arm)
      else queueMicrotask(arm)
    }
    arm()
  }
  await once(worker, 'exit')
  ended = true
  const { user, system } = process.cpuUsage(cpu)
  waker.close()
  latencies.sort((a, b) => a - b)
  const at = (part) => Number(latencies[Math.floor(part * (latencies.length - 1))].toFixed(1))
  return {
    'p50 µs': at(0.5),
    'p99 µs': at(0.99),
    'CPU µs a round trip': Number(((user + system) / busy).toFixed(1)),
    'µs in the call': Number((Number(Atomics.load(stamps, SPENT)) / 1000 / busy).toFixed(1)),
  }
}

function work() {
  const { memory, way, handle, busy } = workerData
  const words = new Int32Array(memory)
  const stamps = new BigInt64Array(memory)
  const idle = new Int32Array(new SharedArrayBuffer(4))
  for (let ping = 1; ping <= RARE + busy; ping++) {
    if (ping <= RARE) Atomics.wait(idle, 0, 0, 1)
    const start = process.hrtime.bigint()
    Atomics.store(stamps, STAMP, start)
    Atomics.store(words, PING, ping)
    if (way === 'waker') wakeNetwork(handle)
    else if (way === 'port') parentPort.postMessage(0)
    else Atomics.notify(words, PING)
    if (ping > RARE) Atomics.add(stamps, SPENT, process.hrtime.bigint() - start)
    while (Atomics.load(words, PONG) !== ping) Atomics.wait(words, PONG, ping - 1, 1000)
  }
}
