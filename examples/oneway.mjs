// Sends without an answer: the fastest, for what may be lost, such as measurements.
//
//   NAMESRV_ADDR=localhost:9876 node examples/oneway.mjs
import { Producer } from 'basaltmq/client'

const producer = new Producer({ group: 'example-oneway' })
for (let i = 0; i < 100; i++) await producer.sendOneway({ topic: 'Metrics', body: `cpu ${i}` }) // waits for room in the socket only
await producer.close() // everything is written
console.log('100 written')
