/**
 * Row 28 with whole brokers: a group of three processes under load, of which one, two or all are killed or stopped, whoever leads; a
 * disk that fails at the leader. The members' part of the row, with partitions and lost packets, is row-28-dledger-members.test.ts.
 *
 * Every acknowledged message is in its queue at every member, queues have no hole, the logs are the same bytes, a term has one leader,
 * and nobody does anything by hand but start what was killed.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type BrokerGroup, brokerGroup, type GroupMember } from '../broker/dledger/support.ts'
import { eventually } from '../dledger/support.ts'
import { TINY } from './support/broker-process.ts'
import { isLong } from './support/scratch.ts'

const ROUNDS = isLong ? 20 : 1
const SENDERS = 4
const QUEUES = 4
const TOPIC = 'Nemesis'
const LONG_MS = 60_000
/** After an election: the row's bound. A NameServer is asked for the master, and the broker makes itself known, within it. */
const ACCEPTS_MS = 2000
/** A topic that nobody has copied when its leader dies has the queues that hold messages then. */
const COPIED_MS = 1500
const { mappedFileSizeCommitLog, maxMessageSize, mappedFileSizeConsumeQueue, maxHashSlotNum, maxIndexNum } = TINY
const FILES = { mappedFileSizeCommitLog, maxMessageSize, mappedFileSizeConsumeQueue, maxHashSlotNum, maxIndexNum }

class Load {
  readonly acknowledged: string[] = []
  /** Times between two acknowledgements, the longest since the last look. */
  longestMs = 0
  private readonly group: BrokerGroup
  private readonly senders: Promise<void>[]
  private lastAt = performance.now()
  private count = 0
  private isOver = false

  constructor(group: BrokerGroup) {
    this.group = group
    this.senders = Array.from({ length: SENDERS }, () => this.send())
  }

  async more(count: number): Promise<void> {
    const target = this.acknowledged.length + count
    await eventually(() => this.acknowledged.length >= target, `${count} more are acknowledged`, LONG_MS)
  }

  async stop(): Promise<void> {
    this.isOver = true
    await Promise.all(this.senders)
  }

  private async send(): Promise<void> {
    while (!this.isOver) {
      const body = `m${this.count++}`
      // Whoever does not lead says so at once; what is in doubt is sent again under another name.
      for (const member of this.group.members) {
        if (!member.isRunning) continue
        const options = { queueId: this.count % QUEUES }
        const answer = await member.client.send(TOPIC, body, options, 1500).catch(() => undefined)
        if (answer?.code !== 0) continue
        this.acknowledged.push(body)
        this.longestMs = Math.max(this.longestMs, performance.now() - this.lastAt)
        this.lastAt = performance.now()
        break
      }
      // Nobody may run at the moment.
      await sleep(1)
    }
  }
}

type Nemesis = (group: BrokerGroup, leader: GroupMember, others: GroupMember[]) => Promise<void>

const killed =
  (choose: (leader: GroupMember, others: GroupMember[]) => GroupMember[]): Nemesis =>
  async (_, leader, others) => {
    const victims = choose(leader, others)
    await Promise.all(victims.map((it) => it.kill()))
    await sleep(500)
    await Promise.all(victims.map((it) => it.start()))
  }

const stopped =
  (choose: (leader: GroupMember, others: GroupMember[]) => GroupMember): Nemesis =>
  async (_, leader, others) => {
    const victim = choose(leader, others)
    victim.signal('SIGSTOP')
    await sleep(1500)
    victim.signal('SIGCONT')
  }

const NEMESES: Record<string, Nemesis> = {
  'the leader is killed': killed((leader) => [leader]),
  'a follower is killed': killed((_, [one]) => [one!]),
  'two are killed': killed((leader, [one]) => [leader, one!]),
  'all are killed': killed((leader, others) => [leader, ...others]),
  'the leader stands still': stopped((leader) => leader),
  'a follower stands still': stopped((_, [one]) => one!),
}

async function judge(group: BrokerGroup, load: Load): Promise<void> {
  await load.stop()
  const end = async (member: GroupMember) => (await member.runtime())?.commitLogMaxOffset
  await eventually(
    async () => {
      const ends = await Promise.all(group.members.map(end))
      return ends[0] !== undefined && ends.every((it) => it === ends[0])
    },
    'all logs end at the same place',
    LONG_MS,
  )
  const to = Number(await end(group.members[0]!))
  const sent = new Set(load.acknowledged)
  for (const { client, id } of group.members) {
    const found = new Set<string>()
    for (let queueId = 0; queueId < QUEUES; queueId += 1) {
      const messages = await client.drain(TOPIC, queueId)
      expect(messages.map((it) => it.queueOffset)).toEqual(messages.map((_, i) => i))
      for (const { body } of messages) found.add(Buffer.from(body).toString())
    }
    expect({ id, lost: [...sent].filter((it) => !found.has(it)).slice(0, 10) }).toEqual({ id, lost: [] })
  }
  const [first, ...others] = group.members.map(({ folder, id }) => data(join(folder, `dledger-${id}`, 'data'), to))
  for (const other of others) expect(Buffer.compare(first!, other)).toBe(0)
  expectOneLeaderATerm(group)
}

function data(folder: string, to: number): Buffer {
  const names = readdirSync(folder).sort()
  return Buffer.concat(names.map((name) => readFileSync(join(folder, name)))).subarray(0, to)
}

/** As the members themselves have said. */
function expectOneLeaderATerm(group: BrokerGroup): void {
  const leaders = new Map<string, Set<string>>()
  for (const { said } of group.members) {
    for (const [, id, term] of said().matchAll(/DLedger member (n\d) is LEADER in term (\d+)/g)) {
      leaders.set(term!, (leaders.get(term!) ?? new Set()).add(id!))
    }
  }
  expect(leaders.size).toBeGreaterThan(0)
  expect([...leaders.values()].filter((ids) => ids.size > 1)).toEqual([])
}

test.each([{ flushDiskType: 'ASYNC_FLUSH' as const }, { flushDiskType: 'SYNC_FLUSH' as const }])(
  'brokers are killed and stopped, one, two and all of them ($flushDiskType)',
  async ({ flushDiskType }) => {
    const group = await brokerGroup(3, { processes: true, config: { ...FILES, flushDiskType } })
    const load = new Load(group)
    await load.more(100)
    await sleep(COPIED_MS)
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [name, nemesis] of Object.entries(NEMESES)) {
        const leader = await group.leader()
        load.longestMs = 0
        await nemesis(
          group,
          leader,
          group.members.filter((it) => it !== leader),
        )
        await load.more(100)
        console.log(`${name}: nothing was acknowledged for ${Math.round(load.longestMs)} ms at most`)
      }
    }
    await judge(group, load)
  },
)

test('a disk that fails at the leader ends it; the others go on, and it comes back', async () => {
  const group = await brokerGroup(3, { processes: true, config: { ...FILES, flushDiskType: 'SYNC_FLUSH' } })
  const load = new Load(group)
  await load.more(100)
  await sleep(COPIED_MS)
  for (let round = 0; round < ROUNDS; round += 1) {
    const leader = await group.leader()
    await leader.set('failSync', 1)
    const status = await leader.ended()
    expect(status).not.toBe(0)
    const next = await group.leader({ not: leader })
    const led = performance.now()
    await load.more(1)
    expect(performance.now() - led).toBeLessThan(ACCEPTS_MS)
    expect(next).not.toBe(leader)
    await leader.start()
    await load.more(100)
  }
  await judge(group, load)
})
