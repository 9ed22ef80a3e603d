/**
 * Whether a broker would be well on this machine with this configuration: nothing is started, nothing stays behind.
 *
 *   disk      file system, room, fdatasync measured, what is in the store
 *   machine   limits, memory, clock, addon          network   address, ports, NameServers
 *   meaning   what the configuration says, in words      files     of TLS and access rules, where they are named
 */
import type { Resolved } from '../config/index.ts'
import { checkFileSystem, checkSpace, checkStore, checkSync } from './disk.ts'
import { checkFilesOf } from './files.ts'
import { type Finding, of } from './finding.ts'
import { checkClock, checkFiles, checkMaps, checkMemory, checkNative } from './machine.ts'
import { meaningOf } from './meaning.ts'
import { checkAddress, checkMaster, checkNamesrv, checkPorts } from './network.ts'

export { resolveAll } from './configuration.ts'
export type { Finding, Verdict } from './finding.ts'

export async function examine({ config, warnings }: Resolved<'broker'>): Promise<Finding[]> {
  return [
    ...warnings.map((warning) =>
      of('configuration')('warn', warning, 'correct it, or leave it out: "basaltmq keys" has them all'),
    ),
    await checkAddress(config),
    ...(await checkPorts(config)),
    ...(await checkNamesrv(config)),
    ...(await checkMaster(config)),
    checkStore(config, Date.now()),
    checkFileSystem(config.storePathCommitLog),
    checkSpace(config),
    checkSync(config),
    checkFiles(),
    checkMaps(),
    checkMemory(),
    await checkClock(),
    checkNative(),
    ...(await checkFilesOf(config)),
    ...meaningOf(config),
  ]
}
