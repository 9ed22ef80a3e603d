/** A classic store whose broker becomes a member of a group: what it held is served, and the log goes on. Source: spec/dledger.md §1.7. */
import { cpSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually } from '../../dledger/support.ts'
import { scratchFolder } from '../../store/scratch.ts'
import type { TestClient } from '../../support/client.ts'
import { type BrokerGroup, brokerGroup, classicStore } from './support.ts'

const TOPIC = 'Upgraded'
const FILES = { mappedFileSizeCommitLog: 256 * 1024, maxMessageSize: 64 * 1024 }
const OLD = 400

/** Messages over two CommitLog files, in one queue. */
const oldStore = () =>
  classicStore(
    FILES,
    TOPIC,
    Array.from({ length: OLD }, (_, i) => `old-${i}-`.padEnd(1000, 'x')),
  )

/** All bodies of the queue, by queue offset. */
async function bodiesOf(client: TestClient): Promise<string[]> {
  const bodies: string[] = []
  for (const { body, queueOffset } of await client.drain(TOPIC, 0)) bodies[queueOffset] = Buffer.from(body).toString()
  return bodies
}

async function expectAll(group: BrokerGroup, count: number): Promise<void> {
  for (const { client, id } of group.members) {
    await eventually(async () => (await bodiesOf(client)).length === count, `${id} serves ${count}`)
    const bodies = await bodiesOf(client)
    for (let i = 0; i < OLD; i += 1) expect(bodies[i]).toContain(`old-${i}-`)
    for (let i = OLD; i < count; i += 1) expect(bodies[i]).toContain(`new-${i}-`)
  }
}

test('three copies of a classic store become a group: nothing is lost, queue offsets go on, over restarts', async () => {
  const store = await oldStore()
  const group = await brokerGroup(3, { config: FILES, prepare: (folder) => cpSync(store, folder, { recursive: true }) })
  const classic = readdirSync(join(store, 'commitlog')).length
  expect(classic).toBeGreaterThan(1)
  const leader = await group.leader()
  for (let i = OLD; i < OLD + 50; i += 1) {
    const { code, ext } = await leader.client.send(TOPIC, `new-${i}-`.padEnd(1000, 'y'), { queueId: 0 })
    expect({ code, queueOffset: ext?.queueOffset }).toEqual({ code: 0, queueOffset: String(i) })
  }
  await expectAll(group, OLD + 50)
  const [first, ...others] = group.members.map(({ folder, id }) => readFileSync(dataFile(folder, id)))
  for (const other of others) expect(Buffer.compare(first!, other)).toBe(0)
  for (const member of group.members) {
    await member.stop()
    await member.start()
  }
  await group.leader()
  await expectAll(group, OLD + 50)
})

test('a first data file that is lost does not take the CommitLog with it: put back, all is there', async () => {
  const store = await oldStore()
  const group = await brokerGroup(3, { config: FILES, prepare: (folder) => cpSync(store, folder, { recursive: true }) })
  for (let i = OLD; i < OLD + 300; i += 1) await group.send(TOPIC, `new-${i}-`.padEnd(1000, 'y'), { queueId: 0 })
  const [member] = await group.followers()
  const data = join(member!.folder, `dledger-${member!.id}`, 'data')
  await eventually(async () => (await bodiesOf(member!.client)).length === OLD + 300, 'it has all')
  await member!.stop()
  const [first, ...others] = readdirSync(data).sort()
  expect(others.length).toBeGreaterThan(0)
  const kept = join(scratchFolder(), 'kept')
  renameSync(join(data, first!), kept)
  await member!.start()
  expect(member!.log.of('warn').join('\n')).toContain('files are missing')
  expect(readdirSync(join(member!.folder, 'commitlog'))).toEqual(readdirSync(join(store, 'commitlog')))
  await member!.stop()
  renameSync(kept, join(data, first!))
  await member!.start()
  await eventually(async () => (await bodiesOf(member!.client)).length === OLD + 300, 'it serves all again')
})

/** The only one: entries begin where the CommitLog ended. */
function dataFile(folder: string, id: string): string {
  const data = join(folder, `dledger-${id}`, 'data')
  const [name, ...more] = readdirSync(data)
  expect(more).toEqual([])
  const last = readdirSync(join(folder, 'commitlog')).sort().at(-1)!
  expect(Number(name)).toBe(Number(last) + FILES.mappedFileSizeCommitLog)
  return join(data, name!)
}
