/**
 * Row 28: members of DLedger as real processes under the nemeses of openmessaging-chaos (kill and stop of a minority, a majority, the
 * leader, at random; partitions; a link that loses packets), a disk that fails at the leader (dledger#287), and a member that was
 * isolated for long or has a higher term (dledger#325).
 *
 * One leader a term; an append is accepted within 2 s of an election; nothing that was acknowledged is lost; the logs are equal in
 * the end; nobody has to do anything by hand but start what was killed. Row 27, the simulator: test/simulation/histories.test.ts.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually, peersOf } from '../dledger/support.ts'
import { DLedgerGroup } from './support/dledger-group.ts'
import { LossyLink } from './support/lossy-link.ts'
import { isLong, storeFolder } from './support/scratch.ts'

const ROUNDS = isLong ? 20 : 2
const modes = [{ flushBeforeAck: true }, { flushBeforeAck: false }]
const random = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!

type Nemesis = (group: DLedgerGroup) => Promise<void>

/** Killed with -9, down for a moment, started again. */
const kill =
  (choose: (leader: string, others: string[]) => string[]): Nemesis =>
  async (group) => {
    const leader = await group.leader()
    const victims = choose(leader, group.others(leader))
    const from = performance.now()
    await group.kill(...victims)
    if (victims.length === 1) await group.accepts(20)
    else await sleep(700)
    await Promise.all(victims.map((id) => group.startOne(id)))
    if (victims.length > 1) group.excused.push({ from, to: performance.now() })
  }

const stop =
  (choose: (leader: string, others: string[]) => string): Nemesis =>
  async (group) => {
    const leader = await group.leader()
    const { pid } = group.process(choose(leader, group.others(leader)))
    process.kill(pid, 'SIGSTOP')
    try {
      await group.accepts(20)
      await sleep(1000)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  }

const partition =
  (cut: (group: DLedgerGroup, leader: string, others: string[]) => void): Nemesis =>
  async (group) => {
    const leader = await group.leader()
    cut(group, leader, group.others(leader))
    await sleep(1500)
    group.heal()
  }

const NEMESES: Record<string, Nemesis> = {
  'the leader is killed': kill((leader) => [leader]),
  'a follower is killed': kill((_, [one]) => [one!]),
  'two are killed': kill((leader, [one]) => [leader, one!]),
  'somebody is killed': kill((leader, others) => [random([leader, ...others])]),
  'all are killed': kill((leader, others) => [leader, ...others]),
  'the leader stands still': stop((leader) => leader),
  'a follower stands still': stop((_, [one]) => one!),
  'the leader is alone': partition((group, leader) => group.isolate(leader)),
  'a follower is alone': partition((group, _, [one]) => group.isolate(one!)),
  'the two followers do not see each other': partition((group, _, [one, two]) => group.cut(one!, two!)),
  'the leader reaches one of two': partition((group, leader, [one]) => group.cut(leader, one!)),
  'the leader is not heard by one of two': partition((group, leader, [one]) => group.cut(leader, one!, true)),
}

test.each(modes)('kills, stops and partitions, one after the other ($flushBeforeAck)', async ({ flushBeforeAck }) => {
  using scratch = storeFolder()
  await using group = await DLedgerGroup.start({ folder: scratch.path, flushBeforeAck })
  group.load()
  await group.accepts()
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, nemesis] of Object.entries(NEMESES)) {
      const began = performance.now()
      await nemesis(group)
      await group.accepts()
      console.log(`${name}: over after ${Math.round(performance.now() - began)} ms, term ${await group.term()}`)
    }
  await group.judge()
})

test.each(modes)(
  'a disk that fails at the leader ends it; the others go on ($flushBeforeAck)',
  async ({ flushBeforeAck }) => {
    using scratch = storeFolder()
    await using group = await DLedgerGroup.start({ folder: scratch.path, flushBeforeAck })
    group.load()
    await group.accepts()
    for (let round = 0; round < ROUNDS; round++)
      for (const signal of ['SIGUSR2', 'SIGPWR'] as const) {
        const leader = await group.leader()
        const term = await group.term()
        process.kill(group.process(leader).pid, signal)
        expect(await group.ends(leader)).toBe(3)
        await group.accepts()
        expect(await group.leader()).not.toBe(leader)
        expect(await group.term()).toBeGreaterThan(term)
        await group.startOne(leader)
        await group.accepts()
      }
    await group.judge()
  },
)

test('who was isolated for long comes back, and the leader stays', async () => {
  using scratch = storeFolder()
  await using group = await DLedgerGroup.start({ folder: scratch.path, flushBeforeAck: true })
  group.load()
  await group.accepts()
  const leader = await group.leader()
  const [lonely] = group.others(leader)
  const term = await group.term()
  group.isolate(lonely!)
  // Fifty of its time-outs.
  await sleep(isLong ? 60_000 : 10_000)
  group.heal()
  await group.accepts()
  await eventually(async () => (await group.client.metadata(lonely!)).leaderId === leader, 'it follows again')
  await sleep(1000)
  expect([await group.leader(), await group.term()]).toEqual([leader, term])
  await group.judge()
})

test('who comes back with a far higher term and an old log ends nothing, and is filled', async () => {
  using scratch = storeFolder()
  await using group = await DLedgerGroup.start({ folder: scratch.path, flushBeforeAck: true })
  group.load()
  await group.accepts()
  const [lonely] = group.others(await group.leader())
  const term = await group.term()
  await group.kill(lonely!)
  await group.accepts(200)
  // As a member of the JVM has it after hours of elections that nobody answered.
  writeFileSync(join(group.folderOf(lonely!), 'currterm'), `voteLeader=${lonely}\ncurrTerm=${term + 1000}\n`)
  await group.startOne(lonely!)
  await eventually(async () => (await group.client.metadata(lonely!)).leaderId !== undefined, 'it follows')
  await group.accepts()
  expect(await group.term()).toBeGreaterThan(term + 1000)
  expect(await group.leader()).not.toBe(lonely)
  await group.judge()
})

test('a link that loses a tenth, then a third of its packets, and is cut', async () => {
  using scratch = storeFolder()
  const link = await LossyLink.open(scratch.path)
  if (link === undefined) return
  await using _ = link
  const ports = Object.values(await peersOf(3)).map((it) => it.split(':')[1])
  const peers = Object.fromEntries(
    ports.map((port, i) => [`n${i}`, `${i === 2 ? link.there : link.here}:${port}`] as const),
  )
  await using group = await DLedgerGroup.start({
    ...{ folder: scratch.path, flushBeforeAck: false, peers },
    netns: { n2: link.netns },
  })
  group.load()
  const through = async (...weathers: string[]) => {
    for (const what of weathers) {
      await link.set(what)
      const from = performance.now()
      await sleep(isLong ? 20_000 : 2500)
      // With a leader behind the link it takes as long as the link does.
      group.excused.push({ from, to: performance.now() + 1500 })
      await group.accepts(20, 30_000)
      const took = Math.round(performance.now() - from)
      console.log(`${what}: ${took} ms, term ${await group.term()}, leader ${await group.leader()}`)
    }
  }
  await through('loss 10', 'loss 30', 'loss 100', 'delay 200', 'loss 0', 'delay 0')
  const leader = await group.leader()
  if (leader !== 'n2') await group.client.transfer(leader, 'n2', await group.term())
  await through('loss 30', 'loss 100', 'loss 0')
  await link.set('delay 0')
  await group.accepts(200)
  await group.judge()
})
