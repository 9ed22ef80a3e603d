/** A group of brokers' engines: what one writes all have, and nothing of a term that is over gets in. Source: spec/dledger.md §1. */
import { rmSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { BrokerConfig } from '../../../src/config/index.ts'
import { JVM_TIMERS } from '../../../src/dledger/index.ts'
import { eventually } from '../../dledger/support.ts'
import { EngineGroup, type EngineNode, type Outcome, TOPIC } from './engine-rig.ts'

/** With the original's timers: on a busy machine the fast ones elect another leader in the midst of a test. */
async function groupOf(count: number, changes: Partial<BrokerConfig> = {}): Promise<EngineGroup> {
  const group = await EngineGroup.of(count, { dLedgerFastElection: false, ...changes })
  onTestFinished(() => group.close())
  return group
}

function expectSameBytes(group: EngineGroup): void {
  const end = group.nodes[0]!.engine.control.load('appended')
  const [first, ...others] = group.nodes.map((it) => it.data().subarray(0, end))
  for (const other of others) expect(Buffer.compare(first!, other)).toBe(0)
  const [queue, ...queues] = group.nodes.map((it) => it.queueBytes())
  for (const other of queues) expect(Buffer.compare(queue!, other)).toBe(0)
}

const offsets = (outcomes: Outcome[]) => outcomes.map((it) => it.queueOffset)
const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i)

