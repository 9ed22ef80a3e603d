/**
 * brokerFastFailure: whoever waits longer than RocketMQ would let him is answered at once, with the numbers; nobody else is.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Pool } from '../../src/broker/pool.ts'
import { RefusedRequest } from '../../src/broker/router.ts'
import { StallWatch } from '../../src/broker/stall-watch.ts'
import { WaitingLine } from '../../src/broker/waiting-line.ts'
import { resolveConfig } from '../../src/config/index.ts'
import { segmentPath } from '../../src/store/commitlog/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { TestClient } from '../support/client.ts'
import { bodyOf } from './rig.ts'

test('append that stands still: the first sends wait for it, the next are refused at once, and all goes on with it', async () => {
  const broker = await startTestBroker({ config: { osPageCacheBusyTimeOutMills: 300 } })
  onTestFinished(() => broker.close())
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  const table = async () => (bodyOf(await client.invoke(28)) as { table: Record<string, string> }).table
  await client.send('T', 'before')
  broker.faults.set('holdAppend', 1)
  const early = client.send('T', 'early')
  await vi.waitFor(async () => expect(Number((await table()).pageCacheLockTimeMills)).toBeGreaterThan(300), 10_000)
  const asked = performance.now()
  const refused = await client.send('T', 'late')
  expect(performance.now() - asked).toBeLessThan(150)
  expect(refused).toMatchObject({ code: 2, remark: expect.stringMatching(/^\[PCBUSY_CLEAN_QUEUE\]broker busy/) })
  expect(refused.remark).toMatch(/append has \d+ bytes to take/)
  // Whoever only reads is served.
  expect((await client.pull('T', 0, 0)).messages).toHaveLength(1)
  broker.faults.set('holdAppend', 0)
  expect((await early).code).toBe(0)
  await vi.waitFor(async () => expect((await table()).pageCacheLockTimeMills).toBe('0'), 10_000)
  expect((await client.send('T', 'after')).code).toBe(0)
  await vi.waitFor(
    async () =>
      expect((await client.drain('T', 0)).map((m) => m.body.toString())).toEqual(['before', 'early', 'after']),
    10_000,
  )
})

const pause = (ms: number) => new Promise<void>((fulfil) => setTimeout(fulfil, ms))

/** Stages as numbers, looked at every 100 ms. */
function watched() {
  const at = { appended: 100, flushed: 100, dispatched: 100, allocated: 3 * 1024, waiting: 10, syncing: 0, fence: 0 }
  const lines: string[] = []
  const watch = new StallWatch({
    control: {
      load: (name) => at[name as keyof typeof at] ?? 0,
      word: () => at.syncing,
      get fence() {
        return at.fence
      },
      visible: () => at.appended,
    },
    settings: { brokerFastFailureEnable: true, osPageCacheBusyTimeOutMills: 1000, mappedFileSizeCommitLog: 1024 },
    waiting: () => at.waiting,
    log: { info() {}, error() {}, warn: (line) => void lines.push(line) },
  })
  let now = 1000
  const pass = (ms: number) => {
    for (const until = now + ms; now < until; now += 100) watch.look(now)
  }
  return { at, lines, watch, pass }
}

test('append is watched in the time that this process ran: a machine that was suspended did not wait for it', () => {
  const { at, watch } = watched()
  watch.look(1_000)
  expect(watch.stalledMs).toBe(0)
  watch.look(1_100)
  watch.look(1_210)
  expect(watch.stalledMs).toBe(210)
  watch.look(1_000_000)
  expect(watch.stalledMs).toBe(410)
  at.appended = 101
  watch.look(1_000_100)
  expect(watch.stalledMs).toBe(0)
  at.waiting = 0
  watch.look(1_000_200)
  watch.look(1_000_300)
  expect(watch.stalledMs).toBe(0)
})

test.each([
  ['the next segment is missing', { allocated: 1024 }, 'the CommitLog segment 1024 is not allocated yet'],
  ['a fence is closed', { fence: 1 }, 'the role of the broker changes'],
  ['the kernel has no page', {}, 'its write into the log does not return: the kernel'],
  [
    'the kernel has no page beside a sync',
    { syncing: 7 },
    'its write into the log does not return while a sync runs for',
  ],
])('a stall names its cause, in the log and to who is refused: %s', (_, state, cause) => {
  const { at, lines, watch, pass } = watched()
  Object.assign(at, state)
  pass(1000)
  expect(watch.refusal).toBe(undefined)
  pass(300)
  expect(watch.refusal?.remark).toContain(`append stands still for 1200ms, ${cause}`)
  expect(watch.refusal?.remark).toContain('append has 10 bytes to take, flush is 0 bytes behind')
  expect(lines.filter((line) => line.startsWith(`append stands still for 500 ms: ${cause}`))).toHaveLength(1)
  at.appended += 10
  pass(100)
  expect(watch.refusal).toBe(undefined)
  expect(lines).toContain('append stands still: over after 1200 ms')
  // Again and again is told every ten seconds.
  const before = lines.length
  pass(5000)
  at.appended += 10
  pass(100)
  expect(lines.filter((line) => line.startsWith('append')).length).toBe(
    lines.slice(0, before).filter((line) => line.startsWith('append')).length,
  )
})

