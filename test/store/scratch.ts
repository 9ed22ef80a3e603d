/** What tests of files need: a folder of their own, settings of small files, recorded stores, a log to look into. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { Log } from '../../src/log.ts'
import type { StoreSettings } from '../../src/store/settings.ts'

const VECTORS = fileURLToPath(new URL('../vectors/rocketmq-4.9.8/store/', import.meta.url))

/** Removed after the test. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'basalt-store-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A copy of a store that RocketMQ 4.9.8 wrote. */
export function recordedStore(kind: 'clean' | 'unclean'): string {
  const folder = scratchFolder()
  execFileSync('tar', ['xzf', join(VECTORS, `store-${kind}.tar.gz`), '-C', folder])
  return folder
}

/** Sizes are those of the recorded stores. */
export function storeSettings(root: string, changes: Partial<StoreSettings> = {}): StoreSettings {
  return {
    storePathRootDir: root,
    storePathCommitLog: join(root, 'commitlog'),
    mappedFileSizeCommitLog: 65_536,
    mappedFileSizeConsumeQueue: 6000,
    enableConsumeQueueExt: false,
    mappedFileSizeConsumeQueueExt: 65_536,
    bitMapLengthConsumeQueueExt: 64,
    messageIndexEnable: true,
    maxHashSlotNum: 500,
    maxIndexNum: 2000,
    maxMessageSize: 4096,
    flushDiskType: 'SYNC_FLUSH',
    flushIntervalCommitLog: 500,
    flushCommitLogLeastPages: 4,
    flushCommitLogThoroughInterval: 10_000,
    flushIntervalConsumeQueue: 1000,
    flushConsumeQueueThoroughInterval: 60_000,
    checkCRCOnRecover: true,
    messageDelayLevel: '1s 5s 10s',
    fileReservedTime: 72,
    deleteWhen: '04',
    diskMaxUsedSpaceRatio: 75,
    cleanResourceInterval: 10_000,
    cleanFileForciblyEnable: true,
    deleteCommitLogFilesInterval: 0,
    deleteConsumeQueueFilesInterval: 0,
    accessMessageInMemoryMaxRatio: 40,
    diskSpaceCleanForciblyRatio: 101,
    diskSpaceWarningLevelRatio: 101,
    readUnCommitted: false,
    brokerRole: 'ASYNC_MASTER',
    enableDLegerCommitLog: false,
    dLegerGroup: '',
    dLegerPeers: '',
    dLegerSelfId: '',
    preferredLeaderId: '',
    dLedgerFastElection: false,
    storePathClassicCommitLog: '',
    bindAddress: '127.0.0.1',
    haListenPort: 0,
    haMasterAddress: '',
    haSendHeartbeatInterval: 5000,
    haHousekeepingInterval: 20_000,
    haTransferBatchSize: 32_768,
    haSlaveFallbehindMax: 268_435_456,
    slaveTimeout: 3000,
    haTransferUnflushed: true,
    haTransfer: 'stream',
    haFillFrom: 'first',
    slaveAckAfter: 'append',
    tailWriter: 'pwrite',
    submitRingSize: 65_536,
    stageClockSampling: 64,
    sideChecksums: false,
    sideChecksumRate: 1024 * 1024 * 1024,
    scrubRate: 1024 * 1024 * 1024,
    scrubInterval: 604_800_000,
    ...changes,
  }
}

export interface CapturedLog extends Log {
  lines: { level: 'info' | 'warn' | 'error'; message: string }[]
  /** Messages of a level, in order. */
  of(level: 'info' | 'warn' | 'error'): string[]
}

export function capturedLog(): CapturedLog {
  const lines: CapturedLog['lines'] = []
  return {
    lines,
    info: (message) => void lines.push({ level: 'info', message }),
    warn: (message) => void lines.push({ level: 'warn', message }),
    error: (message) => void lines.push({ level: 'error', message }),
    of: (level) => lines.filter((line) => line.level === level).map((line) => line.message),
  }
}
