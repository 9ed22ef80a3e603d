/**
 * What follows from other keys, and what must not be said together. Runs once, after all values are known.
 */
import { dirname, join, resolve } from 'node:path'
import { ConfigError } from '../errors.ts'
import { checkDLedger, deriveDLedger, ENTRY_HEADER, ENTRY_MAX, ownDLedgerPort } from './dledger.ts'
import { type BrokerConfig, GIB, KIB, MIB } from './keys/index.ts'

/** What a record may need beside its body: properties (32 KiB), topic, fields, IPv6 hosts, blank; rounded up. */
const RECORD_EXTRA = 64 * KIB
/** The least that it needs: fields, a topic of one letter, the blank at the end of a segment. */
const RECORD_EXTRA_MIN = 91 + 1 + 8
const UNIT_SIZE = 20
/** Of RocketMQ's slave, less a header. */
const RECEIVE_ROOM = 4 * MIB - 12

/** How a check reads and names values. */
export interface Context {
  config: BrokerConfig
  cwd: string
  /** Where the value came from: "broker.conf:3". */
  where(key: keyof BrokerConfig): string
  isSet(key: keyof BrokerConfig): boolean
  /** Sets a value that follows from another key. */
  derive<K extends keyof BrokerConfig>(key: K, value: BrokerConfig[K], from: string): void
  warn(key: keyof BrokerConfig, message: string): void
}

export function deriveBroker(context: Context): void {
  const { config, derive } = context
  deriveAcl(context)
  derive('storePathRootDir', resolve(context.cwd, config.storePathRootDir), 'the working folder')
  const commitLog = config.storePathCommitLog
  if (commitLog === '') derive('storePathCommitLog', join(config.storePathRootDir, 'commitlog'), 'storePathRootDir')
  else derive('storePathCommitLog', resolve(context.cwd, commitLog), 'the working folder')
  if (config.brokerName === '') derive('brokerName', 'DEFAULT_BROKER', 'the empty name')
  deriveDLedger(context)
  if (config.brokerIP2 === '') derive('brokerIP2', config.brokerIP1, 'brokerIP1')
  if (config.haListenPort === 0 && config.listenPort !== 0) derive('haListenPort', config.listenPort + 1, 'listenPort')
  if (config.fastListenPort === 0 && config.listenPort !== 0)
    derive('fastListenPort', config.listenPort - 2, 'listenPort')
  const units = Math.ceil(config.mappedFileSizeConsumeQueue / UNIT_SIZE)
  derive('mappedFileSizeConsumeQueue', units * UNIT_SIZE, 'units of 20 bytes')
  if (config.submitRingSize === 0) derive('submitRingSize', ringFor(config.maxMessageSize), 'maxMessageSize')
  if (config.brokerRole !== 'SLAVE' && config.brokerId !== 0) {
    context.warn('brokerId', `brokerId is ${config.brokerId}, but a master's is always 0`)
    derive('brokerId', 0, 'brokerRole')
  }
}

/** RocketMQ has its files in conf below its home, broker.conf among them. */
function deriveAcl({ config, cwd, derive }: Context): void {
  const { aclConfigPath, rocketmqHome, brokerConfigPath } = config
  if (aclConfigPath !== '') derive('aclConfigPath', resolve(cwd, aclConfigPath), 'the working folder')
  else if (rocketmqHome !== '') derive('aclConfigPath', resolve(cwd, rocketmqHome, 'conf'), 'rocketmqHome')
  else if (brokerConfigPath !== '') derive('aclConfigPath', resolve(cwd, dirname(brokerConfigPath)), 'the -c file')
  else derive('aclConfigPath', resolve(cwd, 'conf'), 'the working folder')
}

/** Four of the largest records, a power of two, at least 8 MiB. */
function ringFor(maxMessageSize: number): number {
  let size = 8 * MIB
  while (size < 4 * (maxMessageSize + RECORD_EXTRA)) size *= 2
  return size
}

export function checkBroker(context: Context): void {
  checkDLedger(context)
  checkSizes(context)
  checkPorts(context)
  checkDisk(context)
  checkPromises(context)
}

function refuse(context: Context, key: keyof BrokerConfig, what: string, todo: string): never {
  throw new ConfigError('BAD_VALUE', { what, where: context.where(key), todo })
}

function checkSizes(context: Context): void {
  const { config } = context
  const { maxMessageSize, mappedFileSizeCommitLog: segment, submitRingSize: ring } = config
  const most = config.enableDLegerCommitLog ? Math.min(maxMessageSize, ENTRY_MAX) : maxMessageSize
  const blame = context.isSet('mappedFileSizeCommitLog') ? 'mappedFileSizeCommitLog' : 'maxMessageSize'
  if (most + RECORD_EXTRA_MIN + (config.enableDLegerCommitLog ? ENTRY_HEADER : 0) > segment) {
    const what = `mappedFileSizeCommitLog is ${segment}, too small for a message of maxMessageSize ${maxMessageSize}`
    refuse(context, blame, what, `allowed: at least ${most + RECORD_EXTRA} for that maxMessageSize`)
  }
  if (most + RECORD_EXTRA > segment) {
    const message = `mappedFileSizeCommitLog is ${segment}: a message of maxMessageSize ${maxMessageSize} with long properties`
    context.warn(blame, `${message} does not fit and is refused; ${most + RECORD_EXTRA} would do`)
  }
  const isPowerOfTwo = Number.isInteger(Math.log2(ring))
  if (!isPowerOfTwo || ring < 4 * (maxMessageSize + RECORD_EXTRA)) {
    const least = ringFor(maxMessageSize)
    refuse(
      context,
      'submitRingSize',
      `submitRingSize is ${ring}`,
      `allowed: 0, or powers of two from ${least} on (four records)`,
    )
  }
  if (config.maxFrameSize < maxMessageSize + 2 * RECORD_EXTRA) {
    const least = maxMessageSize + 2 * RECORD_EXTRA
    const what = `maxFrameSize is ${config.maxFrameSize}, too small for a message of maxMessageSize ${maxMessageSize}`
    refuse(
      context,
      context.isSet('maxFrameSize') ? 'maxFrameSize' : 'maxMessageSize',
      what,
      `allowed: at least ${least}`,
    )
  }
  const indexFile = 40 + 4 * config.maxHashSlotNum + 20 * config.maxIndexNum
  if (indexFile >= 2 * GIB) {
    const what = `maxHashSlotNum ${config.maxHashSlotNum} and maxIndexNum ${config.maxIndexNum} make files of ${indexFile} bytes`
    refuse(context, 'maxIndexNum', what, 'allowed: less than 2 GiB, 4 bytes a slot and 20 an entry')
  }
}