test('a sync that hangs is told with its length, in the log and to the senders that wait for room', async () => {
  const lines: string[] = []
  const log = { info() {}, error() {}, warn: (line: string) => void lines.push(line) }
  await using broker = await startTestBroker({ config: { flushDiskType: 'SYNC_FLUSH', syncFlushTimeout: 3000 }, log })
  const client = new TestClient(broker.address)
  onTestFinished(() => client.close())
  await client.send('T', 'before')
  broker.faults.set('holdSync', 1)
  const waits = client.send('T', 'waits')
  await vi.waitFor(
    () => expect(lines.join()).toMatch(/an fdatasync of the CommitLog does not return for 1\d\d\d ms/),
    10_000,
  )
  broker.faults.set('holdAppend', 1)
  const early = client.send('T', 'early')
  // What PCBUSY says is asked for by a connection that waits for nothing.
  const other = new TestClient(broker.address)
  onTestFinished(() => other.close())
  await vi.waitFor(async () => {
    const refused = await Promise.race([other.send('T', 'late').catch(() => undefined), pause(300)])
    expect(refused).toMatchObject({ code: 2, remark: expect.stringMatching(/behind \(its sync runs for \d+ ms\)/) })
  }, 10_000)
  broker.faults.set('holdAppend', 0)
  broker.faults.set('holdSync', 0)
  await waits
  await early
  await vi.waitFor(
    () => expect(lines.join()).toMatch(/fdatasync of the CommitLog does not return: over after \d+ ms/),
    5000,
  )
})

test('the line: in order of arrival, bounded for each kind, and only those that are too late leave it early', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.record({ add: fc.constantFrom('pull' as const, 'query' as const), after: fc.nat(500) }),
          fc.constant('run' as const),
          fc.record({ expire: fc.nat(3_000) }),
        ),
        { maxLength: 60 },
      ),
      (steps) => {
        const line = new WaitingLine((kind) => (kind === 'pull' ? 6 : 4))
        let now = 0
        let id = 0
        let model: { id: number; kind: string; since: number }[] = []
        const ran: number[] = []
        const refused: number[] = []
        const expectedRan: number[] = []
        const expectedRefused: number[] = []
        for (const step of steps) {
          if (step === 'run') {
            const next = model.shift()
            expect(line.runNext()).toBe(next !== undefined)
            if (next !== undefined) expectedRan.push(next.id)
          } else if ('expire' in step) {
            const isLate = (one: (typeof model)[number]) => one.kind === 'pull' && now - one.since > step.expire
            expectedRefused.push(...model.filter(isLate).map((one) => one.id))
            model = model.filter((one) => !isLate(one))
            line.expire('pull', step.expire, now)
          } else {
            now += step.after
            id += 1
            const [mine, kind] = [id, step.add]
            const run = () => void ran.push(mine)
            const add = () => line.add({ kind, since: now, run, refuse: () => void refused.push(mine) })
            const isFull = model.filter((one) => one.kind === kind).length >= (kind === 'pull' ? 6 : 4)
            if (isFull) expect(add).toThrow(/^\[OVERLOAD\]system busy/)
            else {
              add()
              model.push({ id: mine, kind, since: now })
            }
          }
          for (const kind of ['pull', 'query'] as const) {
            const waiting = model.filter((one) => one.kind === kind)
            expect(line.count(kind)).toBe(waiting.length)
            expect(line.headWaitMs(kind, now)).toBe(waiting.length === 0 ? 0 : now - waiting[0].since)
          }
        }
        expect([ran, refused]).toEqual([expectedRan, expectedRefused])
      },
    ),
  )
})

test('pulls that wait 5 s for a thread, because the disk holds up all others, are answered "busy"', async () => {
  const root = mkdtempSync(join(tmpdir(), 'basalt-slow-disk-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const { config } = resolveConfig({ role: 'broker', overrides: { storePathRootDir: root } })
  const path = segmentPath(config.storePathCommitLog, 0)
  mkdirSync(config.storePathCommitLog, { recursive: true })
  // To open a pipe that nobody writes to takes for ever.
  execFileSync('mkfifo', [path])
  const pool = new Pool(config)
  const read = () => pool.readRecords(Float64Array.of(0), Int32Array.of(100))
  const held = [read(), read()]
  const late = [read(), read()].map((one) =>
    one.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )
  const query = pool.view(0, 100)
  expect([pool.line.count('pull'), pool.line.count('query')]).toEqual([2, 1])
  pool.tick(performance.now() + 4_900)
  expect(pool.line.count('pull')).toBe(2)
  pool.tick(performance.now() + 5_001)
  for (const error of await Promise.all(late)) {
    expect(error).toBeInstanceOf(RefusedRequest)
    expect((error as RefusedRequest).responseCode).toBe(2)
    expect((error as RefusedRequest).message).toMatch(
      /^\[TIMEOUT_CLEAN_QUEUE\]broker busy, .*, period in queue: 500\dms, size of queue: 2/,
    )
  }
  // Queries have no limit; whoever had a thread keeps it.
  expect([pool.line.count('pull'), pool.line.count('query')]).toEqual([0, 1])
  const writer = openSync(path, 'r+')
  await Promise.allSettled([...held, query])
  closeSync(writer)
  await pool.close()
})
