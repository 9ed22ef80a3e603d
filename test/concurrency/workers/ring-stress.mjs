// One side of the ring stress test: records of random sizes whose bytes follow from their number.
import { parentPort, workerData } from 'node:worker_threads'
import { RingConsumer, RingProducer } from '../../../dist/concurrency/byte-ring.js'
import { sleep, wake } from '../../../dist/concurrency/wake.js'

const { role, ring, count } = workerData
const words = new Int32Array(workerData.words)
const CONSUMER = 0
const PRODUCER = 32
// Every thousandth record is long, so that padding at the wrap has all lengths.
const lengthOf = (i) => (i % 1000 === 0 ? 4000 + (i % 97) : 8 + ((i * 2654435761) >>> 27))
let sum = 0

if (role === 'produce') {
  const producer = new RingProducer(ring)
  for (let i = 0; i < count; i += 1) {
    const length = lengthOf(i)
    let at = producer.claim(length)
    while (at < 0) {
      producer.commit()
      wake(words, CONSUMER)
      sleep(words, PRODUCER, () => producer.used < producer.capacity / 2, Number.POSITIVE_INFINITY)
      at = producer.claim(length)
    }
    producer.view.setInt32(at, i, true)
    producer.bytes[at + length - 1] = i & 255
    sum = (sum + i + length) % 1_000_000_007
    // Commits of one, few and many records, with the consumer asleep in between now and then.
    if ((i * 40503) % 7 < 2) {
      producer.commit()
      wake(words, CONSUMER)
    }
  }
  producer.commit()
  wake(words, CONSUMER)
  parentPort.postMessage({ count, sum })
} else {
  const consumer = new RingConsumer(ring)
  const PATIENCE = 30
  let patience = PATIENCE
  let taken = 0
  while (taken < count) {
    const at = consumer.next()
    if (at < 0) {
      consumer.release()
      wake(words, PRODUCER)
      // A lost wake-up is for ever: the producer sleeps without a limit. A busy machine only takes its time.
      sleep(words, CONSUMER, () => consumer.hasNext(), 1000)
      patience = consumer.hasNext() ? PATIENCE : patience - 1
      if (patience === 0) throw new Error(`nothing came for ${PATIENCE} s after ${taken} records: a wake-up was lost`)
      continue
    }
    const number = consumer.view.getInt32(at, true)
    if (number !== taken) throw new Error(`record ${number} where ${taken} was due`)
    const last = consumer.bytes[at + consumer.length - 1]
    if (consumer.length >= 5 && last !== (number & 255)) throw new Error(`record ${number} is damaged`)
    sum = (sum + number + consumer.length) % 1_000_000_007
    taken += 1
  }
  consumer.release()
  parentPort.postMessage({ count: taken, sum })
}
