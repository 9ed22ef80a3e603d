/** The dispatch stage without its thread. */
import { existsSync } from 'node:fs'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createRing, RingConsumer, RingProducer } from '../../src/concurrency/byte-ring.ts'
import { ControlBlock, FLAGS, NETWORK } from '../../src/concurrency/control-block.ts'
import { ASLEEP, AWAKE } from '../../src/concurrency/wake.ts'
import { Waker } from '../../src/native/index.ts'
import { DispatchStage } from '../../src/stages/dispatch.ts'
import type { KnownQueue } from '../../src/stages/messages.ts'
import { ARRIVAL, DEFINE } from '../../src/stages/ring-records.ts'
import { QueueReader, queueFolder } from '../../src/store/consumequeue/index.ts'
import type { StoreSettings } from '../../src/store/settings.ts'
import { LogMaker } from '../store/dispatch/support.ts'
import { scratchFolder, storeSettings } from '../store/scratch.ts'
import { stageHarness } from './harness.ts'

interface Setup {
  changes?: Partial<StoreSettings>
  known?: KnownQueue[]
  /** Records in the log before the stage starts. */
  before?: (maker: LogMaker) => void
  waker?: bigint
}

function dispatchStage({ changes, known, before, waker = 0n }: Setup = {}) {
  const settings = storeSettings(scratchFolder(), { flushDiskType: 'ASYNC_FLUSH', ...changes })
  const maker = new LogMaker(settings)
  before?.(maker)
  const harness = stageHarness('dispatch', settings, { knownQueues: known })
  const definitions = createRing(4096)
  const arrivals = createRing(1024)
  const { control, queues } = harness
  control.writer('flushed').reset(maker.end)
  control.writer('appended').reset(maker.end)
  const stage = new DispatchStage({ ...harness.start, definitions, arrivals, waker }, harness.runtime)
  onTestFinished(() => stage.close())
  const definer = new RingProducer(definitions)
  const define = (queue: number, topic: string, queueId: number) => {
    const at = definer.claim(DEFINE.topic + Buffer.byteLength(topic))
    definer.view.setInt32(at + DEFINE.queue, queue, true)
    definer.view.setInt32(at + DEFINE.queueId, queueId, true)
    definer.bytes.write(topic, at + DEFINE.topic)
    definer.commit()
  }
  const arrived = new RingConsumer(arrivals)
  const takeArrivals = () => {
    const found: number[] = []
    for (let at = arrived.next(); at >= 0; at = arrived.next())
      found.push(arrived.view.getInt32(at + ARRIVAL.queue, true))
    arrived.release()
    return found
  }
  const append = (topic: string, queueId: number, queueOffset: number) => {
    maker.add({ topic, queueId, queueOffset, properties: `KEYS\u0001k${queueOffset}` })
    harness.move('appended', maker.end)
  }
  const drain = () => {
    while (stage.step() > 0);
  }
  const units = (topic: string, queueId: number, max: number) => {
    const reader = new QueueReader({ settings, topic, queueId })
    const batch = reader.read(0, 800, max)
    reader.close()
    return batch
  }
  const dispatched = () => control.load('dispatched')
  return { ...harness, settings, maker, stage, queues, define, append, drain, takeArrivals, units, dispatched }
}

