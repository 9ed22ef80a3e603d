// @ts-check
/**
 * ali-ons (RocketMQ's client for Node) as a process: sends `count` messages of a topic and receives them.
 *
 *     node ali-ons.mjs NAMESRV TOPIC COUNT      prints one JSON line a message: {"sent"|"got": body, …}, then {"done": true}
 */
import { createRequire } from 'node:module'

const [namesrv, topic, countText] = process.argv.slice(2)
const count = Number(countText)
/** @type {(name: string) => any} */
const load = createRequire(import.meta.url)
const { Consumer, Producer, Message } = load('ali-ons')
const say = (/** @type {object} */ one) => process.stdout.write(`${JSON.stringify(one)}\n`)
const quiet = { info() {}, debug() {}, warn() {}, error: (/** @type {unknown} */ e) => console.error(e) }
// httpclient would fetch the address list of the cloud; with nameSrv it is never asked.
const base = { nameSrv: namesrv, httpclient: {}, accessKeyId: 'key', accessKeySecret: 'secret', logger: quiet }

const producer = new Producer({ ...base, producerGroup: 'OnsProducer' })
producer.on('error', (/** @type {Error} */ error) => console.error(error))
await producer.ready()
for (let i = 0; i < count; i++) {
  const message = new Message(topic, i % 2 === 0 ? 'TagA' : 'TagB', `ons body ${i} \u00fc`)
  message.keys = [`ons-${i}`]
  const result = await producer.send(message)
  say({
    sent: `ons body ${i} \u00fc`,
    status: result.sendStatus,
    msgId: result.msgId,
    queueOffset: Number(result.queueOffset),
  })
}

const consumer = new Consumer({ ...base, consumerGroup: 'OnsConsumer', rebalanceInterval: 1000 })
consumer.on('error', (/** @type {Error} */ error) => console.error(error))
let got = 0
consumer.subscribe(topic, '*', async (/** @type {any} */ message) => {
  say({ got: message.body.toString(), keys: message.keys, tags: message.tags, msgId: message.msgId })
  if (++got === count) {
    say({ done: true })
    await consumer.close()
    await producer.close()
    process.exit(0)
  }
})
await consumer.ready()
