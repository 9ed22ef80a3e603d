/** Where memory is said to be, against what this process knows of itself; and what a broker starts in. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { mappedBytes, memoryUse } from '../../src/metrics/memory.ts'
import { bodyOf } from '../broker/rig.ts'
import { startBrokerProcess } from '../faults/support/broker-process.ts'
import { storeFolder } from '../faults/support/scratch.ts'
import { TestClient } from '../support/client.ts'

const MIB = 1024 * 1024
/** Users' laptops end JVMs of 8 GB; what starts here fits beside anything. */
const START_BYTES_MAX = 150 * MIB

test('maps of the store are counted, others are not', () => {
  const maps = [
    '7f0000000000-7f0000100000 r--s 00000000 08:01 42                         /data/store/commitlog/00000000000000000000',
    '7f0000100000-7f0000101000 rw-p 00000000 00:00 0                          [heap]',
    '7f0000200000-7f0000300000 r-xp 00000000 08:01 43                         /usr/lib/libc.so.6',
    '7f0000400000-7f0000500000 r--s 00100000 08:01 44                         /data/store2/commitlog/0',
    '7f0000600000-7f0000700000 r--s 00000000 08:01 45                         /data/store/commitlog/1 (deleted)',
  ].join('\n')
  expect(mappedBytes(maps, ['/data/store'])).toBe(2 * MIB)
})

test.runIf(process.platform === 'linux')('this process: resident is private and files', () => {
  const before = memoryUse([])
  const held = Buffer.alloc(32 * MIB, 1)
  const after = memoryUse([])
  expect(after.private - before.private).toBeGreaterThan(24 * MIB)
  expect(after.resident).toBeGreaterThanOrEqual(after.private + after.resident_files)
  expect(after.page_tables).toBeGreaterThan(0)
  expect(held[5]).toBe(1)
})

test.runIf(process.platform === 'linux')(
  'a broker with the default files starts in less than 150 MB, and says apart what is mapped, resident and its own',
  async () => {
    using folder = storeFolder()
    const config = { mappedFileSizeCommitLog: 256 * MIB, tailWriter: 'map' } as const
    await using broker = await startBrokerProcess({ folder: folder.path, config })
    expect(broker.rss()).toBeLessThan(START_BYTES_MAX)
    const client = new TestClient(broker.address)
    onTestFinished(() => client.close())
    for (let i = 0; i < 8; i += 1) await client.send('T', Buffer.alloc(3 * MIB, 1))
    let rows: Record<string, string> = {}
    const use = (name: string) => Number(rows[`basalt_memory_${name}`])
    await vi.waitFor(async () => {
      rows = (bodyOf(await client.invoke(28)) as { table: Record<string, string> }).table
      expect(use('mapped')).toBeGreaterThanOrEqual(256 * MIB)
    }, 10_000)
    // The log is mapped, 24 MB of it are written: neither is the broker's own.
    expect(use('mapped')).toBeLessThan(1024 * MIB)
    expect(use('resident')).toBeGreaterThanOrEqual(use('private') + use('resident_files') - MIB)
    expect(use('resident')).toBeLessThan(use('mapped') + use('private'))
    expect(use('heap_used')).toBeLessThan(use('private'))
    expect(use('page_tables')).toBeGreaterThan(0)
  },
  30_000,
)
