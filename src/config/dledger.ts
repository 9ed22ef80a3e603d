/**
 * The DLedger mode of a configuration: what follows from enableDLegerCommitLog, and what must not be said beside it.
 *
 * A member of a group is a slave, with the number in its name + 1 as brokerId, until it leads; the broker changes both while it
 * runs. Rules: spec/dledger.md §1.1. RocketMQ finds most of these mistakes in its first election, or never.
 */
import { join, resolve } from 'node:path'
import { ConfigError } from '../errors.ts'
import type { Context } from './checks.ts'
import { type BrokerConfig, MIB } from './keys/index.ts'
import { INT_MAX } from './keys/key.ts'
import { isAddressList } from './syntax.ts'

/** RocketMQ gives an append so long to be held by a majority: clients wait for 3 s. */
const QUORUM_MS = 2500
/** An entry is a header and a record; RocketMQ's members have a buffer of this size for it. */
export const ENTRY_MAX = 4 * MIB
export const ENTRY_HEADER = 48
const MEMBERS_MIN = 3
const FORM = 'write n0-host:port;n1-host:port;n2-host:port'

interface Member {
  readonly id: string
  readonly port: number
}

/** The log is in the data files then; the folder that it had before keeps its meaning under another key. */
export function deriveDLedger({ config, cwd, derive, isSet, warn }: Context): void {
  if (!config.enableDLegerCommitLog) return
  const { storePathRootDir, storePathDLedgerCommitLog, dLegerSelfId } = config
  const data = join(storePathRootDir, `dledger-${dLegerSelfId}`, 'data')
  if (storePathDLedgerCommitLog === '') derive('storePathDLedgerCommitLog', data, 'dLegerSelfId')
  else if (!storePathDLedgerCommitLog.includes(','))
    derive('storePathDLedgerCommitLog', resolve(cwd, storePathDLedgerCommitLog), 'the working folder')
  if (config.storePathClassicCommitLog === '')
    derive('storePathClassicCommitLog', config.storePathCommitLog, 'storePathCommitLog')
  derive('storePathCommitLog', config.storePathDLedgerCommitLog, 'enableDLegerCommitLog')
  if (config.dLegerGroup === '') derive('dLegerGroup', config.brokerName, 'brokerName')
  if (!isSet('slaveTimeout')) derive('slaveTimeout', QUORUM_MS, 'enableDLegerCommitLog')
  const brokerId = idOf(dLegerSelfId) + 1
  if (isSet('brokerRole') && config.brokerRole !== 'SLAVE')
    warn('brokerRole', `brokerRole ${config.brokerRole} is passed over: the DLedger group elects its master`)
  if (isSet('brokerId') && config.brokerId !== 0 && config.brokerId !== brokerId)
    warn('brokerId', `brokerId ${config.brokerId} is passed over: in a DLedger group it follows from dLegerSelfId`)
  derive('brokerRole', 'SLAVE', 'enableDLegerCommitLog')
  if (brokerId >= 1) derive('brokerId', brokerId, 'dLegerSelfId')
}

export function checkDLedger(context: Context): void {
  const { config, warn } = context
  if (!config.enableDLegerCommitLog) return
  const members = checkMembers(context)
  checkFolders(context)
  if (config.readUnCommitted) {
    const what = 'readUnCommitted is true, but what a DLedger group has not committed may be taken back'
    refuse(context, 'readUnCommitted', what, 'take it out')
  }
  if (members.length < MEMBERS_MIN) {
    const what = `a DLedger group of ${members.length} stands still, or loses its log, with its first member that fails`
    warn('dLegerPeers', `${what}: take at least three`)
  }
  if (members.length > 1 && config.namesrvAddr === '' && !config.fetchNamesrvAddrByAddressServer) {
    const what = 'a DLedger group needs a NameServer that all of it registers with, and namesrvAddr names none'
    warn('enableDLegerCommitLog', `${what}: clients do not find the leader, topics and offsets are not copied`)
  }
  const ids = new Set(members.map(({ id }) => id))
  const unknown = config.preferredLeaderId.split(';').filter((id) => id.trim() !== '' && !ids.has(id.trim()))
  if (unknown.length > 0) warn('preferredLeaderId', `preferredLeaderId names ${unknown.join(', ')}: no such member`)
  if (context.isSet('haMasterAddress') && config.haMasterAddress !== '')
    warn('haMasterAddress', 'haMasterAddress has no effect in a DLedger group')
  if (config.maxMessageSize > ENTRY_MAX && context.isSet('maxMessageSize')) {
    const what = `maxMessageSize is ${config.maxMessageSize}, but a record of a DLedger group has at most`
    warn('maxMessageSize', `${what} ${ENTRY_MAX - ENTRY_HEADER} bytes: larger messages are refused`)
  }
}

