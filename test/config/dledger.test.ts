/** enableDLegerCommitLog: what follows from it, and what is refused beside it. */
import { expect, test } from 'vitest'
import { type BrokerConfig, configText, parseProperties, resolveConfig } from '../../src/config/index.ts'

const PEERS = 'n0-127.0.0.1:40911;n1-127.0.0.1:40912;n2-127.0.0.1:40913'
const GROUP = [
  'enableDLegerCommitLog=true',
  `dLegerPeers=${PEERS}`,
  'dLegerSelfId=n1',
  'namesrvAddr=127.0.0.1:9876',
  'storePathRootDir=/s',
]

function broker(...more: string[]) {
  return resolveConfig({ role: 'broker', set: [...GROUP, ...more], env: {} })
}

function refusal(...more: string[]) {
  try {
    broker(...more)
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('nothing was refused')
}

test('a member is a slave with the number in its name + 1 until it leads; its log is in the data files', () => {
  const { config, warnings, origins } = broker('brokerName=b', 'storePathCommitLog=/old')
  expect(config).toMatchObject({
    ...{ brokerRole: 'SLAVE', brokerId: 2, dLegerGroup: 'b', slaveTimeout: 2500 },
    storePathDLedgerCommitLog: '/s/dledger-n1/data',
    storePathCommitLog: '/s/dledger-n1/data',
    storePathClassicCommitLog: '/old',
  } satisfies Partial<BrokerConfig>)
  expect(warnings).toEqual([])
  expect(origins.get('brokerId')?.text).toBe('from dLegerSelfId')
})

test('the group has the name of a broker that has none of its own', () => {
  expect(broker('brokerName=').config.dLegerGroup).toBe('DEFAULT_BROKER')
})

test('what the group decides is passed over with a line, and a wait that somebody chose is kept', () => {
  const { config, warnings } = broker('brokerRole=SYNC_MASTER', 'brokerId=7', 'slaveTimeout=3000')
  expect(config).toMatchObject({ brokerRole: 'SLAVE', brokerId: 2, slaveTimeout: 3000 })
  expect(warnings).toEqual([
    expect.stringContaining('brokerRole SYNC_MASTER is passed over'),
    expect.stringContaining('brokerId 7 is passed over'),
  ])
})

test.each([
  ['dLegerSelfId=', 'dLegerSelfId is not set'],
  ['dLegerSelfId=n3', 'the members are n0, n1, n2'],
  ['dLegerPeers=n0:40911', 'host:port'],
  ['dLegerPeers=n1-127.0.0.1', 'host:port'],
  ['dLegerPeers=node1-127.0.0.1:40911', 'no letter with a number'],
  ['dLegerPeers=n1-127.0.0.1:40911;m1-127.0.0.1:40912', 'a number of its own'],
  ['dLegerPeers=n1-127.0.0.1:40911;n1-127.0.0.1:40912', 'a number of its own'],
  ['dLegerPeers=n1-127.0.0.1:10911', 'dLegerPeers is 10911, as is listenPort'],
  ['storePathDLedgerCommitLog=/a,/b', 'several folders are not served'],
  ['storePathDLedgerCommitLog=/s/commitlog', 'the folder of the plain CommitLog'],
  ['readUnCommitted=true', 'may be taken back'],
])('%s is refused: %s', (line, what) => {
  expect(refusal(line)).toContain(what)
})

test.each([
  ['dLegerPeers=n1-127.0.0.1:40911', 'take at least three'],
  ['namesrvAddr=', 'needs a NameServer'],
  ['preferredLeaderId=n2;n7', 'preferredLeaderId names n7'],
  ['haMasterAddress=127.0.0.1:10912', 'no effect in a DLedger group'],
  ['maxMessageSize=5000000', 'larger messages are refused'],
])('%s is a warning: %s', (line, what) => {
  expect(broker(line).warnings).toEqual([expect.stringContaining(what)])
})

test('the port for slaves is told, and may be in use: nothing listens there', () => {
  expect(broker('haListenPort=40912', 'fastListenPort=10000').config.haListenPort).toBe(40_912)
})

test('what a member says of its configuration, leading or not, is one again', () => {
  const { config } = broker()
  for (const [brokerRole, brokerId] of [['SLAVE', 2] as const, ['SYNC_MASTER', 0] as const]) {
    const said = parseProperties(configText('broker', { ...config, brokerRole, brokerId }))
    const set = said.map(({ key, value }) => `${key}=${value}`)
    expect(resolveConfig({ role: 'broker', set, env: {} }).config).toEqual(config)
  }
})
