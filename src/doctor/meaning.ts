/** What a configuration means, in plain words: what may be lost, how long messages stay, who may do what. */
import type { BrokerConfig } from '../config/index.ts'
import { type Finding, of } from './finding.ts'

export function meaningOf(config: BrokerConfig): Finding[] {
  return [safety(config), replication(config), retention(config), ...access(config)]
}

function safety({ flushDiskType, flushIntervalCommitLog }: BrokerConfig): Finding {
  const found = of('safety')
  if (flushDiskType === 'SYNC_FLUSH') {
    return found('ok', 'SYNC_FLUSH: what is acknowledged is on disk; a power cut takes nothing of it')
  }
  return found(
    'note',
    `ASYNC_FLUSH: what is acknowledged outlives the process, but a power cut takes up to about ${flushIntervalCommitLog} ms of it`,
    'flushDiskType=SYNC_FLUSH where that is too much',
  )
}

function replication(config: BrokerConfig): Finding {
  const { brokerRole, brokerId, haMasterAddress } = config
  const found = of('replication')
  if (config.enableDLegerCommitLog) {
    const { dLegerSelfId, dLegerGroup, dLegerPeers } = config
    return found(
      'ok',
      `member ${dLegerSelfId} of DLedger group ${dLegerGroup} (${dLegerPeers}): what is acknowledged is in the logs of a majority`,
    )
  }
  if (brokerRole === 'SLAVE') {
    return found(
      'ok',
      `slave ${brokerId} of ${haMasterAddress === '' ? 'the master that the NameServer tells' : haMasterAddress}: it takes no sends`,
    )
  }
  if (brokerRole === 'SYNC_MASTER')
    return found(
      'ok',
      'SYNC_MASTER: what is acknowledged is on a slave; without one sends are answered 11, stored all the same',
    )
  return found(
    'note',
    'ASYNC_MASTER: the loss of this disk takes what no slave has yet',
    'brokerRole=SYNC_MASTER and a slave where that is too much',
  )
}

function retention(config: BrokerConfig): Finding {
  const { fileReservedTime, deleteWhen, diskMaxUsedSpaceRatio, diskSpaceWarningLevelRatio } = config
  const found = of('retention')
  const what = `messages stay ${fileReservedTime} h and go at ${deleteWhen} o'clock, consumed or not; sooner above ${diskMaxUsedSpaceRatio} % of the disk; above ${diskSpaceWarningLevelRatio} % sends are refused`
  return fileReservedTime < 1
    ? found('warn', what, 'fileReservedTime=0 removes everything at each deleteWhen')
    : found('note', what)
}

function access({
  aclEnable,
  adminFromLoopbackOnly,
  autoCreateTopicEnable,
  autoCreateSubscriptionGroup,
}: BrokerConfig): Finding[] {
  const found = of('access')
  const findings: Finding[] = []
  if (!aclEnable && !adminFromLoopbackOnly) {
    findings.push(
      found(
        'note',
        'whoever reaches the ports may administer, delete and read everything',
        'aclEnable=true, adminFromLoopbackOnly=true, or a firewall',
      ),
    )
  } else
    findings.push(
      found(
        'ok',
        aclEnable ? 'access rules are checked (aclEnable)' : 'only this machine may administer (adminFromLoopbackOnly)',
      ),
    )
  if (autoCreateTopicEnable || autoCreateSubscriptionGroup) {
    const what = [autoCreateTopicEnable ? 'topics' : '', autoCreateSubscriptionGroup ? 'groups' : ''].filter(
      (word) => word !== '',
    )
    findings.push(
      found(
        'note',
        `${what.join(' and ')} are created by whoever names a new one, on this broker alone`,
        'autoCreateTopicEnable=false and autoCreateSubscriptionGroup=false in production',
      ),
    )
  }
  return findings
}
