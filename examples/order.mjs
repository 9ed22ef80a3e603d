// Messages of one order stay in their order: the key picks the queue, and an ordered consumer takes each queue one after the other.
//
//   NAMESRV_ADDR=localhost:9876 node examples/order.mjs
import { Producer, PushConsumer } from 'basaltmq/client'

const producer = new Producer({ group: 'example-order-producers' })
for (const step of ['created', 'paid', 'shipped']) {
  for (const order of ['a', 'b', 'c']) await producer.sendOrderly({ topic: 'Steps', body: `${order} ${step}` }, order)
}
await producer.close()

const seen = []
const consumer = new PushConsumer({
  group: 'example-order-consumers',
  subscriptions: { Steps: '*' },
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  orderlyListener: ([message]) => {
    if (seen.push(`${message.body}`) === 9) consumer.close().then(report) // not awaited here: it waits for this listener
  },
})
await consumer.start()

function report() {
  for (const order of ['a', 'b', 'c']) console.log(seen.filter((step) => step.startsWith(order)).join(', '))
}
