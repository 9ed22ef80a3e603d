// Sends a message and waits until the broker has it.
//
//   NAMESRV_ADDR=localhost:9876 node examples/send.mjs
import { ClientError, Producer } from 'basaltmq/client'

const producer = new Producer({ group: 'example-send' })
try {
  const { sendStatus, messageQueue, queueOffset, msgId } = await producer.send({
    topic: 'Orders',
    body: JSON.stringify({ order: 4711, amount: 12.5 }),
    tags: 'new', // consumers select by it
    keys: '4711', // "basaltmq admin message query" finds it by it
    properties: { tenant: 'acme' },
  })
  console.log(
    `${sendStatus} at offset ${queueOffset} of a queue of ${messageQueue.topic}, id of ${msgId.length} digits`,
  )
} catch (error) {
  if (!(error instanceof ClientError)) throw error
  console.error(`${error.code} ${error.address ?? ''}: ${error.message}`) // error.retriable: whether again may help
  process.exitCode = 1
}
await producer.close()
