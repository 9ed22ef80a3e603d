/** What senders are told in a group, and which ids. Source: spec/dledger.md §1.4, §1.5. */
import { expect, test } from 'vitest'
import { records } from '../../support/client.ts'
import { brokerGroup, type GroupMember } from './support.ts'

const SYSTEM_ERROR = 1
const MESSAGE_ILLEGAL = 13
const NOT_AVAILABLE = 14
const VIEW_BY_ID = 33
const BATCH = 320
const KIB = 1024
const MIB = 1024 * KIB

async function bodies({ client }: GroupMember): Promise<string[]> {
  return (await client.drain('T', 0)).map((it) => Buffer.from(it.body).toString())
}

/** Items of a client's batch: size, magic, crc, flag, body, properties. */
function batchOf(bodies: Buffer[]): Buffer {
  return Buffer.concat(
    bodies.map((body) => {
      const item = Buffer.alloc(20 + body.length + 2)
      item.writeInt32BE(item.length)
      item.writeInt32BE(body.length, 16)
      body.copy(item, 20)
      return item
    }),
  )
}

function sendBatch({ client }: GroupMember, topic: string, bodies: Buffer[]) {
  const ext = { a: 'PG', b: topic, c: 'TBW102', d: '4', e: '1', f: '0', g: String(Date.now()), h: '0', i: '', j: '0' }
  return client.invoke(BATCH, { ...ext, k: 'false', m: 'true' }, batchOf(bodies))
}

test('without a majority in time: code 1, and that it may be stored; then in doubt; then there is no leader, and that is said', async () => {
  const group = await brokerGroup(3, { config: { flushDiskType: 'SYNC_FLUSH', slaveTimeout: 300 } })
  await group.send('T', 'of a majority')
  const others = await group.followers()
  for (const { faults } of others) faults.set('holdSync', 1)
  const { result } = await group.atLeader(
    (it) => it.client.send('T', 'of nobody yet'),
    ({ remark }) => remark?.includes('no majority') === true,
  )
  expect([result.code, result.remark]).toEqual([
    SYSTEM_ERROR,
    'no majority of DLedger group broker-group has confirmed the message within 300 ms: it may be stored later, or not',
  ])
  for (const { faults } of others) faults.set('holdSync', 0)
  await expect.poll(async () => bodies(await group.leader()), { timeout: 10_000 }).toContain('of nobody yet')

  // The others are gone: a leader without them steps down, and what it had appended by then is in doubt.
  const leader = await group.leader()
  await Promise.all(group.members.filter((it) => it !== leader).map((it) => it.stop()))
  const remarks: string[] = []
  await expect
    .poll(
      async () => {
        const { code, remark } = await leader.client.send('T', 'later')
        if (code === SYSTEM_ERROR) remarks.push(remark ?? '')
        return code === NOT_AVAILABLE ? remark : ''
      },
      { timeout: 10_000 },
    )
    .toMatch(/member n\d of DLedger group broker-group, a slave; no leader is known at the moment/)
  for (const remark of remarks) expect(remark).toMatch(/which may be stored or not|it may be stored later/)
})

test('each record of a batch is an entry: the ids are those of the records, over the end of a file; none is larger than 4 MiB', async () => {
  const group = await brokerGroup(3)
  const items = Array.from({ length: 7 }, (_, i) => Buffer.alloc(400 * KIB + i * 1777, `body ${i} `))
  let files = 0
  for (let round = 0; round < 3 || (files === 0 && round < 12); round += 1) {
    const { result, leader } = await group.atLeader(
      (it) => sendBatch(it, 'B', items),
      ({ code }) => code === 0,
    )
    const ids = result.ext!.msgId.split(',')
    expect(ids).toHaveLength(items.length)
    const places = ids.map((id) => Number.parseInt(id.slice(16), 16))
    if (Math.floor(places[0] / (8 * MIB)) !== Math.floor(places.at(-1)! / (8 * MIB))) files += 1
    for (const [i, offset] of places.entries()) {
      const found = await leader.client.invoke(VIEW_BY_ID, { offset: String(offset) })
      expect(items[i].equals(records(found.body)[0].body)).toBe(true)
    }
  }
  expect(files).toBeGreaterThan(0)

  const { result: tooLarge } = await group.atLeader(
    (it) => it.client.send('Large', Buffer.alloc(4 * MIB - 20)),
    ({ code }) => code !== NOT_AVAILABLE,
  )
  expect([tooLarge.code, tooLarge.remark]).toEqual([MESSAGE_ILLEGAL, expect.stringContaining('at most 4194256')])
  await group.send('Large', 'x'.repeat(4 * MIB - 400))
  for (const { client } of group.members)
    await expect
      .poll(async () => (await client.pull('Large', 0, 0)).messages[0]?.body.length, { timeout: 10_000 })
      .toBe(4 * MIB - 400)
})
