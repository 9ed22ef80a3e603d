/** A broker's role in its group, as clients, NameServers and operators see it. Source: spec/dledger.md §1.3, §1.5. */
import { expect, test } from 'vitest'
import { eventually } from '../../dledger/support.ts'
import { brokerGroup } from './support.ts'

const NOT_AVAILABLE = 14

test('the leader is brokerId 0 and takes messages; the others are slaves, name it, and are read from; a hand-over changes all that', async () => {
  const group = await brokerGroup(3)
  await group.send('T', '0')
  const leader = await group.leader()
  const number = (id: string) => Number(id.slice(1)) + 1
  await eventually(async () => Object.keys(await group.routes()).length === 3, 'all have registered')
  const others = group.members.filter((it) => it !== leader)
  expect(await group.routes()).toEqual({
    0: leader.address,
    ...Object.fromEntries(others.map((it) => [number(it.id), it.address])),
  })
  for (const other of others) {
    const refused = await other.client.send('T', 'here?')
    expect([refused.code, refused.remark]).toEqual([
      NOT_AVAILABLE,
      expect.stringContaining(`member ${other.id} of DLedger group broker-group, a slave; ${leader.id} leads`),
    ])
    await eventually(async () => (await other.client.pull('T', 0, 0)).code === 0, 'a slave shows it')
    expect((await other.client.pull('T', 0, 0)).messages.map((it) => it.body.toString())).toContain('0')
  }

  for (const [i, next] of [others[0], leader, others[0]].entries()) {
    const before = await group.leader()
    await group.transfer(next)
    if (before !== next) expect((await before.client.send('T', 'x')).code).toBe(NOT_AVAILABLE)
    await group.send('T', `${i + 1}`)
    await eventually(async () => Object.keys(await group.routes()).length === 3, 'all are in the routes')
  }
  const last = await group.leader()
  const bodies = async () => (await last.client.drain('T', 0)).map((it) => Buffer.from(it.body).toString())
  // Acknowledged is committed: dispatch comes a moment later.
  await eventually(async () => (await bodies()).includes('3'), 'all are there')
  expect([...new Set(await bodies())]).toEqual(['0', '1', '2', '3'])
  const rows = (await last.runtime())!
  expect(rows).toMatchObject({
    basalt_dledger_group: 'broker-group',
    basalt_dledger_self: last.id,
    basalt_dledger_role: 'LEADER',
    basalt_dledger_leader: last.id,
    basalt_unreplicated_bytes: expect.stringMatching(/^\d+$/),
  })
  for (const { id } of group.members) {
    const peer = rows[`basalt_dledger_peer_${id}`]
    if (id === last.id) expect(peer).toBeUndefined()
    else expect(peer).toMatch(/^127\.0\.0\.1:\d+ match=-?\d+ behind=\d+$/)
  }
  await eventually(async () => (await last.runtime())?.basalt_stored_on === '3 of 3', 'all have all of it')
})
