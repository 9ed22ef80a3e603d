/** In which order a role changes what depends on it. The parts are notes of what they were told; the DLedger thread is this file. */
import { expect, onTestFinished, test } from 'vitest'
import { Membership, type RoleSaid } from '../../../src/broker/replication/membership.ts'
import { RoleChanges } from '../../../src/broker/replication/role-changes.ts'
import { resolveConfig } from '../../../src/config/index.ts'
import { silentLog } from '../../../src/log.ts'

const PEERS = 'n0-127.0.0.1:40911;n1-127.0.0.1:40912;n2-127.0.0.1:40913'

function setUp() {
  const overrides = { enableDLegerCommitLog: true, dLegerPeers: PEERS, dLegerSelfId: 'n1', namesrvAddr: '127.0.0.1:1' }
  const { config } = resolveConfig({ role: 'broker', overrides, env: {} })
  const said: string[] = []
  const note = (what: string) => void said.push(`${what} ${config.brokerRole} ${config.brokerId}`)
  let queues = 1
  const undecided: boolean[] = []
  const roles = new RoleChanges({
    ...{ config, membership: new Membership(config), log: silentLog },
    own: { lead: () => note('own lead'), follow: () => note('own follow') },
    leaderTables: {
      follow: (leaderId) => note(`tables of ${leaderId}`),
      lead: async () => note('tables no more'),
    },
    tables: {
      topics: { newVersion: () => note('topics') },
      groups: { newVersion: () => note('groups') },
      offsets: { lead: () => note('offsets lead'), leadNoMore: () => note('offsets no more') },
    },
    restoreTopics: () => {
      note('restore')
      return undecided.pop() ?? false
    },
    queueCount: () => queues,
    register: async () => note('register'),
    releasePulls: () => note('release'),
  })
  onTestFinished(() => roles.stop())
  const tell = (role: RoleSaid['role'], term: number, leaderId?: string, isReady = false) => {
    said.length = 0
    roles.take({ kind: 'dledgerRole', role, term, leaderId, isReady })
    return [...said]
  }
  const discover = () => {
    queues += 1
  }
  return { config, roles, said, tell, discover, undecided }
}

const LEAD = [
  'tables no more SLAVE 2',
  ...['topics', 'groups', 'offsets lead', 'restore', 'own lead', 'release', 'register'].map(
    (it) => `${it} SYNC_MASTER 0`,
  ),
]
const NO_MORE = ['own follow', 'offsets no more', 'release', 'register'].map((it) => `${it} SLAVE 2`)

test('a member that follows registers as a slave once and copies its leader’s tables', () => {
  const it = setUp()
  it.roles.start(undefined)
  expect(it.tell('CANDIDATE', 1)).toEqual([])
  expect(it.tell('FOLLOWER', 1, 'n0')).toEqual(['tables of n0 SLAVE 2', 'register SLAVE 2'])
  expect(it.tell('FOLLOWER', 1, 'n0')).toEqual([])
  expect(it.tell('CANDIDATE', 2)).toEqual(['tables of undefined SLAVE 2'])
  expect(it.tell('FOLLOWER', 2, 'n2')).toEqual(['tables of n2 SLAVE 2'])
})

test('a leader is the master when it is ready, not before', () => {
  const it = setUp()
  it.roles.start(undefined)
  it.tell('FOLLOWER', 1, 'n0')
  expect(it.tell('LEADER', 2, 'n1')).toEqual(['tables of undefined SLAVE 2'])
  expect(it.tell('LEADER', 2, 'n1', true)).toEqual(LEAD)
  expect(it.tell('LEADER', 2, 'n1', true)).toEqual([])
  expect(it.tell('FOLLOWER', 3, 'n0')).toEqual([...NO_MORE, 'tables of n0 SLAVE 2'])
})

test('leading in a later term is a new reign: somebody may have led between', () => {
  const it = setUp()
  it.roles.start({ kind: 'dledgerRole', role: 'LEADER', term: 1, leaderId: 'n1', isReady: true })
  expect(it.said).toEqual(LEAD)
  const again = it.tell('LEADER', 3, 'n1', true)
  expect(again).toEqual([...NO_MORE, ...LEAD])
})

test('queues of the former leader’s last messages that become known later have their topics made, too', async () => {
  const it = setUp()
  it.roles.start(undefined)
  it.tell('LEADER', 1, 'n1', true)
  it.said.length = 0
  it.discover()
  await expect.poll(() => it.said).toEqual(['restore SYNC_MASTER 0'])
  // Known, and dispatch has not said yet what it holds.
  it.undecided.push(false, true, true)
  it.discover()
  await expect.poll(() => it.said.length).toBe(4)
})

test('without a leader it registers as a slave a second after the start; when the broker stops, roles change nothing', async () => {
  const it = setUp()
  it.roles.start(undefined)
  it.tell('CANDIDATE', 1)
  await expect.poll(() => it.said, { timeout: 3000 }).toEqual(['register SLAVE 2'])
  it.roles.stop()
  expect(it.tell('LEADER', 2, 'n1', true)).toEqual([])
  expect(it.config.brokerRole).toBe('SLAVE')
})
