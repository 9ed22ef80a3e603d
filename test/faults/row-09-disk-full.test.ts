/**
 * Row 9: the disk is full, on a small tmpfs: while segments roll, while ConsumeQueue and index files grow, while JSON tables
 * are written.
 *
 * Senders are told "disk full: path, bytes", consumers go on with what is there, nothing crashes (a store into a map without
 * blocks would be a SIGBUS), and when space comes everything goes on by itself. Needs the right to mount.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { BrokerConfig } from '../../src/config/index.ts'
import { TestClient } from '../support/client.ts'
import { startBrokerProcess, TINY, until } from './support/broker-process.ts'
import { judge, Ledger, Load, pause, QUEUES, readBack, TOPIC } from './support/load.ts'
import { isLong, storeFolder } from './support/scratch.ts'
import { verifyStore } from './support/verify-store.ts'

const MIB = 1024 * 1024
const DISK = (isLong ? 512 : 32) * MIB
const NOT_AVAILABLE = 14
const ROUNDS = isLong ? 20 : 2
const FULL_MS = isLong ? 5000 : 700

const canMount = (() => {
  using scratch = storeFolder()
  const mounted = mount(scratch.path, MIB)
  if (mounted) spawnSync('umount', [scratch.path])
  else console.error('FULL DISKS ARE NOT TESTED: a tmpfs cannot be mounted here (needs root)')
  return mounted
})()

test.runIf(canMount).each([
  { what: 'no room for the next segment', ratio: 100, tailWriter: 'pwrite' },
  { what: 'fuller than diskSpaceWarningLevelRatio, stores into the map', ratio: 90, tailWriter: 'map' },
] as const)('$what: senders are told, consumers go on, and it recovers by itself', async ({ ratio, tailWriter }) => {
  const disk = smallDisk(DISK)
  const config: Partial<BrokerConfig> = {
    tailWriter,
    diskSpaceWarningLevelRatio: ratio,
    diskSpaceCleanForciblyRatio: ratio,
    diskMaxUsedSpaceRatio: ratio,
    // Otherwise room is made of the oldest messages, as in RocketMQ.
    cleanFileForciblyEnable: false,
    flushConsumerOffsetInterval: 200,
  }
  await using broker = await startBrokerProcess({ folder: disk.store, config })
  const ledger = new Ledger()
  const load = new Load({ address: broker.address, ledger, inFlight: 16, bodyBytes: 1500 })
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  load.start()
  await load.acknowledged(200)

  for (let round = 0; round < ROUNDS; round += 1) {
    disk.fill()
    await until(() => (ledger.codes()[NOT_AVAILABLE] ?? 0) > 0, 30_000)
    await expectReadable(client, ledger)
    await commitOffset(client, round + 1)
    await pause(FULL_MS)
    disk.fill()
    await pause(FULL_MS)
    expect(broker.hasExited).toBe(false)
    disk.empty()
    await load.acknowledged(200)
  }

  // Each problem is said when it comes and when it goes, not all the time between.
  expect(broker.log.split('\n').length).toBeLessThan(50 + 40 * ROUNDS)
  await until(() => committedOnDisk(disk.store) === ROUNDS, 10_000)
  await load.stop()
  for (const { code, remark } of ledger.refused.values()) {
    expect(code).toBe(NOT_AVAILABLE)
    expect(remark).toMatch(/disk full: .*\d+ bytes|ConsumeQueue or index .* cannot be written/)
    expect(remark).toContain(disk.store)
  }
  expect(load.unanswered).toEqual([])
  expect(load.brokenPositions).toEqual([])
  expect(judge(ledger, await readBack(broker.address))).toEqual([])
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
  expect(verifyStore(disk.store, TINY)).toEqual([])
})

test.runIf(canMount)('a broker that starts on a full disk says so and ends; with room it starts', async () => {
  const disk = smallDisk(8 * MIB)
  disk.fill()
  await expect(startBrokerProcess({ folder: disk.store })).rejects.toThrow(/status 1 [\s\S]*(disk full|no room)/)
  disk.empty()
  await using broker = await startBrokerProcess({ folder: disk.store })
  expect(await broker.stop()).toEqual({ status: 0, signal: null })
})

/** What consumers could see before the disk was full they still can. (What came last may wait for room in its queue's file.) */
async function expectReadable(client: TestClient, ledger: Ledger): Promise<void> {
  for (let queueId = 0; queueId < QUEUES; queueId += 1) {
    const [, place] = [...ledger.acknowledged].filter(([, { queueId: id }]) => id === queueId)[0]
    expect((await client.pull(TOPIC, queueId, place.queueOffset)).code).toBe(0)
  }
}

async function commitOffset(client: TestClient, offset: number): Promise<void> {
  const ext = { consumerGroup: 'CG', topic: TOPIC, queueId: '0', commitOffset: String(offset) }
  expect((await client.invoke(15, ext)).code).toBe(0)
}

function committedOnDisk(store: string): number {
  const path = join(store, 'config', 'consumerOffset.json')
  if (!existsSync(path)) return -1
  const match = /"Faults@CG":\s*\{\s*"?0"?:(\d+)/.exec(readFileSync(path, 'utf8'))
  return Number(match?.[1] ?? -1)
}

/** A tmpfs that a ballast fills to the last block. */
function smallDisk(bytes: number) {
  const scratch = storeFolder()
  expect(mount(scratch.path, bytes)).toBe(true)
  onTestFinished(() => {
    spawnSync('umount', ['-l', scratch.path])
    scratch[Symbol.dispose]()
  })
  const ballast = join(scratch.path, 'ballast')
  return {
    store: join(scratch.path, 'store'),
    fill() {
      const fd = openSync(ballast, 'a')
      try {
        for (const block of [Buffer.alloc(MIB), Buffer.alloc(4096)]) writeUntilFull(fd, block)
      } finally {
        closeSync(fd)
      }
    },
    empty: () => rmSync(ballast),
  }
}

function writeUntilFull(fd: number, block: Buffer): void {
  for (;;) {
    try {
      if (writeSync(fd, block) < block.length) return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      return
    }
  }
}

function mount(path: string, bytes: number): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path]).status === 0
}
