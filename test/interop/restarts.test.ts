/**
 * 100,000 messages of random sizes from a Java producer to a Java push consumer, with SYNC_FLUSH, while the broker is
 * killed with -9 and started again twice: none of the acknowledged is missing, and each has the hash it was sent with.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { differences, hashes, holes, producer, pushConsumer, readAll } from './support/programs.ts'
import { apacheIsThere, CLIENTS, KIND, ORACLE, Scratch, startSystem } from './support/systems.ts'

const COUNT = Number(process.env.BASALT_INTEROP_MESSAGES ?? 100_000)
const THREADS = 48
const TOPIC = 'Restarts'
const DOWN_MS = 300

describe.skipIf(!apacheIsThere(...CLIENTS))(`a ${KIND} broker that is killed twice under load`, () => {
  const scratch = new Scratch()
  afterAll(() => scratch.remove())

  test(`${COUNT} messages reach the consumer with equal hashes`, async () => {
    const config = {
      flushDiskType: 'SYNC_FLUSH',
      mappedFileSizeCommitLog: 64 << 20,
      mappedFileSizeConsumeQueue: 20 * 20_000,
    }
    const system = await startSystem({ scratch, config })
    try {
      const consumer = pushConsumer(scratch, ORACLE, {
        namesrv: system.namesrv,
        topic: TOPIC,
        group: 'G-Restarts',
        distinct: COUNT,
        idle: 60_000,
      })
      await consumer.program.until('READY')
      const sending = producer(scratch, ORACLE, {
        namesrv: system.namesrv,
        topic: TOPIC,
        count: COUNT,
        seed: 21,
        max: 4096,
        threads: THREADS,
      })
      for (const share of [0.25, 0.6]) {
        await sending.program.until('ACK', Math.floor(COUNT * share), 120_000)
        await system.kill()
        await sleep(DOWN_MS)
        await system.start()
      }
      const { acknowledged } = await sending.done()
      expect(acknowledged.length).toBe(COUNT)
      const received = await consumer.done()
      expect(differences(hashes(acknowledged), hashes(received))).toEqual([])
      const read = await readAll(scratch, ORACLE, {
        namesrv: system.namesrv,
        topics: TOPIC,
        lookup: Math.ceil(COUNT / 100),
      })
      expect(read.bad.slice(0, 5)).toEqual([])
      expect(holes(read.records)).toEqual([])
      const places = new Set(read.records.map((record) => `${record.key} ${record.queueId}:${record.queueOffset}`))
      // Each answer named the place where the message still is.
      expect(
        acknowledged.filter((one) => !places.has(`${one.key} ${one.queueId}:${one.queueOffset}`)).slice(0, 10),
      ).toEqual([])
    } catch (error) {
      console.error(`the broker's log:\n${system.log()}`)
      throw error
    } finally {
      await system.close()
    }
  }, 400_000)
})
