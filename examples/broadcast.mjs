// Every member of the group gets every message, such as caches that are to forget something. Each keeps its own offsets in a file.
//
//   NAMESRV_ADDR=localhost:9876 node examples/broadcast.mjs
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Producer, PushConsumer } from 'basaltmq/client'

const producer = new Producer({ group: 'example-broadcast-producers' })
await producer.send({ topic: 'Invalidations', body: 'user 42' })
await producer.close()

let heard = 0
const members = ['first', 'second'].map(
  (instanceName) =>
    new PushConsumer({
      group: 'example-broadcast',
      instanceName, // the same at every start: it names the file of offsets
      messageModel: 'BROADCASTING',
      offsetStoreFolder: join(tmpdir(), `example-broadcast-${process.pid}`),
      subscriptions: { Invalidations: '*' },
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      listener: ([message]) => {
        console.log(`${instanceName} forgets ${message.body}`)
        if (++heard === 2) for (const member of members) member.close()
      },
    }),
)
await Promise.all(members.map((member) => member.start()))
