// Sends many small messages in few requests; cut by itself where they are more than a broker takes at once.
//
//   NAMESRV_ADDR=localhost:9876 node examples/batch.mjs
import { Producer } from 'basaltmq/client'

const producer = new Producer({ group: 'example-batch' })
const messages = Array.from({ length: 500 }, (_, i) => ({ topic: 'Readings', body: `reading ${i}`, keys: `${i}` }))
const results = await producer.sendBatch(messages) // of an error: error.sent has the results of what is stored
console.log(`${results.length} results, ${new Set(results.map(({ msgId }) => msgId)).size} ids`)
await producer.close()
