// Asks for messages instead of being called: one after the other, and each counts as consumed when the next is asked for.
//
//   NAMESRV_ADDR=localhost:9876 node examples/lite-pull-consumer.mjs
import { LitePullConsumer } from 'basaltmq/client'

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const consumer = new LitePullConsumer({
  group: 'example-pull',
  subscriptions: { Orders: '*' },
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
})
await consumer.start()
for await (const message of consumer.messages({ signal: stop.signal })) {
  console.log(`${message.body} at offset ${message.queueOffset} of queue ${message.queueId}`)
}
await consumer.close()
