// @ts-check
/**
 * A sender of send.mjs as a process of its own: ours or ali-ons, with so many sends in flight.
 *
 *     node send-process.mjs '{"client":"ours","namesrv":…,"topic":…,"size":1024,"flights":[1,64,256],"warm":1000,"seconds":3,"brokerPid":…}'
 *
 * Prints one JSON line a number in flight: {"flight", "sent", "failed", "ms", "cpuMs", "brokerCpuMs"}.
 */
import { createRequire } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'
import { processStats } from '../load/proc.mjs'

const { client, namesrv, topic, size, flights, warm, seconds, brokerPid } = JSON.parse(process.argv[2])
const brokerCpu = () => (brokerPid === undefined ? 0 : processStats(brokerPid).cpuMs)
const body = Buffer.alloc(size, 'x')

/** @returns {Promise<{send: () => Promise<unknown>, close: () => Promise<unknown>}>} */
async function ours() {
  const { Producer } = await import('../../dist/client/index.js')
  const producer = new Producer({ nameserver: namesrv, group: 'SendLoad', sendMsgTimeout: 20_000 })
  return { send: () => producer.send({ topic, body }), close: () => producer.close() }
}

/** @returns {Promise<{send: () => Promise<unknown>, close: () => Promise<unknown>}>} */
async function aliOns() {
  const { Producer, Message } = createRequire(import.meta.url)('ali-ons')
  const quiet = { info() {}, debug() {}, warn() {}, error() {} }
  const producer = new Producer({
    ...{ nameSrv: namesrv, httpclient: {}, accessKeyId: 'key', accessKeySecret: 'secret', logger: quiet },
    producerGroup: 'SendLoad',
  })
  await producer.ready()
  return {
    send: () => producer.send(new Message(topic, 'TagA', body)),
    close: async () => process.exit(0),
  }
}

const { send, close } = await (client === 'ours' ? ours() : aliOns())
let sent = 0
let failed = 0
for (const flight of flights) {
  let stopped = false
  const lane = async () => {
    while (!stopped) {
      try {
        await send()
        sent += 1
      } catch {
        failed += 1
      }
    }
  }
  const lanes = Array.from({ length: flight }, lane)
  await pause(warm)
  const before = { sent, failed, at: performance.now(), cpu: process.cpuUsage(), broker: brokerCpu() }
  await pause(seconds * 1000)
  const cpu = process.cpuUsage(before.cpu)
  const line = {
    ...{ flight, sent: sent - before.sent, failed: failed - before.failed, ms: performance.now() - before.at },
    cpuMs: (cpu.user + cpu.system) / 1000,
    brokerCpuMs: brokerCpu() - before.broker,
  }
  stopped = true
  await Promise.all(lanes)
  console.log(JSON.stringify(line))
}
await close()
