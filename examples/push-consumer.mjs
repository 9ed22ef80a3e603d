// Calls a listener with every message of a topic, several at a time.
//
//   NAMESRV_ADDR=localhost:9876 node examples/push-consumer.mjs
import { PushConsumer } from 'basaltmq/client'

const consumer = new PushConsumer({
  group: 'example-push',
  subscriptions: { Orders: 'new || paid' }, // '*' for all tags, { sql: "amount > 100" } for SQL92
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  maxReconsumeTimes: 3, // then to %DLQ%example-push
  listener: async ([message], context) => {
    console.log(`${message.topic} ${message.tags} ${message.body} (try ${message.reconsumeTimes + 1})`)
    context.delayLevelWhenNextConsume = 1 // of what fails: after a second, and not after 10 s, 30 s …
    if (message.tags === 'paid' && message.reconsumeTimes === 0) throw new Error('comes again later')
  },
})
await consumer.start()
process.once('SIGINT', () => consumer.close()) // waits for listeners, stores offsets, leaves the group
