import { Producer, PushConsumer } from 'basaltmq/client'

const options = { nameserver: '127.0.0.1:9876', group: 'hello' }
const producer = new Producer(options)
console.log(await producer.send({ topic: 'Hello', tags: 'TagA', keys: 'key-1', body: 'hello Basalt' }))
const consumer = new PushConsumer({
  ...options,
  subscriptions: { Hello: '*' },
  listener: async ([message]) => console.log(`${message.tags}: ${message.body}`),
})
await consumer.start()
