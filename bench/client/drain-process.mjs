// @ts-check
/** One run of consume.mjs as a process of its own: `node drain-process.mjs '{"namesrv":…,"topic":…,"group":…,"count":…,"batch":1}'`. */
import { PushConsumer } from '../../dist/client/consumer/index.js'

const { namesrv, topic, group, count, batch } = JSON.parse(process.argv[2])
let seen = 0
let bytes = 0
let first = 0
let done = (/** @type {number} */ _) => {}
const drained = new Promise((resolve) => {
  done = resolve
})
const consumer = new PushConsumer({
  nameserver: namesrv,
  group,
  subscriptions: { [topic]: '*' },
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  consumeMessageBatchMaxSize: batch,
  listener: async (messages) => {
    if (seen === 0) first = performance.now()
    seen += messages.length
    for (const { body } of messages) bytes += body.length
    if (seen >= count) done(performance.now())
  },
})
await consumer.start()
const last = await drained
console.log(JSON.stringify({ count: seen, milliseconds: last - first, bytes, ...process.memoryUsage() }))
await consumer.close()
