/** A broker's role in its group, as clients, NameServers and operators see it. Source: spec/dledger.md §1.3, §1.5. */
import { describe, expect, test } from 'vitest'
import { eventually } from '../../dledger/support.ts'
import { brokerGroup } from './support.ts'

const NOT_AVAILABLE = 14

describe('a group of three', () => {
  test('the leader is brokerId 0 and takes messages; the others are slaves, name the leader, and are read from', async () => {
    const group = await brokerGroup(3)
    const leader = await group.leader()
    const number = (id: string) => Number(id.slice(1)) + 1
    await eventually(async () => Object.keys(await group.routes()).length === 3, 'all have registered')
    const others = await group.followers()
    expect(await group.routes()).toEqual({
      0: leader.address,
      ...Object.fromEntries(others.map((it) => [number(it.id), it.address])),
    })
    expect((await leader.client.send('T', 'hello')).code).toBe(0)
    for (const other of others) {
      const refused = await other.client.send('T', 'here?')
      expect([refused.code, refused.remark]).toEqual([
        NOT_AVAILABLE,
        expect.stringContaining(`member ${other.id} of DLedger group broker-group, a slave; ${leader.id} leads`),
      ])
      await eventually(async () => (await other.client.pull('T', 0, 0)).code === 0, 'a slave shows it')
      expect((await other.client.pull('T', 0, 0)).messages.map((it) => it.body.toString())).toEqual(['hello'])
    }
  })

  test('leadership that is handed over takes role and route with it, back and forth', async () => {
    const group = await brokerGroup(3)
    const first = await group.leader()
    await group.send('T', '0')
    const [second] = await group.followers()
    for (const [i, next] of [second, first, second].entries()) {
      const before = await group.leader()
      await group.transfer(next)
      expect((await before.client.send('T', 'x')).code).toBe(NOT_AVAILABLE)
      expect((await next.client.send('T', `${i + 1}`)).code).toBe(0)
      await eventually(async () => Object.keys(await group.routes()).length === 3, 'all have registered')
    }
    const bodies = (await second.client.drain('T', 0)).map((it) => it.body.toString())
    expect(bodies).toEqual(['0', '1', '2', '3'])
  })
})