describe('records that consumers may see', () => {
  test('are in their queues before max and `dispatched` say so', () => {
    const it = dispatchStage()
    it.define(3, 'T', 0)
    it.define(4, 'T', 1)
    for (let queueOffset = 0; queueOffset < 10; queueOffset += 1) it.append('T', queueOffset % 2, queueOffset >> 1)
    expect(it.stage.hasWork()).toBe(true)
    it.drain()
    expect(it.stage.hasWork()).toBe(false)
    expect(it.dispatched()).toBe(it.maker.end)
    expect([it.queues.max(3), it.queues.max(4)]).toEqual([5, 5])
    expect([it.queues.takeDirty(3), it.queues.takeDirty(4), it.queues.takeDirty(3)]).toEqual([true, true, false])
    expect(it.units('T', 1, 5).count).toBe(5)
  })

  test('are only those that the gate has passed', () => {
    const it = dispatchStage({ changes: { flushDiskType: 'SYNC_FLUSH' } })
    it.define(0, 'T', 0)
    it.append('T', 0, 0)
    const firstEnd = it.maker.end
    it.append('T', 0, 1)
    it.drain()
    expect(it.queues.max(0)).toBe(0)
    it.move('flushed', firstEnd)
    it.drain()
    expect([it.queues.max(0), it.dispatched()]).toEqual([1, firstEnd])
  })

  test('wake those who wait for their queue, and nobody else', async () => {
    let woken = 0
    const waker = new Waker(() => {
      woken += 1
    })
    onTestFinished(() => waker.close())
    const it = dispatchStage({ waker: waker.handle })
    it.define(0, 'T', 0)
    it.define(1, 'T', 1)
    it.control.setWord('network', NETWORK.gate)
    it.append('T', 0, 0)
    it.drain()
    expect(it.takeArrivals()).toEqual([])
    expect(it.control.word('network')).toBe(NETWORK.gate)
    it.queues.setWaiting(1, true)
    it.append('T', 0, 1)
    it.append('T', 1, 0)
    it.drain()
    expect(it.takeArrivals()).toEqual([1])
    expect(it.control.word('network')).toBe(NETWORK.awake)
    await vi.waitFor(() => expect(woken).toBe(1))
  })

  test('that arrive while the ring of arrivals is full are told later', () => {
    const it = dispatchStage()
    for (let queue = 0; queue < 100; queue += 1) {
      it.define(queue, 'T', queue)
      it.queues.setWaiting(queue, true)
    }
    for (let queue = 0; queue < 100; queue += 1) it.append('T', queue, 0)
    it.drain()
    const told = new Set(it.takeArrivals())
    expect(told.size).toBeLessThan(100)
    for (let round = 0; round < 10 && told.size < 100; round += 1) {
      it.stage.step()
      for (const queue of it.takeArrivals()) told.add(queue)
    }
    expect(told.size).toBe(100)
  })

  test('of a queue that the network does not know yet are dispatched, and the queue is made known', () => {
    const it = dispatchStage()
    it.append('New', 2, 0)
    it.append('New', 2, 1)
    it.drain()
    expect(it.posted).toEqual([{ kind: 'discovered', topic: 'New', queueId: 2, maxOffset: 2 }])
    expect(it.dispatched()).toBe(it.maker.end)
    it.define(9, 'New', 2)
    it.drain()
    expect([it.queues.max(9), it.queues.takeDirty(9)]).toEqual([2, true])
  })

  test('wait at most a moment for more, and not while somebody else waits for them', () => {
    const it = dispatchStage()
    it.define(0, 'T', 0)
    it.append('T', 0, 0)
    it.drain()
    const word = ControlBlock.index('dispatch')
    const states: number[] = []
    const load = it.control.load.bind(it.control)
    vi.spyOn(it.control, 'word').mockImplementation((name) => {
      if (name === 'heldPulls') states.push(Atomics.load(it.control.words, word))
      return name === 'heldPulls' ? 1 : 0
    })
    it.append('T', 0, 1)
    it.drain()
    expect(load('dispatched')).toBe(it.maker.end)
    expect(states.every((state) => state !== ASLEEP)).toBe(true)
    expect(Atomics.load(it.control.words, word)).toBe(AWAKE)
  })
})

