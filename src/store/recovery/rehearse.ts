/**
 * A start of the broker as far as the store goes, rehearsed: recoverStore itself, on a disk that only remembers what would be
 * written. Nothing is locked, nothing is changed, and there is no second opinion about what a start does.
 *
 * Called by: the inspector, on a store that nobody uses. Blocks on: the disk.
 */
import { resolve } from 'node:path'
import type { Log } from '../../log.ts'
import { LogFolders, LogReader } from '../commitlog/index.ts'
import type { StoreSettings } from '../settings.ts'
import { folderError, foldersOf, wasUnclean } from '../store-folder.ts'
import { DryDisk } from './dry-disk.ts'
import { DrySource } from './dry-source.ts'
import { type RecoveredStore, type RecoveryGround, recoverStore, type StartMarks, startMarks } from './recover-store.ts'

export interface Rehearsal {
  isUnclean: boolean
  /** Undefined where they cannot be read: `error` says why. */
  marks: StartMarks | undefined
  /** What the broker would begin with; undefined when the start would fail. */
  recovered: RecoveredStore | undefined
  /** What the start would end with. */
  error: unknown
  disk: DryDisk
  ms: number
}

/** `logOf`: in the place of recoverLog, for a DLedger log (RecoveryGround.log). */
export function rehearseStart(
  settings: StoreSettings,
  log: Log,
  logOf?: (disk: DryDisk) => RecoveryGround['log'],
): Rehearsal {
  const began = performance.now()
  const root = resolve(settings.storePathRootDir)
  const disk = new DryDisk()
  const isUnclean = wasUnclean(root)
  const rehearsal: Rehearsal = { isUnclean, marks: undefined, recovered: undefined, error: undefined, disk, ms: 0 }
  try {
    makeFolders(settings, root, disk)
    rehearsal.marks = startMarks(root, !isUnclean)
    const { mappedFileSizeCommitLog: size } = settings
    const ground: RecoveryGround = {
      disk,
      source: (end) => new DrySource(disk, new LogReader(settings), new LogFolders(settings), size, end),
    }
    const special = logOf?.(disk)
    if (special !== undefined) ground.log = special
    rehearsal.recovered = recoverStore(settings, { root, isUnclean }, log, ground)
  } catch (error) {
    rehearsal.error = error
  }
  rehearsal.ms = performance.now() - began
  return rehearsal
}

function makeFolders(settings: StoreSettings, root: string, disk: DryDisk): void {
  try {
    for (const folder of foldersOf(settings)) disk.makeFolder(folder)
  } catch (error) {
    throw folderError(root, error)
  }
}
