// Consumes the messages of each queue in their order: no two of a queue at a time, what fails before what is behind it.
//
//   NAMESRV_ADDR=localhost:9876 node examples/ordered-consumer.mjs
import { PushConsumer } from 'basaltmq/client'

const consumer = new PushConsumer({
  group: 'example-ordered',
  subscriptions: { Orders: '*' },
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  suspendCurrentQueueTimeMillis: 100,
  orderlyListener: async ([message]) => {
    console.log(`queue ${message.queueId}: ${message.body} (try ${message.reconsumeTimes + 1})`)
    if (message.tags === 'paid' && message.reconsumeTimes === 0) return 'SUSPEND_CURRENT_QUEUE_A_MOMENT'
  },
})
await consumer.start()
process.once('SIGINT', () => consumer.close())
