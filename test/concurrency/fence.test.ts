/**
 * The fence with the real append and flush threads: a role is given up between claim and append, again and again. No
 * record of an old epoch lands behind the tail of a newer one, no answer claims what was taken back, and no sync that
 * was under way moves `flushed` over the new tail.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createRing, RingConsumer, RingProducer } from '../../src/concurrency/byte-ring.ts'
import { ControlBlock, GATE } from '../../src/concurrency/control-block.ts'
import { Fence } from '../../src/concurrency/fence.ts'
import { QueueTable } from '../../src/concurrency/queue-table.ts'
import { wake } from '../../src/concurrency/wake.ts'
import { FaultSwitches } from '../../src/faults.ts'
import { createAppendHistory } from '../../src/metrics/append-history.ts'
import { createStageClock } from '../../src/metrics/stage-clock.ts'
import { Waker } from '../../src/native/index.ts'
import { ACK, ACK_STATUS, SUBMIT, SUBMIT_FLAGS, SUBMIT_KIND } from '../../src/stages/ring-records.ts'
import { Supervisor } from '../../src/stages/supervisor.ts'
import { decodeRecord, recordSize, writeRecord } from '../../src/store/commitlog/index.ts'
import { allocateSegment } from '../../src/store/commitlog/segment-allocator.ts'
import { segmentName } from '../../src/store/commitlog/segments.ts'
import { capturedLog, scratchFolder, storeSettings } from '../store/scratch.ts'

const SEGMENT = 1024 * 1024
const ROUNDS = 40
const HOST = { address: Buffer.from([127, 0, 0, 1]), port: 10911 }

/** A small generator, so that a failure can be run again. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >>> 8) % below
  }
}

async function line(flushDiskType: 'SYNC_FLUSH' | 'ASYNC_FLUSH') {
  const settings = storeSettings(scratchFolder(), {
    flushDiskType,
    mappedFileSizeCommitLog: SEGMENT,
    flushIntervalCommitLog: 1,
    flushCommitLogLeastPages: 0,
  })
  const own = join(settings.storePathRootDir, 'basalt')
  mkdirSync(own)
  for (let start = 0; start < 4 * SEGMENT; start += SEGMENT) {
    allocateSegment({ folder: settings.storePathCommitLog, ownFolder: own, start, size: SEGMENT })
  }
  const control = ControlBlock.create()
  control.writer('allocated').reset(4 * SEGMENT)
  control.setWord('gate', flushDiskType === 'SYNC_FLUSH' ? GATE.flushed : 0)
  const [submitRing, ackRing, other] = [createRing(1024 * 1024), createRing(1024 * 1024), createRing(1024)]
  const waker = new Waker(() => {})
  const faults = new FaultSwitches()
  const failures: string[] = []
  const supervisor = new Supervisor({
    control,
    log: capturedLog(),
    start: {
      control: control.buffer,
      queues: QueueTable.create(16).buffer,
      submit: submitRing,
      acks: ackRing,
      definitions: other,
      arrivals: other,
      stageClock: createStageClock(),
      appendHistory: createAppendHistory(),
      faults: faults.buffer,
      settings,
      waker: waker.handle,
    },
    onFailure: ({ stage, message }) => void failures.push(`${stage}: ${message}`),
    onMessage: () => {},
  })
  supervisor.start(['append', 'flush'])
  await supervisor.begin([])
  onTestFinished(async () => {
    await supervisor.terminate()
    waker.close()
  })
  return { settings, control, faults, failures, submit: new RingProducer(submitRing), acks: new RingConsumer(ackRing) }
}

test.each([
  ['ASYNC_FLUSH', 1],
  ['ASYNC_FLUSH', 2],
  ['SYNC_FLUSH', 3],
  ['SYNC_FLUSH', 4],
] as const)('%s: nothing of an old epoch behind a new tail (seed %i)', async (flushDiskType, seed) => {
  const random = randomOf(seed)
  const { settings, control, faults, failures, submit, acks } = await line(flushDiskType)
  const fence = new Fence(control)
  /** Epoch of each claim, in order, and what append answered. */
  const claims: number[] = []
  const answered: { epoch: number; status: number; at: number; end: number }[] = []
  /** Tail at which each epoch began. */
  const tails: number[] = [0]
  let overtaken = ''

  const claim = () => {
    const epoch = control.epoch
    const body = Buffer.from(`${epoch}:`.padEnd(1 + random(400), '.'))
    const size = recordSize(body.length, 1, 0, 4, 4)
    const at = submit.claim(SUBMIT.records + size)
    if (at < 0) return
    submit.view.setInt32(at + SUBMIT.kind, SUBMIT_KIND.records, true)
    submit.view.setInt32(at + SUBMIT.epoch, epoch, true)
    submit.view.setInt32(at + SUBMIT.queue, 0, true)
    submit.view.setInt32(at + SUBMIT.count, 1, true)
    submit.view.setInt32(at + SUBMIT.flags, SUBMIT_FLAGS.counts, true)
    submit.view.setInt32(at + SUBMIT.sample, -1, true)
    writeRecord(submit.bytes, submit.view, at + SUBMIT.records, {
      ...{ topic: 'T', queueId: 0, body, properties: '', bornTimestamp: 1, bornHost: HOST, storeHost: HOST },
    })
    claims.push(epoch)
  }
  const commit = () => {
    submit.commit()
    wake(control.words, ControlBlock.index('append'))
  }
  const listen = () => {
    for (let at = acks.next(); at >= 0; at = acks.next()) {
      answered.push({
        epoch: claims[answered.length],
        status: acks.view.getInt32(at + ACK.status, true),
        at: acks.view.getFloat64(at + ACK.physicalOffset, true),
        end: acks.view.getFloat64(at + ACK.end, true),
      })
    }
    acks.release()
    if (control.load('flushed') > control.load('appended')) overtaken ||= `in epoch ${control.epoch}`
  }
  const until = async (isDone: () => boolean) => {
    const end = performance.now() + 20_000
    while (!isDone() && failures.length === 0 && performance.now() < end) {
      listen()
      await new Promise((fulfil) => setTimeout(fulfil, 1))
    }
    listen()
    expect([failures, isDone()]).toEqual([[], true])
  }

  for (let round = 0; round < ROUNDS; round += 1) {
    // A sync under way while the role is given up.
    faults.set('slowSync', random(3) === 0 ? 5 : 0)
    for (let i = random(60); i >= 0; i -= 1) {
      claim()
      if (random(4) === 0) commit()
    }
    // Claimed in this epoch, published only after the fence: a step down between claim and append.
    const tail = fence.close(10_000)
    expect(tail).toBeDefined()
    expect(control.load('flushed')).toBe(tail)
    listen()
    for (let i = random(5); i > 0; i -= 1) claim()
    if (random(2) === 0) commit()
    const ends = answered.filter(({ status, end }) => status === ACK_STATUS.appended && end <= tail!)
    const kept = ends.filter(({ epoch }) => epoch >= control.epoch - 1)
    const newTail = random(3) === 0 || kept.length === 0 ? tail! : kept[random(kept.length)].end
    const lowest = tails.at(-1)!
    tails.push(Math.max(newTail, Math.min(lowest, tail!)))
    fence.open(tails.at(-1)!)
    if (control.load('flushed') > control.load('appended')) overtaken ||= `at the opening of epoch ${control.epoch}`
    claim()
    commit()
    await until(() => answered.length === claims.length)
  }
  await until(() => control.load('flushed') === control.load('appended'))
  expect(overtaken).toBe('')

  // What is in the log now: at each place the epoch that owns it.
  const end = control.load('appended')
  const folder = settings.storePathCommitLog
  const seen: { at: number; epoch: number }[] = []
  for (let at = 0; at < end; ) {
    const segment = readFileSync(join(folder, segmentName(at - (at % SEGMENT))))
    const record = decodeRecord(segment, at % SEGMENT)
    if (record === undefined) {
      at += SEGMENT - (at % SEGMENT)
      continue
    }
    expect(record.physicalOffset).toBe(at)
    const epoch = Number(record.body.toString().split(':')[0])
    const previous = seen.at(-1)?.epoch ?? 0
    expect(epoch, `epoch at ${at}`).toBeGreaterThanOrEqual(previous)
    // Nothing of an epoch stands before that epoch began, nor behind the tail at which a later one did.
    expect(at).toBeGreaterThanOrEqual(tails[epoch])
    for (let later = epoch + 1; later < tails.length; later += 1) expect(at).toBeLessThan(tails[later])
    seen.push({ at, epoch })
    at += record.totalSize
  }
  expect(seen.length).toBeGreaterThan(ROUNDS)
  // Every claim was answered; what was published behind the fence with an old epoch was refused.
  expect(answered).toHaveLength(claims.length)
  expect(answered.some(({ status }) => status === ACK_STATUS.oldEpoch)).toBe(true)
  for (const { epoch, at } of seen) {
    expect(
      answered.some((answer) => answer.at === at && answer.epoch === epoch && answer.status === ACK_STATUS.appended),
    ).toBe(true)
  }
})
