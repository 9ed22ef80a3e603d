/** The inspector on the stores of a group of our own brokers: beside them, after a stop, after a kill. */
import { describe, expect, test } from 'vitest'
import { openStore, verifyStore } from '../../src/inspect/index.ts'
import { brokerGroup, type GroupMember } from '../broker/dledger/support.ts'
import { eventually } from '../dledger/support.ts'
import { inspect } from './stores.ts'

async function problemsOf({ folder }: GroupMember): Promise<string[]> {
  const { findings } = await verifyStore(openStore(folder))
  return findings.filter(({ severity }) => severity !== 'info').map(({ code, what }) => `${code}: ${what}`)
}

const body = (i: number) => `${i}-`.padEnd(300, 'x')

describe('a group of three', () => {
  test('its stores are whole while it runs and after it has stopped, and equal then', async () => {
    const group = await brokerGroup(3)
    const leader = await group.leader()
    for (let i = 0; i < 200; i += 1) expect((await leader.client.send('T', body(i))).code).toBe(0)
    for (const member of group.members) expect(await problemsOf(member)).toEqual([])
    await eventually(
      async () =>
        new Set(await Promise.all(group.members.map(async (it) => (await it.runtime())?.basalt_position_appended)))
          .size === 1,
      'all have all of it',
    )
    // The leader last: nobody is left to lead, and to begin a term with an entry that the others lack.
    for (const member of [...(await group.followers()), leader]) await member.stop()
    for (const member of group.members) {
      expect(await problemsOf(member)).toEqual([])
      const { objects } = await inspect('summary', member.folder, '--json')
      const [{ dledger, modeHints }] = objects() as { dledger: Record<string, unknown>; modeHints: string[] }[]
      expect(dledger.selfId).toBe(member.id)
      expect(dledger).toMatchObject({ beginIndex: 0, endIndex: 200 })
      expect(modeHints).toContain('written by Basalt')
      const log = (await inspect('log', member.folder, '--topic', 'T', '--json')).objects()
      expect(log.map((it) => it.body)).toEqual(Array.from({ length: 200 }, (_, i) => body(i)))
    }
    const [a, b] = group.members
    const { printed, status } = await inspect('diff', a.folder, b.folder)
    expect(printed).toContain('equal')
    expect(status).toBe(0)
  })

  test('after a kill -9 of all of them each store is whole, and none differs where two have it', async () => {
    const group = await brokerGroup(3, { processes: true })
    const leader = await group.leader()
    const sends = Array.from({ length: 300 }, (_, i) => leader.client.send('T', body(i)).catch(() => undefined))
    await Promise.all(sends.slice(0, 100))
    await Promise.all(group.members.map((it) => it.kill()))
    await Promise.all(sends)
    for (const member of group.members) expect(await problemsOf(member)).toEqual([])
    const [a, b, c] = group.members
    for (const [one, other] of [
      [a, b],
      [b, c],
    ]) {
      const { printed } = await inspect('diff', one.folder, other.folder, '--json')
      expect(['equal', 'behind']).toContain((JSON.parse(printed) as { verdict: string }).verdict)
    }
  })
})
