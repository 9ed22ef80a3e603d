/** A group's first offsets of a topic, which Apache's broker loses where several come at once, however it answers. */
import { afterAll, describe, expect, test } from 'vitest'
import { Admin, Producer } from '../../src/client/index.ts'
import { apacheIsThere, CLIENTS, Scratch, startSystem } from './support/systems.ts'

const QUEUES = 8
const GROUPS = 150

describe.skipIf(!apacheIsThere(...CLIENTS))('on Apache’s brokers', () => {
  const scratch = new Scratch()
  const open: { close(): Promise<void> }[] = []
  afterAll(async () => {
    for (const one of open.reverse()) await one.close()
    scratch.remove()
  })

  test.each(CLIENTS)('%s: a reset to the end leaves nothing behind', async (version) => {
    const system = await startSystem({ scratch, kind: 'apache', version })
    const options = { nameserver: system.namesrv }
    const admin = new Admin(options)
    const producer = new Producer({ ...options, group: 'Senders' })
    open.push(system, admin, producer)
    await admin.createTopic('First', { queues: QUEUES })
    for (let queueId = 0; queueId < QUEUES; queueId++)
      await producer.sendToQueue({ topic: 'First', body: 'x' }, { topic: 'First', brokerName: 'broker-a', queueId })
    // What is acknowledged is in its queue a little later.
    await expect
      .poll(async () => (await admin.queueOffsets('First')).filter(({ max }) => max === 1).length)
      .toBe(QUEUES)
    for (let i = 0; i < GROUPS; i++) {
      await admin.createGroup(`Reset-${i}`)
      await admin.resetOffset(`Reset-${i}`, 'First', 'latest')
      expect(await admin.lag(`Reset-${i}`, 'First'), `Reset-${i}`).toBe(0)
    }
  })
})
