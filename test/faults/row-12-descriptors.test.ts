/**
 * Row 12: as many connections at once as the process has no descriptors for, on both ports.
 *
 * What is too much is refused with a line in the log that says the limit; connections that were there before are served, the
 * store rolls its segments all the while, and once the crowd has gone there is room again.
 */
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { startBrokerProcess, TINY, until } from './support/broker-process.ts'
import { judge, Ledger, Load, readBack } from './support/load.ts'
import { isLong, storeFolder } from './support/scratch.ts'
import { verifyStore } from './support/verify-store.ts'

/** This process needs descriptors for its ends, too. */
const OWN_LIMIT = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024)
const CROWD = Math.min(isLong ? 10_000 : 2000, OWN_LIMIT - 200)

test.each([{ descriptors: 256 }, { descriptors: Math.max(700, Math.floor(CROWD * 0.7)) }])(
  `ulimit -n $descriptors: of ${CROWD} connections at once some are refused, and who was there is served`,
  async ({ descriptors }) => {
    using folder = storeFolder()
    await using broker = await startBrokerProcess({ folder: folder.path, descriptors })
    const ledger = new Ledger()
    const load = new Load({ address: broker.address, ledger })
    load.start()
    await load.acknowledged(200)

    const crowd = new Crowd()
    crowd.come(broker.address, CROWD / 2)
    crowd.come(broker.fast, CROWD / 2)
    await until(() => crowd.settled, 30_000)
    await load.acknowledged(3000)
    expect(crowd.refused).toBeGreaterThan(0)
    expect(broker.log).toMatch(/connection (refused|could not be accepted).*/)
    expect(broker.log.split('\n').length).toBeLessThan(200)
    await crowd.leave()

    const late = new Crowd()
    await until(() => {
      if (late.settled && late.open === 0) late.come(broker.address, 1)
      return late.open > 0
    }, 30_000)
    await late.leave()
    await load.acknowledged(200)
    await load.stop()
    expect(load.unanswered).toEqual([])
    expect(ledger.refused.size).toBe(0)
    expect(load.brokenPositions).toEqual([])
    expect(judge(ledger, await readBack(broker.address))).toEqual([])
    expect(await broker.stop()).toEqual({ status: 0, signal: null })
    expect(verifyStore(folder.path, TINY)).toEqual([])
  },
)

/** Connections that say nothing. */
class Crowd {
  refused = 0
  private readonly sockets: Socket[] = []
  private connecting = 0

  /** All have been let in or sent away. */
  get settled(): boolean {
    return this.connecting === 0
  }

  get open(): number {
    return this.sockets.filter((socket) => socket.readyState === 'open').length
  }

  come(address: string, count: number): void {
    const [host, port] = address.split(':')
    for (let i = 0; i < count; i += 1) {
      const socket = connect({ host, port: Number(port) })
      this.sockets.push(socket)
      this.connecting += 1
      socket.once('connect', () => {
        this.connecting -= 1
      })
      socket.once('error', () => {
        if (socket.connecting) this.connecting -= 1
      })
      socket.once('close', () => {
        this.refused += 1
      })
    }
  }

  async leave(): Promise<void> {
    for (const socket of this.sockets) socket.removeAllListeners('close').destroy()
    await new Promise((resolve) => setImmediate(resolve))
  }
}