describe('a group of engines', () => {
  test('what the leader takes is in every log and every queue, over the ends of files; the offset is that of the record', async () => {
    const group = await groupOf(3)
    const leader = await group.leader()
    const outcomes = await Promise.all(upTo(700).map((i) => leader.send(`${i}-`.padEnd(1000, 'x'))))
    expect(new Set(outcomes.map((it) => it.status))).toEqual(new Set(['ok']))
    expect(offsets(outcomes)).toEqual(upTo(700))
    await group.settled()
    expectSameBytes(group)
    const bytes = leader.data()
    for (const { physicalOffset } of outcomes)
      expect(Number(bytes.readBigInt64BE(physicalOffset + 28))).toBe(physicalOffset)
  })

  test('who steps down between claim and append has nothing of it behind the new leader’s entries', async () => {
    const group = await groupOf(3)
    const old = await group.leader()
    expect((await old.send('before')).status).toBe('ok')
    old.faults.set('holdAppend', 1)
    const late = old.claim('claimed by the old leader')
    const next = group.nodes.find((it) => it !== old)!
    await group.transfer(old, next)
    expect((await next.send('of the new leader')).status).toBe('ok')
    old.commit()
    old.faults.set('holdAppend', 0)
    old.commit()
    expect((await late).status).toBe('oldEpoch')
    await group.settled()
    expectSameBytes(group)
    expect(old.data().includes('claimed by the old leader')).toBe(false)
    // Leading again does not bring it back: its epoch is over.
    await group.transfer(next, old)
    const { status, queueOffset } = await old.send('again')
    expect({ status, queueOffset }).toEqual({ status: 'ok', queueOffset: 2 })
    const tooLate = old.claim('claimed with the epoch of the first time', 0, 1)
    old.commit()
    expect((await tooLate).status).toBe('oldEpoch')
  })

  test('what a leader without a majority appended is in doubt when it steps down, and the next leader decides', async () => {
    const group = await groupOf(3)
    const old = await group.leader()
    const others = group.nodes.filter((it) => it !== old)
    expect((await old.send('first')).status).toBe('ok')
    await group.settled()
    await Promise.all(others.map((it) => it.stop()))
    const alone = old.send('appended by the old leader alone')
    await eventually(() => old.data().includes('appended by the old leader alone'), 'it is in its log')
    expect((await alone).status).toBe('leaderChanged')
    await old.stop()
    await Promise.all(others.map((it) => it.start()))
    const next = await group.leader()
    const second = await next.send('second')
    expect({ status: second.status, queueOffset: second.queueOffset }).toEqual({ status: 'ok', queueOffset: 1 })
    await old.start()
    await group.settled()
    expectSameBytes(group)
    expect(old.data().includes('appended by the old leader alone')).toBe(false)
  })

  test('members that start again go on where they were, whoever leads', async () => {
    const group = await groupOf(3, { flushDiskType: 'SYNC_FLUSH' })
    let sent = 0
    for (let round = 0; round < 3; round += 1) {
      const leader = await group.leader()
      const outcomes = await Promise.all(upTo(50).map((i) => leader.send(`${round}-${i}`)))
      expect(offsets(outcomes)).toEqual(upTo(50, sent))
      sent += 50
      await leader.stop()
      await leader.start()
    }
    await group.settled()
    expectSameBytes(group)
    await group.close()
    await Promise.all(group.nodes.map((it) => it.start()))
    await group.leader()
    await group.settled()
    expectSameBytes(group)
  })

  test('a member whose disk fails is out, and the others go on', async () => {
    const group = await groupOf(3, { flushDiskType: 'SYNC_FLUSH' })
    const old = await group.leader()
    expect((await old.send('before')).status).toBe('ok')
    old.faults.set('failSync', 1)
    void old.send('into the failing disk')
    await eventually(() => old.failure !== undefined, 'it gives up')
    expect(old.failure).toMatch(/EIO/)
    old.said = undefined
    const next = await group.leader()
    expect((await next.send('after')).status).toBe('ok')
  })

  test('a member with an empty disk is filled, from where retention has left the others', async () => {
    const group = await groupOf(3, { flushConsumeQueueThoroughInterval: 100, cleanResourceInterval: 100 })
    const leader = await group.leader()
    const empty = group.nodes.find((it) => it !== leader)!
    await Promise.all(upTo(100).map((i) => leader.send(`${i}`)))
    await group.settled()
    await empty.stop()
    rmSync(empty.folder, { recursive: true })
    await empty.start()
    await group.settled()
    expectSameBytes(group)
    await empty.stop()
    rmSync(empty.folder, { recursive: true })
    await Promise.all(upTo(1200).map((i) => leader.send(`${i}-`.padEnd(1000, 'x'))))
    const others = group.nodes.filter((it) => it !== empty)
    const retained = (it: EngineNode) => it.engine.control.load('retained')
    // Its last word came less than a minute ago: what it lacks would be kept.
    for (const it of others) it.engine.moveClock(100 * 3_600_000)
    await eventually(() => {
      for (const it of others) it.engine.clean()
      return others.every((it) => retained(it) > 0)
    }, 'expired files are gone')
    const next = await group.leader()
    await empty.start()
    await group.settled()
    expect(retained(empty)).toBe(retained(next))
    const minOf = ({ engine: { queueIds, table } }: EngineNode) => table.min(queueIds.find(TOPIC, 0))
    await eventually(() => minOf(empty) > 100 && minOf(empty) === minOf(next), 'the queue begins where the log does')
    const { status, queueOffset } = await (await group.leader()).send('behind it')
    expect({ status, queueOffset }).toEqual({ status: 'ok', queueOffset: 1300 })
    await group.settled()
    const [one, two] = [empty, next].map((it) => it.data())
    expect(Buffer.compare(one!.subarray(0, 600_000), two!.subarray(0, 600_000))).toBe(0)
  })

  test('who stops hands over: nobody waits for an election', async () => {
    const group = await groupOf(3)
    const old = await group.leader()
    expect((await old.send('before')).status).toBe('ok')
    const began = performance.now()
    await old.stop()
    const next = await group.leader()
    expect((await next.send('after')).status).toBe('ok')
    expect(performance.now() - began).toBeLessThan(JVM_TIMERS.electionMsMin)
  })

  test('a refusal wakes the network thread: no commit would', async () => {
    const group = await groupOf(1)
    const only = await group.leader()
    expect((await only.send('before')).status).toBe('ok')
    only.stopPolling()
    const late = only.claim('of an epoch that is over', 0, 0)
    only.commit()
    expect((await late).status).toBe('oldEpoch')
  })

  test('a group of one commits alone', async () => {
    const group = await groupOf(1)
    const only = await group.leader()
    const outcomes = await Promise.all(upTo(20).map((i) => only.send(`${i}`)))
    expect(offsets(outcomes)).toEqual(upTo(20))
  })
})
