// Asks a question through a topic and waits for the answer: whoever consumes the topic replies.
//
//   NAMESRV_ADDR=localhost:9876 node examples/request-reply.mjs
import { Producer, PushConsumer } from 'basaltmq/client'

const producer = new Producer({ group: 'example-request' })
await producer.send({ topic: 'Questions', body: '0' }) // so that the topic is there; not a request
const replier = new PushConsumer({
  group: 'example-reply',
  subscriptions: { Questions: '*' },
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  listener: async ([message]) => {
    if (message.properties.REPLY_TO_CLIENT !== undefined) await producer.reply(message, `${Number(message.body) ** 2}`)
  },
})
await replier.start()
const { body } = await producer.request({ topic: 'Questions', body: '12' }, { timeout: 10_000 }) // REQUEST_TIMEOUT when nobody replies
console.log(`12 squared is ${body}`)
await Promise.all([replier.close(), producer.close()])