describe('at start', () => {
  const known: KnownQueue[] = [{ queue: 0, topic: 'T', queueId: 0, nextOffset: 5 }]

  test('what recovery left is caught up, and max is never below where the next record goes', () => {
    const it = dispatchStage({
      known,
      before: (maker) => {
        for (let queueOffset = 0; queueOffset < 5; queueOffset += 1) maker.add({ topic: 'T', queueId: 0, queueOffset })
      },
    })
    it.queues.setMax(0, 5)
    it.drain()
    expect(it.dispatched()).toBe(it.maker.end)
    expect(it.queues.max(0)).toBe(5)
    it.append('T', 0, 5)
    it.drain()
    expect(it.queues.max(0)).toBe(6)
  })

  test('a queue whose records are gone gets blank units up to its next offset', () => {
    const it = dispatchStage({ known })
    it.drain()
    const batch = it.units('T', 0, 5)
    expect(batch.count).toBe(5)
    expect(batch.isBlank(4)).toBe(true)
    it.append('T', 0, 5)
    it.drain()
    expect(it.units('T', 0, 6).isBlank(5)).toBe(false)
    expect(it.queues.max(0)).toBe(6)
  })
})

describe('a full disk', () => {
  test('raises the flag, keeps the place, and is tried again each second until there is room', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const it = dispatchStage()
    it.define(0, 'T', 0)
    it.faults.set('diskFull', 1)
    it.append('T', 0, 0)
    it.drain()
    expect(it.control.hasFlag(FLAGS.dispatchFailed)).toBe(true)
    expect([it.dispatched(), it.queues.max(0)]).toEqual([0, 0])
    expect(it.log.of('error').join()).toMatch(
      /disk full: \d+ bytes cannot be allocated \(.*00000000000000000000\); make room/,
    )
    it.faults.set('diskFull', 0)
    expect(it.stage.hasWork()).toBe(false)
    it.drain()
    expect(it.dispatched()).toBe(0)
    vi.advanceTimersByTime(1001)
    expect(it.stage.hasWork()).toBe(true)
    it.drain()
    expect(it.control.hasFlag(FLAGS.dispatchFailed)).toBe(false)
    expect([it.dispatched(), it.queues.max(0)]).toEqual([it.maker.end, 1])
    expect(it.log.of('error')).toHaveLength(1)
  })
})

describe('when old records go', () => {
  test('min of each queue follows `retained`', () => {
    const it = dispatchStage({ changes: { mappedFileSizeCommitLog: 4096 } })
    it.define(0, 'T', 0)
    it.define(1, 'T', 1)
    for (let queueOffset = 0; queueOffset < 100; queueOffset += 1) it.append('T', 0, queueOffset)
    it.append('T', 1, 0)
    it.drain()
    it.move('retained', 8192)
    expect(it.stage.hasWork()).toBe(true)
    it.drain()
    const first = it.maker.places.find(({ offset }) => offset >= 8192)!
    expect(it.queues.min(0)).toBe(first.record.queueOffset)
    expect(it.queues.min(1)).toBe(0)
    it.move('retained', 4096 * 10)
    it.drain()
    expect([it.queues.min(0), it.queues.min(1)]).toEqual([100, 1])
  })

  test('the files of a deleted topic are removed, and its queue can begin anew', () => {
    const it = dispatchStage()
    it.define(0, 'T', 0)
    it.define(1, 'T', 1)
    it.append('T', 0, 0)
    it.append('T', 1, 0)
    it.drain()
    const below = it.maker.places[1].offset + 1
    it.mail.push(
      { kind: 'forget', queue: 0, topic: 'T', queueId: 0, below: 0 },
      { kind: 'forget', queue: 1, topic: 'T', queueId: 1, below },
      { kind: 'forget', queue: 7, topic: 'T', queueId: 7, below: below + 100_000 },
    )
    it.drain()
    expect(existsSync(queueFolder(it.settings, 'T', 0))).toBe(false)
    expect(existsSync(queueFolder(it.settings, 'T', 1))).toBe(false)
    it.define(2, 'T', 0)
    it.append('T', 0, 0)
    it.drain()
    expect(it.queues.max(2)).toBe(1)
    expect(it.units('T', 0, 1).physicalOffset(0)).toBe(it.maker.places[2].offset)
  })
})
