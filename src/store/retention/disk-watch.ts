/**
 * Looks at the disk once a second: how full it is, and whether somebody else removed, replaced or cut the segment that
 * the broker writes to. Both are said once when they begin and once when they end.
 */
import { type Stats, statSync } from 'node:fs'
import type { ControlBlock } from '../../concurrency/control-block.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { commitLogFolder, segmentPath, segmentStart } from '../commitlog/segments.ts'
import type { StoreSettings } from '../settings.ts'
import type { DiskState } from './disk-state.ts'
import { bytesSaid, type DiskUse, diskUse } from './disk-use.ts'

const INTERVAL_MS = 1000

export interface DiskWatchOptions {
  settings: StoreSettings
  control: ControlBlock
  disk: DiskState
  log: Log
  use?(path: string): DiskUse
}

export class DiskWatch {
  private readonly options: DiskWatchOptions
  private readonly folder: string
  private nextAt = 0
  private segment = -1
  private inode = 0
  private said: string | undefined

  constructor(options: DiskWatchOptions) {
    this.options = options
    this.folder = commitLogFolder(options.settings)
  }

  /** `now`: monotonic milliseconds. */
  step(now: number): void {
    if (now < this.nextAt) return
    this.nextAt = now + INTERVAL_MS
    this.watchUse()
    this.watchSegment()
  }

  private watchUse(): void {
    const { settings, disk, use = diskUse } = this.options
    const { diskSpaceWarningLevelRatio: limit } = settings
    for (const path of [this.folder, settings.storePathRootDir]) {
      let found: DiskUse
      try {
        found = use(path)
      } catch (error) {
        this.say(`${path} cannot be asked for its free space: ${describe(error)}`)
        continue
      }
      if (found.usedPercent > limit) {
        const free = `${found.freeBytes} bytes free (${bytesSaid(found.freeBytes)})`
        disk.set(
          'ratio',
          `disk full: the file system of ${path} is ${found.usedPercent} % used, ${free}; above ${limit} % messages are ` +
            'refused (diskSpaceWarningLevelRatio)',
        )
        return
      }
    }
    disk.clear('ratio')
  }

  /** What was opened goes on to work; but the file that a next start will find is another one, or none. */
  private watchSegment(): void {
    const { settings, control } = this.options
    const size = settings.mappedFileSizeCommitLog
    const segment = segmentStart(control.load('appended'), size)
    const path = segmentPath(this.folder, segment)
    const status = statusOf(path)
    if (segment !== this.segment) {
      // Not made yet: the supply comes first.
      if (status === undefined) return
      this.segment = segment
      this.inode = status.ino
    }
    if (status === undefined)
      this.say(`${path} was removed by somebody else: messages in it are lost at the next start`)
    else if (status.ino !== this.inode) this.say(`${path} was replaced by somebody else: messages in it are lost`)
    else if (status.size !== size)
      this.say(`${path} was cut to ${status.size} bytes by somebody else, expected ${size}`)
    else this.said = undefined
  }

  private say(text: string): void {
    if (this.said === text) return
    this.said = text
    this.options.log.error(text)
  }
}

/** What cannot be asked (a folder without permission) counts as removed: a next start could not read it either. */
function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}
