/** Keys that say how often something is done: the time of the next one changes with them. Part of config-changes.test.ts. */
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { decodeCommand } from '../../../src/remoting/frame.ts'
import { answerTo, encodeCommand, type RemotingCommand } from '../../../src/remoting/index.ts'
import { startTestBroker } from '../../../src/testing/index.ts'
import { TestClient } from '../../support/client.ts'
import { allOffline, TransactionClient } from '../transaction/transaction-client.ts'
import type { LiveKeys } from './face.ts'

/** Shorter than any of the defaults. */
const SOON = { timeout: 1500, interval: 20 }

export function periodKeys({ broker, client, withKey, proved }: LiveKeys): void {
  const written = (file: string) => {
    try {
      return readFileSync(join(broker().folder, 'config', file), 'utf8')
    } catch {
      return ''
    }
  }

  test('flushConsumerOffsetInterval: offsets are on disk as soon as it says', async () => {
    await withKey('flushConsumerOffsetInterval', 20, async () => {
      // More than once: the former interval may end just now.
      for (const commitOffset of ['101', '102', '103', '104']) {
        const header = { consumerGroup: 'Written', topic: 'Routed', queueId: '0', commitOffset }
        await client().invoke(15, header)
        await expect.poll(() => written('consumerOffset.json'), SOON).toContain(`0:${commitOffset}`)
      }
    })
  })

  test('flushDelayOffsetInterval: progress of a delay level, too', async () => {
    await withKey('flushDelayOffsetInterval', 20, async () => {
      for (const count of [1, 2]) {
        await client().send('Due', 'x', { properties: { DELAY: '2' } })
        broker().advance('6s')
        await expect.poll(() => written('delayOffset.json'), SOON).toContain(`2:${count}`)
      }
    })
  })

  test('transactionCheckInterval: an open half is asked for soon', async () => {
    const producer = new TransactionClient(broker().address, 'Asked')
    await producer.heartbeat()
    await withKey('transactionTimeOut', 1, async () => {
      await producer.half('Halves', 'open', {}, { g: String(Date.now() - 1000) })
      await withKey('transactionCheckInterval', 50, async () => {
        await expect.poll(() => producer.checks.length, SOON).toBeGreaterThan(0)
      })
    })
    await allOffline()
  })

  test('flushConsumeQueueThoroughInterval: queues are synced soon', async () => {
    const { control } = broker().handle.engine
    await withKey('flushConsumeQueueThoroughInterval', 20, async () => {
      await client().send('Settled', 'x')
      await expect.poll(() => control.load('appended') - control.load('settled'), SOON).toBe(0)
    })
  })

  test('flushIntervalCommitLog, flushCommitLogLeastPages, flushCommitLogThoroughInterval: the flush thread follows', async () => {
    const late = { flushIntervalCommitLog: 3_600_000, flushCommitLogThoroughInterval: 3_600_000 }
    const async = await startTestBroker({
      config: { flushDiskType: 'ASYNC_FLUSH', flushCommitLogLeastPages: 0, ...late },
    })
    onTestFinished(() => async.close())
    const asks = new TestClient(async.address)
    onTestFinished(() => asks.close())
    const { control } = async.handle.engine
    const behind = () => control.load('appended') - control.load('flushed')
    const set = async (text: string) => expect((await asks.invoke(25, {}, Buffer.from(text))).code).toBe(0)
    const stays = async () => {
      await asks.send('T', 'x')
      await new Promise((resolve) => setTimeout(resolve, 150))
      expect(behind()).toBeGreaterThan(0)
    }
    await stays()
    await set('flushIntervalCommitLog=10')
    await expect.poll(behind, SOON).toBe(0)
    await set('flushCommitLogLeastPages=1000')
    await stays()
    await set('flushCommitLogThoroughInterval=10')
    await expect.poll(behind, SOON).toBe(0)
    for (const key of ['flushIntervalCommitLog', 'flushCommitLogLeastPages', 'flushCommitLogThoroughInterval']) {
      proved.add(key)
    }
  })

  test('registerNameServerPeriod, compressedRegister, forceRegister, registerBrokerTimeoutMills: the next registration', async () => {
    const names = await ListeningNamesrv.start()
    onTestFinished(() => names.close())
    const { heard } = names
    const registrations = () => heard.filter(({ code }) => code === 103)
    await withKey('namesrvAddr', names.address, async () => {
      await expect.poll(() => registrations().length, SOON).toBe(1)
      expect(registrations()[0].ext?.compressed).toBe('false')
      await withKey('compressedRegister', true, () =>
        withKey('registerNameServerPeriod', 10_000, async () => {
          broker().advance(11_000)
          await expect.poll(() => registrations().at(-1)?.ext?.compressed, SOON).toBe('true')
        }),
      )
      await withKey('forceRegister', false, async () => {
        const { length } = heard
        broker().advance(31_000)
        await expect.poll(() => heard.slice(length).map(({ code }) => code), SOON).toEqual([322])
      })
      names.isSilent = true
      await withKey('registerBrokerTimeoutMills', 50, async () => {
        const { length } = registrations()
        broker().advance(31_000)
        // The second is the try after the first has timed out, and a second has passed.
        await expect.poll(() => registrations().length, { timeout: 4000 }).toBeGreaterThan(length + 1)
      })
    })
  })
}

/** Takes every registration and knows every version. */
class ListeningNamesrv {
  readonly heard: RemotingCommand[] = []
  isSilent = false
  address = ''
  private readonly sockets = new Set<Socket>()
  private readonly server = createServer((socket) => this.serve(socket))

  static async start(): Promise<ListeningNamesrv> {
    const names = new ListeningNamesrv()
    await new Promise<void>((resolve) => names.server.listen(0, '127.0.0.1', resolve))
    names.address = `127.0.0.1:${(names.server.address() as { port: number }).port}`
    return names
  }

  close(): void {
    this.server.close()
    for (const socket of this.sockets) socket.destroy()
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket)
    let received: Buffer = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        const end = 4 + received.readInt32BE(0)
        const command = decodeCommand(received, 0, end)
        received = received.subarray(end)
        this.heard.push(command)
        if (this.isSilent) continue
        socket.write(encodeCommand({ ...answerTo(command, 0), ext: command.code === 322 ? { changed: 'false' } : {} }))
      }
    })
  }
}
