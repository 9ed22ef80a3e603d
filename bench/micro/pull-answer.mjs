/**
 * Question: are the records of a pull better copied behind the answer's header, or given to the socket as slices of the
 * map? 32 records of 1.2 KiB, over a TCP connection whose other end throws everything away in a worker.
 *
 *   copy       one buffer: header, then each record
 *   neighbours one buffer, records that follow each other in the log in one copy (a topic with one queue)
 *   slices     32 views and one writev: a view and a piece of the stream's queue for each record
 *
 * Timed: until the socket has taken the bytes and called back, so writev's own work counts.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const RECORD = 1180
const COUNT = 32
/** Records of four queues, one after the other, as four producers leave them. */
const STRIDE = 4 * RECORD
const HEADER = 220
const ANSWERS = 16

export const pullAnswer = {
  name: 'pull answer',
  unit: 'record',
  async make() {
    const worker = new Worker(new URL(import.meta.url), { workerData: { drain: true } })
    const [port] = await once(worker, 'message')
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    await once(socket, 'connect')
    const log = Buffer.alloc(ANSWERS * COUNT * STRIDE, 'x')
    const header = Buffer.alloc(HEADER, 'h')
    const rows = [
      row('copy', (at) => write(socket, gather(log, header, at, STRIDE, RECORD))),
      row('neighbours in one copy', (at) => write(socket, gather(log, header, at, RECORD, COUNT * RECORD))),
      row('slices and writev', (at) => {
        socket.cork()
        socket.write(header)
        for (let i = 0; i < COUNT - 1; i++) socket.write(log.subarray(at + i * STRIDE, at + i * STRIDE + RECORD))
        const last = at + (COUNT - 1) * STRIDE
        const done = write(socket, log.subarray(last, last + RECORD))
        socket.uncork()
        return done
      }),
    ]
    return {
      rows,
      async close() {
        socket.destroy()
        await worker.terminate()
      },
    }
  },
}

/** The output is kept, as the broker's pooled chunks are. */
const out = Buffer.allocUnsafeSlow(65_536)

function gather(log, header, at, stride, run) {
  header.copy(out, 0)
  let to = HEADER
  for (let from = at; to < HEADER + COUNT * RECORD; from += stride * (run / RECORD)) {
    log.copy(out, to, from, from + run)
    to += run
  }
  return out.subarray(0, to)
}

function write(socket, bytes) {
  return new Promise((resolve, reject) => socket.write(bytes, (error) => (error ? reject(error) : resolve())))
}

function row(name, once) {
  return {
    name,
    ops: ANSWERS * COUNT,
    async run() {
      for (let i = 0; i < ANSWERS; i++) await once(i * COUNT * STRIDE)
    },
  }
}

if (!isMainThread && workerData?.drain === true) {
  const server = createServer((socket) => socket.on('error', () => {}).on('data', () => {}))
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
}
