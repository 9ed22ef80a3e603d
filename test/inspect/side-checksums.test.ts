/** verify and the side checksums: what is found, where, and what it is called. */
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openStore, verifyStore } from '../../src/inspect/index.ts'
import { checksumsPath, HASHED_BLOCK } from '../../src/store/checksums/index.ts'
import { segmentPath } from '../../src/store/commitlog/index.ts'
import { dispatchAll, LogMaker, rig } from '../store/dispatch/support.ts'
import { recordedStore, scratchFolder, storeSettings } from '../store/scratch.ts'
import { hashSealed, inspect } from './stores.ts'

const SIZE = 65_536
const verify = (root: string, threads = 0) => verifyStore(openStore(root), { threads })
const logFile = (root: string, start: number) => segmentPath(join(root, 'commitlog'), start)

function rewrite(path: string, change: (bytes: Buffer) => void, mtimeMs = statSync(path).mtimeMs): void {
  const bytes = readFileSync(path)
  change(bytes)
  writeFileSync(path, bytes)
  utimesSync(path, mtimeMs / 1000, mtimeMs / 1000)
}

async function hashedStore(): Promise<string> {
  const root = recordedStore('clean')
  await hashSealed(root)
  return root
}

test.each([0, 2])('a store with them is whole (%i threads)', async (threads) => {
  const { isWhole, findings } = await verify(await hashedStore(), threads)
  expect({ isWhole, findings }).toEqual({ isWhole: true, findings: [] })
})

test('a bit that nothing else covers is found, with place, meaning and remedy', async () => {
  const root = await hashedStore()
  const path = logFile(root, SIZE)
  // The born host of its first record.
  rewrite(path, (bytes) => {
    bytes[49] ^= 4
  })
  const { isWhole, findings } = await verify(root)
  expect(isWhole).toBe(false)
  expect(findings).toEqual([
    {
      code: 'SIDE_CHECKSUM',
      severity: 'error',
      file: path,
      offset: 0,
      what: expect.stringMatching(
        /^bytes 65536 to 131072 of the log are not what they were at 20.*, and nobody wrote to the file since; \d+ records lie in it, at 65536 to 129289, and all bodies have their CRC/,
      ),
      remedy: expect.stringMatching(/copy the file now.*take the segment from a replica/),
    },
  ])
  const { status, printed } = await inspect('verify', root)
  expect(status).toBe(3)
  expect(printed).toMatch(/error SIDE_CHECKSUM: bytes 65536 to 131072/)
})

test('who wrote to the segment later is not called a bad disk', async () => {
  const root = await hashedStore()
  rewrite(
    logFile(root, SIZE),
    (bytes) => {
      bytes[49] ^= 4
    },
    Date.now() + 10_000,
  )
  const { findings } = await verify(root)
  expect(findings).toMatchObject([
    {
      code: 'SEGMENT_CHANGED',
      severity: 'warn',
      what: expect.stringMatching(/1 blocks.*the file was written to at 20/),
    },
  ])
})

test('a checksum file that is not whole, or of another segment, is a finding of its own', async () => {
  const root = await hashedStore()
  writeFileSync(checksumsPath(root, 0), readFileSync(checksumsPath(root, SIZE)))
  rewrite(checksumsPath(root, SIZE), (bytes) => {
    bytes[60] ^= 1
  })
  const { findings, isWhole } = await verify(root)
  expect(isWhole).toBe(false)
  expect(findings).toMatchObject([
    {
      code: 'SIDE_CHECKSUM_FILE',
      severity: 'warn',
      file: checksumsPath(root, 0),
      what: expect.stringMatching(/begins at 65536/),
    },
    { code: 'SIDE_CHECKSUM_FILE', severity: 'warn', file: checksumsPath(root, SIZE), what: 'its own CRC is wrong' },
  ])
})

test('one that is missing for long is worth knowing, and no more; a store without any says nothing', async () => {
  const root = await hashedStore()
  rmSync(checksumsPath(root, SIZE))
  const path = logFile(root, SIZE)
  const hour = (ago: number) => new Date(Date.now() - ago * 3_600_000)
  utimesSync(path, hour(0), hour(0))
  expect((await verify(root)).findings).toEqual([])
  utimesSync(path, hour(2), hour(2))
  const { findings, isWhole } = await verify(root)
  expect(isWhole).toBe(true)
  expect(findings).toMatchObject([{ code: 'SIDE_CHECKSUM_MISSING', severity: 'info' }])
  rmSync(join(root, 'basalt'), { recursive: true })
  expect((await verify(root)).findings).toEqual([])
})

test('a sealed segment is hashed also where the log does not lead to it any more', async () => {
  const root = await hashedStore()
  // The log ends in its first file.
  for (const start of [SIZE, 2 * SIZE, 3 * SIZE]) rewrite(logFile(root, start), (bytes) => bytes.fill(0))
  const codes = (await verify(root)).findings.filter(({ code }) => code === 'SIDE_CHECKSUM').map(({ file }) => file)
  expect(codes).toEqual([logFile(root, SIZE), logFile(root, 2 * SIZE)])
})

test('segments of several blocks in several ranges: each flipped bit is found in its block', async () => {
  const root = scratchFolder()
  const size = 6 * HASHED_BLOCK + 12_345
  const changes = { mappedFileSizeCommitLog: size, maxMessageSize: 2 * HASHED_BLOCK }
  const settings = storeSettings(root, changes)
  const maker = new LogMaker(settings)
  for (let i = 0; maker.end < size + 1000; i += 1)
    maker.add({ topic: 'Blocks', queueId: 0, queueOffset: i, bodyLength: (i * 104_729) % 1_300_000 })
  const build = rig(settings)
  dispatchAll(build, 0, maker.end, 1 << 24)
  build.close()
  await hashSealed(root, changes)
  expect(await verify(root, 2)).toMatchObject({ isWhole: true, findings: [] })
  const path = logFile(root, 0)
  await fc.assert(
    fc.asyncProperty(fc.nat(size - 1), fc.nat(7), async (at, bit) => {
      const flip = (bytes: Buffer) => {
        bytes[at] ^= 1 << bit
      }
      rewrite(path, flip)
      const { findings } = await verify(root)
      rewrite(path, flip)
      const found = findings.filter(({ code }) => code === 'SIDE_CHECKSUM').map(({ offset }) => offset)
      expect(found).toEqual([at - (at % HASHED_BLOCK)])
    }),
    { numRuns: 15 },
  )
}, 60_000)
