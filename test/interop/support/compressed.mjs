// @ts-check
/**
 * Our client as a process, on whatever Node has what a codec needs: takes what a topic has, and sends bodies packed by that codec.
 *
 *   node compressed.mjs '{"namesrv":…,"take":topic,"count":messages,"give":topic,"type":"LZ4"}'
 *
 * Prints JSON: {"got":[{"key":…,"hash":…,"type":…}],"sent":[{"key":…,"hash":…}]}
 */
import { createHash } from 'node:crypto'
import { LitePullConsumer, Producer } from '../../../dist/client/index.js'
import { compressionOf } from '../../../dist/client/message/compression.js'

const { namesrv, take, count, give, type } = JSON.parse(process.argv[2])
const hashOf = (/** @type {Uint8Array} */ body) => createHash('sha256').update(body).digest('hex').slice(0, 32)

const consumer = new LitePullConsumer({
  nameserver: namesrv,
  group: `G-${take}`,
  subscriptions: { [take]: '*' },
  consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
})
await consumer.start()
const got = []
while (got.length < count) {
  for (const message of await consumer.poll()) {
    got.push({ key: message.keys[0], hash: hashOf(message.body), type: compressionOf(message.sysFlag) })
  }
}
await consumer.close()

const producer = new Producer({ nameserver: namesrv, group: 'Packs', compressType: type })
const sent = []
for (const [i, size] of [100, 4096, 70_000, 1_000_000, 3_500_000].entries()) {
  const text = `${type} ${i} `
  const body = Buffer.alloc(size, text)
  // Beyond 64 KiB a part that does not repeat: blocks of every kind.
  for (let at = 65_536; at < Math.min(size, 200_000); at++) body[at] = Math.random() * 256
  await producer.send({ topic: give, body, keys: `ours-${i}` })
  sent.push({ key: `ours-${i}`, hash: hashOf(body) })
}
await producer.close()
console.log(JSON.stringify({ got, sent }))
