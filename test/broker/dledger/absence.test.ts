/** A member that was away for days: what it lacks its group has deleted, and its log begins anew at what is left. */
import { cpSync, existsSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStore, verifyStore } from '../../../src/inspect/index.ts'
import { eventually } from '../../dledger/support.ts'
import { brokerGroup, classicStore, type GroupMember } from './support.ts'

const CODES = { minOffset: 31, deleteExpired: 329 }
const HOUR_MS = 3_600_000
const TOPIC = 'Away'
const FILES = { mappedFileSizeCommitLog: 128 * 1024, maxMessageSize: 16 * 1024, mappedFileSizeConsumeQueue: 20 * 100 }

const text = (i: number) => `${i}-`.padEnd(1000, 'x')
const dataOf = ({ folder, id }: GroupMember) => join(folder, `dledger-${id}`, 'data')
const firstOf = (member: GroupMember) => Number(readdirSync(dataOf(member)).sort()[0])
const endOf = async (member: GroupMember) => Number((await member.runtime())?.basalt_position_appended ?? -1)

async function minOffset({ client }: GroupMember): Promise<number> {
  const { ext } = await client.invoke(CODES.minOffset, { topic: TOPIC, queueId: '0' })
  return Number(ext?.offset)
}

test.each([60, 0])(
  'it serves what is left, by the queue offsets of all, and leads (%i messages of before DLedger)',
  async (older) => {
    const store =
      older > 0
        ? await classicStore(
            FILES,
            TOPIC,
            Array.from({ length: older }, (_, i) => text(i)),
          )
        : undefined
    const prepare = (folder: string) => store !== undefined && cpSync(store, folder, { recursive: true })
    const group = await brokerGroup(3, { config: FILES, prepare })
    const send = async (from: number, to: number) => {
      for (let i = from; i < to; i += 1) await group.send(TOPIC, text(i), { queueId: 0 })
    }
    await group.leader()
    await send(older, 100)
    const [absent] = await group.followers()
    await eventually(async () => (await endOf(absent!)) === (await endOf(await group.leader())), 'it has all')
    const left = await endOf(absent!)
    await absent!.stop()
    await send(100, 900)
    // Nobody waits for it any more, and the files are four days old.
    const others = group.members.filter((it) => it !== absent)
    const old = new Date(Date.now() - 96 * HOUR_MS)
    for (const member of others) {
      member.handle.engine.moveClock(2 * 60_000)
      for (const folder of [join(member.folder, 'commitlog'), dataOf(member)])
        if (existsSync(folder)) for (const name of readdirSync(folder)) utimesSync(join(folder, name), old, old)
    }
    for (const member of others)
      await eventually(async () => {
        await member.client.invoke(CODES.deleteExpired).catch(() => undefined)
        return firstOf(member) > left
      }, `${member.id} has deleted what the absent one lacks`)
    await absent!.start()
    await eventually(async () => (await endOf(absent!)) === (await endOf(await group.leader())), 'it is filled')
    expect(firstOf(absent!)).toBeGreaterThan(left)

    // What it begins with is the same after a start that has only the files to look at.
    await absent!.stop()
    for (const name of ['positions', 'queues']) rmSync(join(absent!.folder, 'basalt', name))
    writeFileSync(join(absent!.folder, 'abort'), '1')
    await absent!.start()
    await group.transfer(absent!)
    await send(900, 910)
    const leader = await group.leader()
    for (const member of group.members) {
      const min = await minOffset(leader)
      await eventually(async () => (await minOffset(member)) === min, `the queue of ${member.id} begins at ${min}`)
      let found = await member.client.drain(TOPIC, 0, min)
      await eventually(async () => {
        found = await member.client.drain(TOPIC, 0, min)
        return found.at(-1)?.body.toString() === text(909)
      }, `${member.id} has the last message`)
      expect(min).toBeGreaterThan(100)
      expect(found.map(({ queueOffset }) => queueOffset)).toEqual(
        Array.from({ length: found.length }, (_, i) => min + i),
      )
    }
    for (const member of [...(await group.followers()), leader]) await member.stop()
    for (const { folder } of group.members) {
      const { findings } = await verifyStore(openStore(folder))
      expect(
        findings.filter(({ severity }) => severity !== 'info').map(({ code, what }) => `${code}: ${what}`),
      ).toEqual([])
    }
  },
  120_000,
)
