/**
 * Makes an empty store begin at another offset: a slave that joins late gets its master's log from some file on.
 *
 * Called by: stages/housekeeping.ts, while append stands still behind a fence and nothing was ever appended.
 * Blocks on: the disk. A crash in the middle leaves a store that is empty and begins at 0, or at `to`.
 */
import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { assert } from '../../assert.ts'
import type { ControlBlock } from '../../concurrency/control-block.ts'
import { syncFolder } from '../../native/index.ts'
import { FOLDERS, type StoreSettings } from '../settings.ts'
import { allocateSegment } from './segment-allocator.ts'
import { commitLogFolder, listSegments } from './segments.ts'

const STANDING = ['retained', 'settled', 'dispatched', 'flushed', 'replicated'] as const

export function beginAt(settings: StoreSettings, control: ControlBlock, to: number): void {
  const { mappedFileSizeCommitLog: size } = settings
  const folder = commitLogFolder(settings)
  assert(to > 0 && to % size === 0, 'a log begins with a file')
  const end = control.load('appended')
  for (const name of STANDING) assert(control.load(name) === end, 'only an empty store begins elsewhere')
  for (const { path } of listSegments(folder, size)) unlinkSync(path)
  syncFolder(folder)
  allocateSegment({ folder, ownFolder: join(settings.storePathRootDir, FOLDERS.own), start: to, size })
  control.writer('allocated').reset(to + size)
  // Last the tail, as concurrency/fence.ts moves it first when it goes back: flush and dispatch, which look at any time, would
  // take what lies between for theirs, and there are no files of it.
  for (const name of [...STANDING, 'appended'] as const) control.writer(name).reset(to)
}
