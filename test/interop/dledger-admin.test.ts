/** `basaltmq admin dledger` and a group of three Apache brokers, 4.9.7: its members tell leader and peers, the rest is found out. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApacheBroker } from '../../tools/apache/apache.mjs'
import { freeBrokerPort, type ServerProcess } from '../../tools/apache/process.mjs'
import { Rig, type Server } from '../cli/admin/rig.ts'
import { peersOf, peersText } from '../dledger/support.ts'
import { startNames } from './support/moving.ts'
import { APACHE_JAVA, APACHE_PATIENCE, apacheIsThere, KIND, ORACLE, Scratch, SMALL_FILES } from './support/systems.ts'

const GROUP = 'RaftNode00'
const LONG_MS = 60_000

describe.skipIf(KIND !== 'basalt' || !apacheIsThere(ORACLE))('admin dledger and Apache’s brokers', () => {
  const scratch = new Scratch()
  const it = new Rig<Server>()
  const brokers = new Map<string, ServerProcess & { store: string; address: string }>()
  let names: Awaited<ReturnType<typeof startNames>>
  let peers: Record<string, string>

  beforeAll(async () => {
    names = await startNames(scratch)
    peers = await peersOf(3)
    for (const id of Object.keys(peers)) {
      const broker = await startApacheBroker({
        ...{ version: ORACLE, folder: scratch.sub(`apache-${id}`), java: APACHE_JAVA, port: await freeBrokerPort() },
        ...{ namesrv: names.address, name: GROUP, wait: false },
        config: {
          ...{ ...APACHE_PATIENCE, ...SMALL_FILES, enableDLegerCommitLog: true, dLegerGroup: GROUP },
          ...{ dLegerPeers: peersText(peers), dLegerSelfId: id },
        },
      })
      brokers.set(id, broker)
    }
    it.broker = { address: brokers.get('n0')!.address, namesrv: names.address }
  }, LONG_MS)

  afterAll(async () => {
    await Promise.all([...brokers.values()].map((broker) => broker.kill()))
    await names?.process.kill()
    scratch.remove()
  })

  // biome-ignore lint/suspicious/noExplicitAny: what a command prints is looked at, not typed
  const groups = async (): Promise<any[]> => (await it.run('dledger status --json')).json ?? []
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const settled = async (): Promise<any> => {
    const isSettled = async () => {
      const [group] = await groups()
      return group?.members.filter(({ leaderId }: { leaderId?: string }) => leaderId === group.leaderId).length
    }
    await expect.poll(isSettled, { timeout: LONG_MS, interval: 200 }).toBe(3)
    return (await groups())[0]
  }

  test('shows who leads in which term, and changes nothing by asking', { timeout: LONG_MS }, async () => {
    const group = await settled()
    expect(group).toMatchObject({ group: GROUP, cluster: 'DefaultCluster', brokerName: GROUP })
    const roles = group.members.map(({ role }: { role: string }) => role).sort()
    expect(roles).toEqual(['FOLLOWER', 'FOLLOWER', 'LEADER'])
    // What the members have written down is what they were found to be in.
    for (const { id, term } of group.members) {
      const text = readFileSync(join(brokers.get(id)!.store, `dledger-${id}`, 'currterm'), 'utf8')
      expect(`currTerm=${term}`).toBe(/currTerm=\d+/.exec(text)?.[0])
    }
    for (let i = 0; i < 30; i++) await groups()
    expect(await settled()).toMatchObject({ leaderId: group.leaderId, term: group.term })
    const shown = await it.ok(`dledger status -b ${brokers.get('n1')!.address}`)
    expect(shown.out).toContain(`${GROUP} in DefaultCluster: ${group.leaderId} leads in term ${group.term}\n`)
    expect(shown.out).toMatch(/n2 +FOLLOWER|n2 +LEADER/)
  })

  test('hands leadership over', { timeout: LONG_MS }, async () => {
    const { leaderId: from, term } = await settled()
    const to = ['n0', 'n1', 'n2'].find((id) => id !== from)!
    expect((await it.run(`dledger transfer --to ${to}`)).status).toBe(2)
    expect((await it.run('dledger transfer --to n7 --yes')).error).toContain('its members are n0, n1, n2')
    expect((await it.ok(`dledger transfer --to ${from} --yes`)).out).toBe(`${from} leads already\n`)
    const done = await it.json(`dledger transfer --to ${to} --yes --wait 30s`)
    expect(done).toMatchObject({ done: 'transferred', group: GROUP, from, to })
    expect(done.term).toBeGreaterThan(term)
    expect(await settled()).toMatchObject({ leaderId: to, term: done.term })
  })

  test('says what is wrong', { timeout: LONG_MS }, async () => {
    const { leaderId, members } = await settled()
    const [gone, also] = members.map(({ id }: { id: string }) => id).filter((id: string) => id !== leaderId)
    await brokers.get(gone)!.kill()
    const one = await it.ok('dledger status')
    expect(one.out).toMatch(new RegExp(`${gone} +silent`))
    expect(one.out).toContain(`- ${gone} tells nothing at its DLedger port: nobody listens there`)
    // Its leader counts it as a member that may not be behind too much, and asks it in vain.
    const vain = await it.run(`dledger transfer --to ${gone} --yes`)
    expect(vain.status).toBe(1)
    expect(vain.error).toMatch(/leadership of RaftNode00 stays where it is \(code \d+/)
    await brokers.get(also)!.kill()
    const two = await it.run('dledger status')
    expect(two.out).toContain('1 of 3 members answer here, and it takes 2')
    await expect.poll(async () => (await it.run('dledger status')).status, { timeout: LONG_MS, interval: 500 }).toBe(3)
    expect((await it.run(`dledger transfer --to ${gone} --yes`)).error).toContain('has no leader that could hand over')
  })
})
