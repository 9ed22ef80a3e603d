// A consumer in a process of its own that can be stopped: pulls one queue, holds its lock, commits what it got.
//   node consumer.mjs <package folder> <broker> <topic> <queueId> <group>
// Prints "GOT <queueOffset>" for each message, in the order in which it came, and "LOCK granted|refused" when that changes.
import { join } from 'node:path'

const [root, broker, topic, queueId, group] = process.argv.slice(2)
const load = (file) => import(join(root, 'dist', file))
const { RemotingClient, request } = await load('remoting/index.js')
const { decodeRecord } = await load('store/commitlog/index.js')

const client = new RemotingClient()
const clientId = `stopped@${process.pid}`
const invoke = (code, ext, body) => client.invoke(broker, request(code, ext, body), 60_000)
const heartbeat = Buffer.from(
  JSON.stringify({
    clientID: clientId,
    producerDataSet: [],
    consumerDataSet: [
      {
        groupName: group,
        consumeType: 'CONSUME_PASSIVELY',
        messageModel: 'CLUSTERING',
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        unitMode: false,
        subscriptionDataSet: [
          { topic, subString: '*', tagsSet: [], codeSet: [], subVersion: 1, expressionType: 'TAG' },
        ],
      },
    ],
  }),
)
const locks = Buffer.from(
  JSON.stringify({ consumerGroup: group, clientId, mqSet: [{ topic, brokerName: 'b', queueId: Number(queueId) }] }),
)
let lock = ''
async function renew() {
  await invoke(34, {}, heartbeat)
  const { body } = await invoke(41, {}, locks)
  const now = JSON.parse(Buffer.from(body).toString()).lockOKMQSet.length === 1 ? 'granted' : 'refused'
  if (now !== lock) process.stdout.write(`LOCK ${now}\n`)
  lock = now
}
await renew()
setInterval(() => renew().catch((error) => process.stdout.write(`FAILED ${error.message}\n`)), 500)

let offset = 0
for (;;) {
  const ext = {
    ...{ consumerGroup: group, topic, queueId, queueOffset: String(offset), maxMsgNums: '32', sysFlag: '6' },
    ...{ commitOffset: '0', suspendTimeoutMillis: '1000', subscription: '*', subVersion: '1', expressionType: 'TAG' },
  }
  try {
    const { code, body, ext: header } = await invoke(11, ext)
    const bytes = Buffer.from(body ?? [])
    for (let at = 0; at < bytes.length; at += bytes.readInt32BE(at)) {
      process.stdout.write(`GOT ${decodeRecord(bytes.subarray(at, at + bytes.readInt32BE(at))).queueOffset}\n`)
    }
    if (code === 0 || code === 20 || code === 21) offset = Number(header.nextBeginOffset)
    if (code === 0) await invoke(15, { consumerGroup: group, topic, queueId, commitOffset: String(offset) })
  } catch (error) {
    process.stdout.write(`FAILED ${error.message}\n`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
