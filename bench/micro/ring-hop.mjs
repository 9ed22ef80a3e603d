/**
 * Question: what does a message pay for changing threads? 1 KiB records go through a ring to a worker that releases them and
 * answers through a second ring; both sides sleep on their wake words when there is nothing (concurrency/wake.ts).
 *
 * Rows: 1, 64 and 256 in flight, and claim, commit, next and release without a thread for comparison.
 */
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { createRing, RingConsumer, RingProducer } from '../../dist/concurrency/byte-ring.js'
import { sleep, wake } from '../../dist/concurrency/wake.js'

const LENGTH = 1200
const ANSWER = 40
const RING = 1 << 20
const WORKER = 0
const MAIN = 16
const STOP = 32
const WAIT_MS = 1000

export const ringHop = {
  name: 'ring hop',
  unit: 'message',
  async make() {
    const shared = { submit: createRing(RING), acks: createRing(RING), words: new SharedArrayBuffer(256) }
    const worker = new Worker(new URL(import.meta.url), { workerData: { ringHop: shared } })
    await once(worker, 'message')
    const words = new Int32Array(shared.words)
    const submit = new RingProducer(shared.submit)
    const acks = new RingConsumer(shared.acks)
    return {
      rows: [
        aloneRow(),
        ...[1, 64, 256].map((depth) => ({
          name: `${depth} in flight`,
          ops: depth * 8,
          run: () => exchange(submit, acks, words, depth, depth * 8),
        })),
      ],
      async close() {
        Atomics.store(words, STOP, 1)
        wake(words, WORKER)
        await once(worker, 'exit')
      },
    }
  },
}

/** Keeps `depth` records under way until `count` were answered. */
function exchange(submit, acks, words, depth, count) {
  const hasAnswer = () => acks.hasNext()
  let sent = 0
  let answered = 0
  while (answered < count) {
    const before = sent
    while (sent < count && sent - answered < depth) {
      const at = submit.claim(LENGTH)
      if (at < 0) break
      submit.view.setInt32(at, sent)
      sent += 1
    }
    if (sent > before) {
      submit.commit()
      wake(words, WORKER)
    }
    const seen = answered
    while (acks.next() >= 0) answered += 1
    if (answered > seen) acks.release()
    else sleep(words, MAIN, hasAnswer, WAIT_MS)
  }
}

function aloneRow() {
  const ring = createRing(RING)
  const producer = new RingProducer(ring)
  const consumer = new RingConsumer(ring)
  const ops = 512
  return {
    name: 'one thread, batches of 64',
    ops,
    run() {
      for (let batch = 0; batch < ops; batch += 64) {
        for (let i = 0; i < 64; i++) producer.view.setInt32(producer.claim(LENGTH), i)
        producer.commit()
        while (consumer.next() >= 0);
        consumer.release()
      }
    },
  }
}

function answerAll({ submit, acks, words: buffer }) {
  const words = new Int32Array(buffer)
  const requests = new RingConsumer(submit)
  const answers = new RingProducer(acks)
  const hasWork = () => requests.hasNext() || Atomics.load(words, STOP) !== 0
  parentPort.postMessage('ready')
  while (Atomics.load(words, STOP) === 0) {
    let taken = 0
    for (let at = requests.next(); at >= 0; at = requests.next()) {
      answers.view.setFloat64(answers.claim(ANSWER), requests.view.getInt32(at))
      taken += 1
    }
    if (taken > 0) {
      answers.commit()
      requests.release()
      wake(words, MAIN)
    } else sleep(words, WORKER, hasWork, WAIT_MS)
  }
}

if (!isMainThread && workerData?.ringHop !== undefined) answerAll(workerData.ringHop)
