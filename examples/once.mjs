// Messages may come twice; their effect happens once: claims are kept in SQLite, which several processes may share.
//
//   NAMESRV_ADDR=localhost:9876 node examples/once.mjs      (Node 22.18 or later: it loads a .ts file and node:sqlite)
import { once, Producer, PushConsumer } from 'basaltmq/client'
import { SqliteOnceStore } from './once-sqlite.ts'

const store = new SqliteOnceStore(process.env.ONCE_DATABASE ?? 'once.db')
const producer = new Producer({ group: 'example-once-producers' })
for (const order of ['a', 'b', 'a']) await producer.send({ topic: 'Charges', body: `charge ${order}`, keys: order })
await producer.close()

let consumed = 0
const consumer = new PushConsumer({
  group: 'example-once-consumers',
  subscriptions: { Charges: '*' },
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
  listener: async ([message], context) => {
    context.delayLevelWhenNextConsume = 1 // while somebody else is at the key, once() throws: the message comes again after a second
    const { isFirst } = await once(message.keys[0], () => console.log(`${message.body}`), store)
    if (!isFirst) console.log(`${message.keys[0]} was charged before`)
    if (++consumed === 3) consumer.close().then(() => store.close())
  },
})
await consumer.start()
