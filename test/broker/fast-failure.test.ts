/**
 * brokerFastFailure: whoever waits longer than RocketMQ would let him is answered at once, with the numbers; nobody else is.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { AppendWatch } from '../../src/broker/append-watch.ts'
import { Pool } from '../../src/broker/pool.ts'
import { RefusedRequest } from '../../src/broker/router.ts'
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

test('append is watched in the time that this process ran: a machine that was suspended did not wait for it', () => {
  let appended = 100
  let waiting = 10
  const watch = new AppendWatch({ control: { load: () => appended }, waiting: () => waiting, everyMs: 100 })
  watch.look(1_000)
  expect(watch.stalledMs).toBe(0)
  watch.look(1_100)
  watch.look(1_210)
  expect(watch.stalledMs).toBe(210)
  watch.look(1_000_000)
  expect(watch.stalledMs).toBe(410)
  appended = 101
  watch.look(1_000_100)
  expect(watch.stalledMs).toBe(0)
  waiting = 0
  watch.look(1_000_200)
  watch.look(1_000_300)
  expect(watch.stalledMs).toBe(0)
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
