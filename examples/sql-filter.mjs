// The broker selects by properties, with SQL92 (enablePropertyFilter=true at the broker).
//
//   NAMESRV_ADDR=localhost:9876 node examples/sql-filter.mjs
import { Producer, PushConsumer } from 'basaltmq/client'

const producer = new Producer({ group: 'example-sql-producers' })
for (const [region, amount] of Object.entries({ eu: '50', us: '500', asia: '700' })) {
  await producer.send({ topic: 'Sales', body: `${amount} in ${region}`, properties: { region, amount } })
}
await producer.close()

const consumer = new PushConsumer({
  group: 'example-sql-consumers',
  subscriptions: { Sales: { sql: "amount > 100 AND region IN ('eu', 'us')" } },
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  listener: ([message]) => {
    console.log(`${message.body}`)
    consumer.close() // not awaited here: it waits for this listener
  },
})
await consumer.start()
