/** Where a group's progress is kept. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { MessageQueue } from '../../../src/client/consumer/message-queue.ts'
import { advance, LocalOffsetStore, RemoteOffsetStore } from '../../../src/client/consumer/offsets/index.ts'

const queue = (queueId: number, topic = 'T'): MessageQueue => ({ topic, brokerName: 'broker-a', queueId })

describe('the local file of broadcast consumers', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'basalt-offsets-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  const open = async (damaged?: (path: string) => void) => {
    const store = new LocalOffsetStore({
      clientId: '10.0.0.1@DEFAULT',
      group: 'g',
      folder,
      ...(damaged && { damaged }),
    })
    await store.load()
    return store
  }

  test('is where the Java client has it, and is read again', async () => {
    const store = await open()
    expect(await store.fetch(queue(0))).toBe(-1)
    advance(store.slot(queue(0)), 5)
    advance(store.slot(queue(1, '%RETRY%x')), 7)
    await store.persist()
    expect(store.path).toBe(join(folder, '10.0.0.1@DEFAULT', 'g', 'offsets.json'))
    const again = await open()
    expect([await again.fetch(queue(0)), await again.fetch(queue(1, '%RETRY%x'))]).toEqual([5, 7])
  })

  test('as the Java client wrote it (pretty-printed, objects as keys) is understood', async () => {
    const path = (await open()).path
    await mkdir(dirname(path), { recursive: true })
    writeFileSync(
      path,
      '{\n\t"offsetTable":{{\n\t\t\t"brokerName":"broker-a",\n\t\t\t"queueId":3,\n\t\t\t"topic":"T"\n\t\t}:42\n\t}\n}',
    )
    expect(await (await open()).fetch(queue(3))).toBe(42)
  })

  test('an empty table is one', async () => {
    const path = (await open()).path
    await mkdir(dirname(path), { recursive: true })
    writeFileSync(path, '{"offsetTable":{}}')
    expect((await open()).known()).toEqual([])
  })

  test('a damaged file is passed over for what was there before', async () => {
    const store = await open()
    for (const offset of [1, 2, 3]) {
      advance(store.slot(queue(0)), offset)
      await store.persist()
    }
    writeFileSync(store.path, '{"offsetTable":{{"brok')
    const damaged: string[] = []
    expect(await (await open((path) => damaged.push(path))).fetch(queue(0))).toBe(2)
    expect(damaged).toEqual([store.path])
    expect(readFileSync(`${store.path}.damaged`, 'utf8')).toContain('brok')
  })
})

describe('the store at the brokers', () => {
  const calls = () => {
    const sent: [number, number, boolean][] = []
    return {
      sent,
      stored: undefined as number | undefined,
      async queryConsumerOffset() {
        return this.stored
      },
      async updateConsumerOffset({ queueId }: MessageQueue, offset: number, confirmed: boolean) {
        if (queueId === 9) throw new Error('gone')
        sent.push([queueId, offset, confirmed])
      },
    }
  }

  test('stores what memory knows of the queues that are named, and nothing else', async () => {
    const broker = calls()
    const store = new RemoteOffsetStore(broker, () => {})
    advance(store.slot(queue(0)), 5)
    advance(store.slot(queue(1)), 6)
    await store.persist([queue(0), queue(2)], false)
    expect(broker.sent.map(([queueId, offset]) => [queueId, offset])).toEqual([[0, 5]])
  })

  test('the first commit at a broker is answered before others begin, also of another call; from then on they go one-way', async () => {
    const broker = calls()
    let answer = () => {}
    const answered = new Promise<void>((resolve) => {
      answer = resolve
    })
    const began: number[] = []
    const store = new RemoteOffsetStore(
      {
        ...broker,
        async updateConsumerOffset(queue, offset, confirmed) {
          began.push(queue.queueId)
          if (began.length === 1) await answered
          await broker.updateConsumerOffset(queue, offset, confirmed)
        },
      },
      () => {},
    )
    for (const id of [0, 1, 2]) advance(store.slot(queue(id)), 1)
    const both = [store.persist([queue(0), queue(1)], false), store.persist([queue(2)], true)]
    await new Promise(setImmediate)
    expect(began).toEqual([0])
    answer()
    await Promise.all(both)
    await store.persist([queue(0)], false)
    expect(broker.sent).toEqual([
      [0, 1, true],
      [1, 1, false],
      [2, 1, true],
      [0, 1, false],
    ])
  })

  test('a first commit that fails leaves the next one first', async () => {
    const broker = calls()
    const store = new RemoteOffsetStore(broker, () => {})
    for (const id of [9, 0]) advance(store.slot(queue(id)), 1)
    await store.persist([queue(9)], false)
    await store.persist([queue(0)], false)
    expect(broker.sent).toEqual([[0, 1, true]])
  })

  test('one queue whose broker is gone does not keep the others from being stored', async () => {
    const broker = calls()
    const failed: number[] = []
    const store = new RemoteOffsetStore(broker, ({ queueId }) => failed.push(queueId))
    for (const id of [9, 0]) advance(store.slot(queue(id)), 1)
    await store.persist([queue(9), queue(0)], true)
    expect([broker.sent, failed]).toEqual([[[0, 1, true]], [9]])
  })

  test('what is fetched is known from then on, also when it is lower', async () => {
    const broker = calls()
    const store = new RemoteOffsetStore(broker, () => {})
    expect(await store.fetch(queue(0))).toBe(-1)
    advance(store.slot(queue(0)), 50)
    broker.stored = 20
    expect(await store.fetch(queue(0))).toBe(20)
    expect(store.slot(queue(0)).offset).toBe(20)
  })

  test('progress goes forward only', () => {
    const slot = { queue: queue(0), offset: 5 }
    advance(slot, 4)
    expect(slot.offset).toBe(5)
    advance(slot, 6)
    expect(slot.offset).toBe(6)
  })
})