function checkPorts(context: Context): void {
  const { config } = context
  if (config.fastListenPort < 1 && config.listenPort !== 0) {
    refuse(
      context,
      'listenPort',
      `listenPort is ${config.listenPort}`,
      'set fastListenPort, which is listenPort - 2 otherwise',
    )
  }
  const taken = new Map<number, keyof BrokerConfig>()
  for (const key of ['listenPort', 'fastListenPort', 'haListenPort', 'dLegerPeers', 'nameServerInsidePort'] as const) {
    const port = portOf(config, key)
    if (port === 0) continue
    const other = taken.get(port)
    const isTooLarge = port > 65_535
    if (isTooLarge || other !== undefined) {
      const blame = [key, other, 'listenPort' as const].find((name) => name !== undefined && context.isSet(name)) ?? key
      if (isTooLarge) refuse(context, blame, `${key} would be ${port}`, `set ${key}, or another listenPort`)
      refuse(context, blame, `${key} is ${port}, as is ${other}`, 'give each its own port, or 0 for a free one')
    }
    taken.set(port, key)
  }
}

/** 0: none, or a free one. In a DLedger group the port for slaves is told as RocketMQ does, and nothing listens there. */
function portOf(config: BrokerConfig, key: 'dLegerPeers' | Extract<keyof BrokerConfig, `${string}Port`>): number {
  if (key === 'dLegerPeers') return config.enableDLegerCommitLog ? (ownDLedgerPort(config) ?? 0) : 0
  if (key === 'haListenPort' && config.enableDLegerCommitLog) return 0
  return key === 'nameServerInsidePort' && !runsNameServer(config) ? 0 : config[key]
}

function checkDisk(context: Context): void {
  const { diskMaxUsedSpaceRatio, diskSpaceCleanForciblyRatio, diskSpaceWarningLevelRatio } = context.config
  if (diskMaxUsedSpaceRatio > diskSpaceCleanForciblyRatio) {
    const message = `diskMaxUsedSpaceRatio ${diskMaxUsedSpaceRatio} is above diskSpaceCleanForciblyRatio`
    context.warn('diskMaxUsedSpaceRatio', `${message} ${diskSpaceCleanForciblyRatio}: segments of any age go first`)
  }
  if (diskSpaceCleanForciblyRatio > diskSpaceWarningLevelRatio) {
    const message = `diskSpaceWarningLevelRatio ${diskSpaceWarningLevelRatio} is below diskSpaceCleanForciblyRatio`
    context.warn(
      'diskSpaceWarningLevelRatio',
      `${message} ${diskSpaceCleanForciblyRatio}: sends are refused before space is made`,
    )
  }
}

/** Promises that this version cannot keep must not look kept. */
function checkPromises(context: Context): void {
  const { config } = context
  if (config.brokerRole === 'SLAVE' && config.brokerId < 1) {
    const blame = context.isSet('brokerId') ? 'brokerId' : 'brokerRole'
    const what = `brokerRole is SLAVE and brokerId ${config.brokerId}, but a slave's is above 0`
    refuse(context, blame, what, 'set brokerId, another one for each slave of a brokerName')
  }
  const isSlave = config.brokerRole === 'SLAVE' && !config.enableDLegerCommitLog
  if (isSlave && runsNameServer(config) && config.haMasterAddress === '') {
    const what = 'brokerRole is SLAVE, and neither namesrvAddr nor haMasterAddress says where its master is'
    context.warn('brokerRole', `${what}: nothing is replicated`)
  }
  if (config.haTransferBatchSize > RECEIVE_ROOM) {
    const what = `haTransferBatchSize is ${config.haTransferBatchSize}: a slave of RocketMQ's has room for 4 MiB only`
    context.warn('haTransferBatchSize', what)
  }
  if (config.enableCalcFilterBitMap && !config.enableConsumeQueueExt) {
    context.warn('enableCalcFilterBitMap', 'enableCalcFilterBitMap does nothing without enableConsumeQueueExt')
  }
  if (config.storePathCommitLog.includes(',')) {
    refuse(
      context,
      'storePathCommitLog',
      `storePathCommitLog is ${JSON.stringify(config.storePathCommitLog)}`,
      'allowed: one folder',
    )
  }
}

/** Whether a NameServer runs inside the broker's process. */
export function runsNameServer(
  config: Pick<BrokerConfig, 'nameServerInside' | 'namesrvAddr' | 'fetchNamesrvAddrByAddressServer'>,
): boolean {
  const { nameServerInside, namesrvAddr, fetchNamesrvAddrByAddressServer } = config
  const hasOthers = namesrvAddr !== '' || fetchNamesrvAddrByAddressServer
  return nameServerInside === 'always' || (nameServerInside === 'auto' && !hasOthers)
}
