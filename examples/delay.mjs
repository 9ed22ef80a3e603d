// A message that consumers get later: level 1 is 1 s, 2 is 5 s … 18 is 2 h (messageDelayLevel of the broker).
//
//   NAMESRV_ADDR=localhost:9876 node examples/delay.mjs
import { Producer, PushConsumer } from 'basaltmq/client'

const producer = new Producer({ group: 'example-delay-producers' })
await producer.send({ topic: 'Reminders', body: 'wake up', delayTimeLevel: 1 })
await producer.close()

const consumer = new PushConsumer({
  group: 'example-delay-consumers',
  subscriptions: { Reminders: '*' },
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  listener: ([message]) => {
    const waited = message.storeTimestamp - message.bornTimestamp
    console.log(`${message.body}, after ${Math.round(waited / 1000)} s`)
    consumer.close() // not awaited here: it waits for this listener
  },
})
await consumer.start()
