/** Stores of RocketMQ 4.9.8 brokers in DLedger mode, and settings that read them. */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StoreSettings } from '../../../src/store/settings.ts'
import { scratchFolder, storeSettings } from '../scratch.ts'

const VECTORS = fileURLToPath(new URL('../../vectors/dledger-0.3.1.2/store/', import.meta.url))

export type DLedgerVector =
  | 'rmq-clean-n2'
  | 'rmq-killed-n0'
  | 'rmq-mixed'
  | 'plain-clean-n0'
  | 'plain-unclean-n1'
  | 'plain-healed-n2'

/** A copy of its storePathRootDir. */
export function dledgerStore(name: DLedgerVector): string {
  const folder = scratchFolder()
  execFileSync('tar', ['xzf', join(VECTORS, `${name}.tar.gz`), '-C', folder])
  return name.startsWith('rmq') ? join(folder, 'store') : folder
}

export function dledgerSettings(root: string, changes: Partial<StoreSettings> = {}): StoreSettings {
  const member = readdirSync(root).find((it) => it.startsWith('dledger-'))!
  return storeSettings(root, {
    enableDLegerCommitLog: true,
    dLegerSelfId: member.slice('dledger-'.length),
    storePathCommitLog: join(root, member, 'data'),
    storePathClassicCommitLog: join(root, 'commitlog'),
    messageDelayLevel: '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h',
    ...changes,
  })
}