/** Port of this member for the others, where dLegerPeers and dLegerSelfId say one. */
export function ownDLedgerPort(config: Pick<BrokerConfig, 'dLegerPeers' | 'dLegerSelfId'>): number | undefined {
  const own = listed(config.dLegerPeers).find((text) => text.startsWith(`${config.dLegerSelfId}-`))
  return own === undefined ? undefined : Number(/:(\d+)$/.exec(own)?.[1])
}

function checkMembers(context: Context): Member[] {
  const { config } = context
  const { dLegerPeers: peers, dLegerSelfId: self } = config
  if (peers === '' || self === '') {
    const missing = peers === '' ? 'dLegerPeers' : 'dLegerSelfId'
    const todo = peers === '' ? `${FORM}, the same in each member` : 'name the member of dLegerPeers that this is'
    refuse(context, 'enableDLegerCommitLog', `enableDLegerCommitLog is true, and ${missing} is not set`, todo)
  }
  const members = listed(peers).map((text) => memberOf(context, text))
  const brokerIds = new Set(members.map(({ id }) => idOf(id)))
  if (brokerIds.size < members.length) {
    const what = `dLegerPeers is ${JSON.stringify(peers)}: each member needs a number of its own, for its brokerId`
    refuse(context, 'dLegerPeers', what, FORM)
  }
  if (!members.some(({ id }) => id === self)) {
    const what = `dLegerSelfId is ${JSON.stringify(self)}, but the members are ${members.map(({ id }) => id).join(', ')}`
    refuse(context, context.isSet('dLegerSelfId') ? 'dLegerSelfId' : 'dLegerPeers', what, 'allowed: one of dLegerPeers')
  }
  return members
}

function memberOf(context: Context, text: string): Member {
  const dash = text.indexOf('-')
  const id = text.slice(0, Math.max(dash, 0))
  const address = text.slice(dash + 1)
  if (Number.isNaN(idOf(id)) || !isAddressList(address)) {
    const what = `dLegerPeers has ${JSON.stringify(text)}, which is no letter with a number, "-", and host:port`
    refuse(context, 'dLegerPeers', what, FORM)
  }
  return { id, port: Number(/\d+$/.exec(address)) }
}

function checkFolders(context: Context): void {
  const { storePathDLedgerCommitLog: data, storePathClassicCommitLog: classic } = context.config
  if (data.includes(',')) {
    const what = `storePathDLedgerCommitLog is ${JSON.stringify(data)}: several folders are not served`
    refuse(context, 'storePathDLedgerCommitLog', what, 'allowed: one folder, on a volume with the room')
  }
  if (data !== classic) return
  const what = `storePathDLedgerCommitLog is ${JSON.stringify(data)}, which is the folder of the plain CommitLog`
  refuse(context, 'storePathDLedgerCommitLog', what, "allowed: a folder of its own: the files' names are the same")
}

function listed(peers: string): string[] {
  return peers
    .split(';')
    .map((text) => text.trim())
    .filter((text) => text !== '')
}

/** RocketMQ reads what is behind the first letter as a number; NaN where that is none. */
function idOf(id: string): number {
  const number = /^[A-Za-z](\d+)$/.exec(id)?.[1]
  return number === undefined || Number(number) >= INT_MAX ? Number.NaN : Number(number)
}

function refuse(context: Context, key: keyof BrokerConfig, what: string, todo: string): never {
  throw new ConfigError('BAD_VALUE', { what, where: context.where(key), todo })
}
