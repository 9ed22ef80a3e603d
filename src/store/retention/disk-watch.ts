/** Looks at the disk once a second: how full it is. */
import type { ControlBlock } from '../../concurrency/control-block.ts'
import { describe } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { commitLogFolder } from '../commitlog/segments.ts'
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

  private say(text: string): void {
    if (this.said === text) return
    this.said = text
    this.options.log.error(text)
  }
}
