// Message trace: who sent a message, when, how long that took. "mqadmin queryMsgTraceById" and RocketMQ's dashboard show it too.
//
//   NAMESRV_ADDR=localhost:9876 node examples/trace.mjs
import { Admin, Producer } from 'basaltmq/client'

const producer = new Producer({ group: 'example-trace', enableMsgTrace: true }) // consumers have the same option
const { msgId } = await producer.send({ topic: 'Orders', body: 'traced' })
await producer.close() // its trace is sent

const admin = new Admin()
const traces = await admin.queryMessage('RMQ_SYS_TRACE_TOPIC', msgId)
for (const { body } of traces) {
  const [kind, , , group, topic] = `${body}`.split('\u0001')
  console.log(`${kind} by ${group} to ${topic}`)
}
await admin.close()
