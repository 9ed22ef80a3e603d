/**
 * Question: how is a 64-bit position best kept in shared memory? It is written once a batch by one thread and read by
 * others, must never be torn, and must publish what was written before it.
 *
 *   bigint     BigInt64Array and Atomics (what concurrency/control-block.ts does)
 *   seqlock    two Int32 words under a sequence: the reader tries again while a write is under way
 *   versioned  two Float64 slots; an Int32 version says which is valid, the reader looks at it twice
 *
 * Rows: a load and a store while nobody else looks, and a load while another thread stores without pause (retries are
 * counted into it, as are the cache misses).
 */
import { once } from 'node:events'
import { isMainThread, Worker, workerData } from 'node:worker_threads'

const OPS = 2000
const HIGH = 0x1_0000_0000
/** Positions grow by a record; they start above 2^32 so that both halves are in use. */
const START = 5 * HIGH
const STEP = 1200
const STOP = 48
const BYTES = 256

const WAYS = {
  bigint(buffer) {
    const cells = new BigInt64Array(buffer)
    return { load: () => Number(Atomics.load(cells, 0)), store: (value) => void Atomics.store(cells, 0, BigInt(value)) }
  },
  seqlock(buffer) {
    const words = new Int32Array(buffer)
    return {
      load() {
        for (;;) {
          const before = Atomics.load(words, 0)
          const high = Atomics.load(words, 1)
          const low = Atomics.load(words, 2)
          if ((before & 1) === 0 && Atomics.load(words, 0) === before) return high * HIGH + (low >>> 0)
        }
      },
      store(value) {
        const before = Atomics.load(words, 0)
        Atomics.store(words, 0, before + 1)
        Atomics.store(words, 1, Math.floor(value / HIGH))
        Atomics.store(words, 2, value | 0)
        Atomics.store(words, 0, before + 2)
      },
    }
  },
  versioned(buffer) {
    const version = new Int32Array(buffer, 0, 1)
    const slots = new Float64Array(buffer, 8, 2)
    return {
      load() {
        for (;;) {
          const before = Atomics.load(version, 0)
          const value = slots[before & 1]
          // Two stores later the slot is written again: a version that has moved on proves nothing.
          if (Atomics.load(version, 0) === before) return value
        }
      },
      store(value) {
        const next = Atomics.load(version, 0) + 1
        slots[next & 1] = value
        Atomics.store(version, 0, next)
      },
    }
  },
}

export const position = {
  name: 'position',
  unit: 'access',
  async make() {
    const workers = []
    const rows = []
    for (const way of Object.keys(WAYS)) {
      const { load, store } = WAYS[way](new SharedArrayBuffer(BYTES))
      store(START)
      rows.push(
        {
          name: `load ${way}`,
          ops: OPS,
          run() {
            let sum = 0
            for (let i = 0; i < OPS; i++) sum += load()
            return sum === 0
          },
        },
        {
          name: `store ${way}`,
          ops: OPS,
          run() {
            for (let i = 0; i < OPS; i++) store(START + i * STEP)
          },
        },
      )
    }
    for (const way of Object.keys(WAYS)) {
      let writer
      let shared
      rows.push({
        name: `load ${way} beside a writer`,
        ops: OPS,
        async run() {
          if (writer === undefined) {
            for (const other of workers.splice(0)) await other()
            shared = new SharedArrayBuffer(BYTES)
            writer = new Worker(new URL(import.meta.url), { workerData: { way, shared } })
            workers.push(() => stop(writer, shared))
            await once(writer, 'message')
          }
          return { overriddenDuration: watch(WAYS[way](shared)) }
        },
      })
    }
    return {
      rows,
      async close() {
        for (const other of workers.splice(0)) await other()
      },
    }
  },
}

/** Milliseconds for OPS loads; throws when a position was torn. */
function watch({ load }) {
  let last = 0
  const began = performance.now()
  for (let i = 0; i < OPS; i++) {
    const value = load()
    if (value < last || value % STEP !== START % STEP) throw new Error(`a torn position: ${value} after ${last}`)
    last = value
  }
  return performance.now() - began
}

async function stop(writer, shared) {
  Atomics.store(new Int32Array(shared), STOP, 1)
  await once(writer, 'exit')
}

if (!isMainThread && workerData?.way !== undefined) write()

async function write() {
  const { parentPort } = await import('node:worker_threads')
  const { way, shared } = workerData
  const { store } = WAYS[way](shared)
  const words = new Int32Array(shared)
  store(START)
  parentPort.postMessage('ready')
  for (let value = START; Atomics.load(words, STOP) === 0; value += STEP) store(value)
}
